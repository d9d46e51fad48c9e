using Microsoft.Extensions.Logging;
using Osa.Domain.Conventions;
using Osa.Domain.Errors;
using Osa.Domain.Validation;
using Osa.Grains.Hosts;
using Osa.Storage;
using Osa.Storage.Conventions;
using Osa.Storage.Validation;
using Polly;
using Polly.Retry;

namespace Osa.Grains.Validation;

/// <inheritdoc cref="IValidationRunGrain"/>
/// <remarks>
/// Its long work is one task of the activation, on the grain's scheduler, which claims the run and takes it to its verdict.
/// Everything it knows is in rows; another activation that claims the run fences this one out.
/// </remarks>
[ContainersPlacement]
[CollectionAgeLimit(Minutes = 2)]
public sealed partial class ValidationRunGrain : Grain, IValidationRunGrain
{
    private static readonly TimeSpan Heartbeat = RunStore.Lease / 3;

    private readonly RunStore _runs;
    private readonly VerdictTransaction _verdicts;
    private readonly ConventionStore _conventions;
    private readonly UnitRunner _units;
    private readonly LocalSilo _silo;
    private readonly TimeProvider _time;
    private readonly ILogger<ValidationRunGrain> _logger;
    private readonly RunPulseSource _pulse;
    private readonly ResiliencePipeline _retry;
    private readonly CancellationTokenSource _stop = new();
    private Task? _drive;
    private Fence? _fence;

    public ValidationRunGrain(
        RunStore runs, VerdictTransaction verdicts, ConventionStore conventions, UnitRunner units, LocalSilo silo, TimeProvider time, ILogger<ValidationRunGrain> logger)
    {
        (_runs, _verdicts, _conventions, _units, _silo, _time, _logger) = (runs, verdicts, conventions, units, silo, time, logger);
        _pulse = new RunPulseSource(time);
        _retry = new ResiliencePipelineBuilder { TimeProvider = time }
            .AddRetry(new RetryStrategyOptions
            {
                MaxRetryAttempts = int.MaxValue,
                BackoffType = DelayBackoffType.Exponential,
                Delay = TimeSpan.FromSeconds(0.5),
                MaxDelay = TimeSpan.FromSeconds(10),
                UseJitter = true,
                // A lost fence is the end; everything else that can be thrown here is not the deposition's fault.
                ShouldHandle = args => ValueTask.FromResult(
                    args.Outcome.Exception is { } e and not FenceLostException and not ElsewhereException && !_stop.IsCancellationRequested),
                OnRetry = args => new ValueTask(SayAsync(args.Outcome.Exception!, args.RetryDelay)),
            })
            .Build();
    }

    private Guid RunId => Guid.Parse(GrainKeys.Subject(this.GetPrimaryKeyString()));

    public Task Wake()
    {
        if (_drive is null or { IsCompleted: true })
        {
            _drive = DriveAsync();
        }

        return Task.CompletedTask;
    }

    public Task<RunPulse> Changed(long seen, CancellationToken cancellation) => _pulse.ChangedAsync(seen, cancellation);

    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        await _stop.CancelAsync();
        if (_drive is { IsCompleted: false } drive)
        {
            await drive.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        }
    }

    private async Task DriveAsync()
    {
        // On the grain's scheduler, off the call that woke it and without its identity.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.ForceYielding);
        RequestContext.Clear();
        DelayDeactivation(Timeout.InfiniteTimeSpan);
        _fence = null;
        ResilienceContext context = ResilienceContextPool.Shared.Get(continueOnCapturedContext: true, _stop.Token);
        try
        {
            await _retry.ExecuteAsync(async _ => await AttemptAsync(), context);
        }
        catch (FenceLostException)
        {
            LogLost(_logger, RunId);
        }
        catch (ElsewhereException elsewhere)
        {
            // Its container is on an engine that another silo reaches: the run goes where it is.
            LogMoves(_logger, RunId, elsewhere.EngineId);
            await HandOverAsync();
            RequestContext.Set(ContainersPlacement.EngineHint, elsewhere.EngineId);
            this.MigrateOnIdle();
        }
        catch (Exception e) when (_stop.IsCancellationRequested)
        {
            LogLeft(_logger, RunId, e.GetType().Name);
            await HandOverAsync();
        }
        finally
        {
            ResilienceContextPool.Shared.Return(context);
            DelayDeactivation(TimeSpan.Zero);
            _pulse.Beat();
        }
    }

    private async Task AttemptAsync()
    {
        if (await _runs.ClaimAsync(RunId, _silo.Address, _fence?.Epoch, _stop.Token) is not { } run)
        {
            return;
        }

        _fence = run.Fence;
        LogClaimed(_logger, RunId, run.Fence.Epoch);
        _pulse.Beat();
        using var lost = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        Task heartbeat = HeartbeatAsync(run.Fence, lost);
        try
        {
            ConventionDocument convention = (await _conventions.FindAsync(run.ConventionId, run.ConventionVersion, lost.Token))!.Document;
            await RunHooksAsync(run, convention, lost.Token);
            RunStatus status = await JudgeAsync(run, lost.Token);
            LogVerdict(_logger, RunId, status);
        }
        catch (OperationCanceledException) when (lost.IsCancellationRequested && !_stop.IsCancellationRequested)
        {
            throw new FenceLostException(RunId);
        }
        finally
        {
            await lost.CancelAsync();
            await heartbeat;
        }
    }

    /// <summary>Every hook in declared order; a deposition that one of them does not pass goes to no later hook.</summary>
    private async Task RunHooksAsync(ClaimedRun run, ConventionDocument convention, CancellationToken cancellation)
    {
        Dictionary<(Guid, int), RunOutput> outputs = run.Outputs.ToDictionary(o => (o.DepositionId, o.HookOrdinal));
        List<RunMember> standing = [.. run.Members];
        for (int ordinal = 0; ordinal < convention.Hooks.Count; ordinal++)
        {
            foreach (RunMember member in standing.ToList())
            {
                if (!outputs.TryGetValue((member.DepositionId, ordinal), out RunOutput? output))
                {
                    output = await _units.RunAsync(run, convention.Hooks[ordinal], ordinal, member, _pulse, cancellation);
                }

                if (output.Status != "passed")
                {
                    standing.Remove(member);
                }

                // Behind the last one comes the verdict, which says it too.
                if (standing.Count > 0 && ordinal < convention.Hooks.Count - 1)
                {
                    _pulse.Beat();
                }
            }
        }
    }

    private async Task<RunStatus> JudgeAsync(ClaimedRun run, CancellationToken cancellation)
    {
        try
        {
            return await _verdicts.CommitAsync(run.Fence, run.ConventionId, run.ConventionVersion, cancellation);
        }
        catch (Exception e) when (VerdictTransaction.IsDataError(e))
        {
            // Whatever was let through the check is this node's bug, and repeating it would not help the depositor.
            LogDataError(_logger, e, RunId);
            await _verdicts.GiveUpAsync(run.Fence, $"the node could not store what the hooks emitted: {e.Message}", cancellation);
            return await _verdicts.CommitAsync(run.Fence, run.ConventionId, run.ConventionVersion, cancellation);
        }
    }

    private async Task HeartbeatAsync(Fence fence, CancellationTokenSource lost)
    {
        while (!lost.IsCancellationRequested)
        {
            try
            {
                await Task.Delay(Heartbeat, _time, lost.Token);
                await _runs.HeartbeatAsync(fence, lost.Token);
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
        LogSetback(_logger, reason is OsaException ? null : reason, RunId, reason.Message, pause);
        if (_fence is null)
        {
            return;
        }

        try
        {
            string text = reason is OsaException ? reason.Message : "an internal error of the node, which its log has; trying again";
            await _runs.WaitAsync(_fence, text, pause + RunStore.Lease, setback: true, _stop.Token);
        }
        catch (Exception e) when (e is OsaException or FenceLostException or OperationCanceledException)
        {
            // It could not be written down; the pause is the same.
        }

        _pulse.Beat();
    }

    private async Task HandOverAsync()
    {
        if (_fence is null)
        {
            return;
        }

        try
        {
            await _runs.WaitAsync(_fence, null, TimeSpan.Zero, setback: false, CancellationToken.None);
        }
        catch (Exception e) when (e is OsaException or FenceLostException)
        {
            // Whoever sweeps sees that this silo is gone.
        }
    }

    [LoggerMessage(5001, LogLevel.Information, "Run {RunId} claimed, epoch {Epoch}")]
    private static partial void LogClaimed(ILogger logger, Guid runId, long epoch);

    [LoggerMessage(5002, LogLevel.Information, "Run {RunId} ended: {Status}")]
    private static partial void LogVerdict(ILogger logger, Guid runId, RunStatus status);

    [LoggerMessage(5003, LogLevel.Information, "Run {RunId} is another activation's now")]
    private static partial void LogLost(ILogger logger, Guid runId);

    [LoggerMessage(5004, LogLevel.Warning, "Run {RunId} goes on in {Pause}: {Reason}")]
    private static partial void LogSetback(ILogger logger, Exception? e, Guid runId, string reason, TimeSpan pause);

    [LoggerMessage(5005, LogLevel.Information, "Run {RunId} is left for another silo ({Reason})")]
    private static partial void LogLeft(ILogger logger, Guid runId, string reason);

    [LoggerMessage(5006, LogLevel.Information, "Run {RunId} moves to a silo that reaches engine {EngineId}")]
    private static partial void LogMoves(ILogger logger, Guid runId, string engineId);

    [LoggerMessage(5007, LogLevel.Error, "Run {RunId}: checked output was refused by the database")]
    private static partial void LogDataError(ILogger logger, Exception e, Guid runId);
}

/// <summary>The run's container is on an engine that another live silo reaches.</summary>
internal sealed class ElsewhereException(string engineId) : Exception($"The container is on engine {engineId}")
{
    public string EngineId { get; } = engineId;
}
