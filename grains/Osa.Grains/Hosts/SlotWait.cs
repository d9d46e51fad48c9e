using Osa.Domain.Errors;
using Osa.Storage;

namespace Osa.Grains.Hosts;

/// <summary>Waits in the queue in front of a container engine, for as long as nobody wishes the work to end.</summary>
public sealed class SlotWait(IGrainFactory grains, TimeProvider time)
{
    private static readonly TimeSpan Said = TimeSpan.FromMinutes(1);

    /// <param name="whose">Who waits, in words.</param>
    /// <param name="seen">Told each answer of the queue.</param>
    /// <param name="say">Told in words who waits for what, where that is news: hundreds may wait, and a place in the queue is news once a minute.</param>
    /// <returns>False when the work shall end.</returns>
    /// <exception cref="OsaException">Unavailable: the engine is away.</exception>
    internal async Task<bool> AcquireAsync(string engineId, SlotRequest request, string whose, Wish wish, Action<SlotAnswer> seen, Func<string, Task> say, CancellationToken cancellation)
    {
        string? said = null;
        long saidAt = 0;
        long asked = time.GetTimestamp();
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellation, wish.Token);
        while (true)
        {
            SlotAnswer answer;
            try
            {
                answer = await grains.ContainerHost(engineId).Acquire(request, either.Token);
            }
            catch (OperationCanceledException) when (wish.Because is not null && !cancellation.IsCancellationRequested)
            {
                await grains.ContainerHost(engineId).Release(request.Ticket);
                return false;
            }

            seen(answer);
            if (answer.Granted)
            {
                NodeTelemetry.SlotWait.Record(time.GetElapsedTime(asked).TotalSeconds);
                return true;
            }

            if (answer.IsAway)
            {
                throw OsaException.Unavailable($"{whose} waits for {answer.WaitingFor}");
            }

            if (answer.WaitingFor != said && (said is null || time.GetElapsedTime(saidAt) > Said))
            {
                (said, saidAt) = (answer.WaitingFor, time.GetTimestamp());
                await say($"{whose} waits for {said}");
            }
        }
    }
}
