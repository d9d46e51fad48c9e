using Osa.Storage.Hosts;

namespace Osa.Grains.Hosts;

/// <summary>
/// The live silos as their rows say, at most two seconds old: what placement and waking go by. Rows, because slots and health change
/// while a silo runs and membership carries neither.
/// </summary>
public sealed class HostDirectory(SiloTable silos, LocalSilo local, TimeProvider time)
{
    private static readonly TimeSpan Fresh = TimeSpan.FromSeconds(2);

    private readonly SemaphoreSlim _refresh = new(1);
    private IReadOnlyList<LiveSilo> _live = [];
    private long _readAt = -1;

    public async Task<IReadOnlyList<LiveSilo>> LiveAsync(CancellationToken cancellation)
    {
        if (_readAt >= 0 && time.GetElapsedTime(_readAt) < Fresh)
        {
            return _live;
        }

        await _refresh.WaitAsync(cancellation);
        try
        {
            if (_readAt < 0 || time.GetElapsedTime(_readAt) >= Fresh)
            {
                _live = await silos.LiveAsync(local.ClusterId, cancellation);
                _readAt = time.GetTimestamp();
            }
        }
        finally
        {
            _refresh.Release();
        }

        return _live;
    }

    /// <summary>A silo that reaches the engine and may run containers on it, best one that is ready; or null.</summary>
    public async Task<LiveSilo?> ReachingAsync(string engineId, CancellationToken cancellation) =>
        (await LiveAsync(cancellation)).Where(s => s.Row.RunsContainers && s.Row.EngineId == engineId).MaxBy(s => s.Row.IsReady);

    /// <summary>A silo whose engine offers slots, or null.</summary>
    public async Task<LiveSilo?> ReadyAsync(CancellationToken cancellation) =>
        (await LiveAsync(cancellation)).FirstOrDefault(s => s.Row is { RunsContainers: true, IsReady: true });
}
