using Microsoft.Extensions.Logging;
using Osa.Domain.Errors;
using Osa.Grains.Hosts;
using Osa.Storage;
using Osa.Storage.Validation;
using Polly;
using Polly.Retry;

namespace Osa.Grains;

/// <summary>
/// A grain whose long work is one task of the activation, on the grain's scheduler. It claims rows and drives them to an end; what it
/// knows is in rows, and another activation that claims them fences this one out. Infrastructure that is away is waited for.
/// </summary>
public abstract partial class DrivenGrain : Grain
{
    private static readonly TimeSpan Heartbeat = Fence.Lease / 3;

    private readonly IFencedWork _work;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ResiliencePipeline _retry;
    private readonly CancellationTokenSource _stop = new();
    private Task? _drive;

    protected DrivenGrain(IFencedWork work, TimeProvider time, ILogger logger)
    {
        (_work, _time, _logger) = (work, time, logger);
        _retry = new ResiliencePipelineBuilder { TimeProvider = time }
            .AddRetry(new RetryStrategyOptions
            {
                MaxRetryAttempts = int.MaxValue,
                BackoffType = DelayBackoffType.Exponential,
                Delay = TimeSpan.FromSeconds(0.5),
                MaxDelay = TimeSpan.FromSeconds(10),
                UseJitter = true,
                // A lost fence is the end; everything else that can be thrown here is nobody's fault.
                ShouldHandle = args => ValueTask.FromResult(
                    args.Outcome.Exception is { } e and not FenceLostException and not ElsewhereException && !_stop.IsCancellationRequested),
                OnRetry = args => new ValueTask(SayAsync(args.Outcome.Exception!, args.RetryDelay)),
            })
            .Build();
    }

    /// <summary>The epoch under which this activation works or last worked.</summary>
    protected Fence? Held { get; private set; }

    protected CancellationToken Stopping => _stop.Token;

    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        await _stop.CancelAsync();
        if (_drive is { IsCompleted: false } drive)
        {
            await drive.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        }
    }

    /// <summary>Claims and drives what there is; called again after each setback.</summary>
    protected abstract Task AttemptAsync();

    /// <summary>Something is to be seen that was not before.</summary>
    protected abstract void Beat();

    /// <returns>False where it drives already.</returns>
    protected bool Drive()
    {
        if (_drive is { IsCompleted: false })
        {
            return false;
        }

        _drive = DriveAsync();
        return true;
    }

    /// <summary>Works under a fence, with a heartbeat; the work's token is cancelled when the fence is lost.</summary>
    /// <exception cref="FenceLostException"/>
    protected async Task HoldAsync(Fence fence, Func<CancellationToken, Task> work)
    {
        Held = fence;
        using var lost = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        Task heartbeat = HeartbeatAsync(fence, lost);
        try
        {
            await work(lost.Token);
        }
        catch (OperationCanceledException) when (lost.IsCancellationRequested && !_stop.IsCancellationRequested)
        {
            throw new FenceLostException(fence.Subject);
        }
        finally
        {
            await lost.CancelAsync();
            await heartbeat;
        }
    }

    /// <summary>What people are told of an exception.</summary>
    protected static string Said(Exception reason) => reason is OsaException ? reason.Message : "an internal error of the node, which its log has";

    private async Task DriveAsync()
    {
        // On the grain's scheduler, off the call that woke it and without its identity.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.ForceYielding);
        RequestContext.Clear();
        DelayDeactivation(Timeout.InfiniteTimeSpan);
        Held = null;
        string key = this.GetPrimaryKeyString();
        ResilienceContext context = ResilienceContextPool.Shared.Get(continueOnCapturedContext: true, _stop.Token);
        try
        {
            await _retry.ExecuteAsync(async _ => await AttemptAsync(), context);
        }
        catch (FenceLostException)
        {
            LogLost(_logger, key);
        }
        catch (ElsewhereException elsewhere)
        {
            // Its container is on an engine that another silo reaches: the work goes where it is.
            LogMoves(_logger, key, elsewhere.EngineId);
            await HandOverAsync();
            RequestContext.Set(ContainersPlacement.EngineHint, elsewhere.EngineId);
            this.MigrateOnIdle();
        }
        catch (Exception e) when (_stop.IsCancellationRequested)
        {
            LogLeft(_logger, key, e.GetType().Name);
            await HandOverAsync();
        }
        finally
        {
            ResilienceContextPool.Shared.Return(context);
            DelayDeactivation(TimeSpan.Zero);
            Beat();
        }
    }

    private async Task HeartbeatAsync(Fence fence, CancellationTokenSource lost)
    {
        while (!lost.IsCancellationRequested)
        {
            try
            {
                await Task.Delay(Heartbeat, _time, lost.Token);
                await _work.HeartbeatAsync(fence, lost.Token);
            }
            catch (FenceLostException)
            {
                await lost.CancelAsync();
            }
            catch (Exception e) when (e is OperationCanceledException or OsaException)
            {
                // Away for now, or done: the next beat, or the end.
            }
        }
    }

    private async Task SayAsync(Exception reason, TimeSpan pause)
    {
        NodeTelemetry.Setbacks.Add(1);
        LogSetback(_logger, reason is OsaException ? null : reason, this.GetPrimaryKeyString(), reason.Message, pause);
        if (Held is null)
        {
            return;
        }

        try
        {
            await _work.WaitAsync(Held, Said(reason), pause + Fence.Lease, setback: true, _stop.Token);
        }
        catch (Exception e) when (e is OsaException or FenceLostException or OperationCanceledException)
        {
            // It could not be written down; the pause is the same.
        }

        Beat();
    }

    private async Task HandOverAsync()
    {
        if (Held is null)
        {
            return;
        }

        try
        {
            await _work.WaitAsync(Held, null, TimeSpan.Zero, setback: false, CancellationToken.None);
        }
        catch (Exception e) when (e is OsaException or FenceLostException)
        {
            // Whoever sweeps sees that this silo is gone.
        }
    }

    [LoggerMessage(5003, LogLevel.Information, "{Work} is another activation's now")]
    private static partial void LogLost(ILogger logger, string work);

    [LoggerMessage(5004, LogLevel.Warning, "{Work} goes on in {Pause}: {Reason}")]
    private static partial void LogSetback(ILogger logger, Exception? e, string work, string reason, TimeSpan pause);

    [LoggerMessage(5005, LogLevel.Information, "{Work} is left for another silo ({Reason})")]
    private static partial void LogLeft(ILogger logger, string work, string reason);

    [LoggerMessage(5006, LogLevel.Information, "{Work} moves to a silo that reaches engine {EngineId}")]
    private static partial void LogMoves(ILogger logger, string work, string engineId);
}

/// <summary>The container is on an engine that another live silo reaches.</summary>
internal sealed class ElsewhereException(string engineId) : Exception($"The container is on engine {engineId}")
{
    public string EngineId { get; } = engineId;
}

/// <summary>That somebody wishes the work to end: its row says so, and this wakes whoever works on it.</summary>
internal sealed class Wish
{
    private readonly CancellationTokenSource _signal = new();

    /// <summary>Why; null while nobody wishes it.</summary>
    public string? Because { get; private set; }

    public CancellationToken Token => _signal.Token;

    /// <summary>Reads the row: somebody said that there may be something in it.</summary>
    public async Task LookAsync(IFencedWork work, Fence fence, CancellationToken cancellation)
    {
        try
        {
            if (await work.WishAsync(fence, cancellation) is { } because)
            {
                Say(because);
            }
        }
        catch (Exception e) when (e is OsaException or FenceLostException or OperationCanceledException)
        {
            // Whoever sweeps says it again in a moment.
        }
    }

    public void Say(string because)
    {
        if (Because is null)
        {
            Because = because;
            _signal.Cancel();
        }
    }
}
