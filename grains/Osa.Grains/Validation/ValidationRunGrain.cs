using System.Runtime.ExceptionServices;
using Microsoft.Extensions.Logging;
using Osa.Domain.Conventions;
using Osa.Domain.Errors;
using Osa.Domain.Faults;
using Osa.Domain.Hooks;
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
    private const int UnitsAtOnce = 16;
    private static readonly TimeSpan Heartbeat = RunStore.Lease / 3;

    private readonly RunStore _runs;
    private readonly VerdictTransaction _verdicts;
    private readonly ConventionStore _conventions;
    private readonly UnitRunner _units;
    private readonly LocalSilo _silo;
    private readonly NodeLimits _limits;
    private readonly TimeProvider _time;
    private readonly ILogger<ValidationRunGrain> _logger;
    private readonly RunPulseSource _pulse;
    private readonly ResiliencePipeline _retry;
    private readonly CancellationTokenSource _stop = new();
    private Task? _drive;
    private Fence? _fence;
    private RunWish _wish = new();
    private RunDrive? _running;

    public ValidationRunGrain(
        RunStore runs, VerdictTransaction verdicts, ConventionStore conventions, UnitRunner units, LocalSilo silo, NodeLimits limits, TimeProvider time, ILogger<ValidationRunGrain> logger)
    {
        (_runs, _verdicts, _conventions, _units, _silo, _time, _logger) = (runs, verdicts, conventions, units, silo, time, logger);
        _limits = limits;
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

    public async Task Wake()
    {
        if (_drive is null or { IsCompleted: true })
        {
            _drive = DriveAsync();
        }
        else if (_running is { Wish.Because: null } running)
        {
            await running.Wish.LookAsync(_runs, running.Fence, _stop.Token);
        }
    }

    public async Task<string?> LiveLog(string hook, CancellationToken cancellation) =>
        _running?.Units.FindLast(u => u.Hook == hook && u.State == "claimed") is { } unit ? await _units.LiveLogAsync(unit.ContainerName, cancellation) : null;

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
        FaultPoint.Reached("run.claimed");
        _wish = new RunWish();
        if (run.CancelBecause is { } because)
        {
            _wish.Say(because);
        }

        _pulse.Beat();
        using var lost = CancellationTokenSource.CreateLinkedTokenSource(_stop.Token);
        Task heartbeat = HeartbeatAsync(run.Fence, lost);
        try
        {
            Convention convention = (await _conventions.FindAsync(run.ConventionId, run.ConventionVersion, lost.Token))!;
            if (run.TrialJson is { } trial)
            {
                convention = convention with { Document = ConventionDocumentReader.Read(trial, NodeLimits.Largest) };
            }

            _running = new RunDrive(run, convention, _pulse, _wish);
            if (run.Phase == "hooks")
            {
                await RunOrGiveUpAsync(_running, run, lost.Token);
            }

            long settling = _time.GetTimestamp();
            using var step = NodeTelemetry.Step("osa.verdict", RunId);
            RunStatus? status = await _verdicts.SettleAsync(run.Fence, convention, (deposition, e) => LogDataError(_logger, e, RunId, deposition), lost.Token);
            FaultPoint.Reached("verdict.committed");
            NodeTelemetry.Verdict.Record(_time.GetElapsedTime(settling).TotalSeconds);
            NodeTelemetry.Runs.Add(1, new KeyValuePair<string, object?>("status", status?.ToString().ToLowerInvariant() ?? "in_review"));
            LogVerdict(_logger, RunId, status?.ToString() ?? "waits for a curator");
        }
        catch (OperationCanceledException) when (lost.IsCancellationRequested && !_stop.IsCancellationRequested)
        {
            throw new FenceLostException(RunId);
        }
        finally
        {
            _running = null;
            await lost.CancelAsync();
            await heartbeat;
        }
    }

    private async Task RunOrGiveUpAsync(RunDrive drive, ClaimedRun run, CancellationToken cancellation)
    {
        try
        {
            if (run.IsOpen)
            {
                await _units.GatherAsync(drive, drive.Judged.Document.Hooks, cancellation);
            }

            await RunHooksAsync(drive, null, cancellation);
        }
        catch (Exception e) when (run.SetBackFor.TotalSeconds > _limits.MaxSetbackSeconds && e is not FenceLostException and not ElsewhereException && !cancellation.IsCancellationRequested)
        {
            string reason = $"Infrastructure was away for {run.SetBackFor:d\\.hh\\:mm\\:ss}, which is no fault of the deposition: {Said(e)}. Drive the run again when it is back";
            LogGivenUp(_logger, RunId, reason);
            if (run.IsOpen)
            {
                drive.Stand(await _runs.CloseAsync(drive.Fence, cancellation));
            }

            await _units.LeaveAsync(drive, reason, cancellation);
            await RunHooksAsync(drive, reason, cancellation);
        }
    }

    /// <summary>Every hook in declared order; a deposition that one of them does not pass goes to no later hook.</summary>
    /// <param name="givenUp">Why nothing is tried any more; null while it is.</param>
    private async Task RunHooksAsync(RunDrive drive, string? givenUp, CancellationToken cancellation)
    {
        IReadOnlyList<HookDefinition> hooks = drive.Judged.Document.Hooks;
        for (int ordinal = 0; ordinal < hooks.Count; ordinal++)
        {
            while (drive.Wish.Because is null && RunPlan.Next(hooks[ordinal], ordinal, drive.Standing, drive.Units, drive.Outputs) is { Count: > 0 } plan)
            {
                if (givenUp is not null)
                {
                    await FailAsync(drive, plan, givenUp, cancellation);
                }
                else if (hooks[ordinal].Manifest.Contract == HookContract.Batch && RunPlan.IsHopeless(ordinal, drive.Units, drive.Outputs))
                {
                    string? last = PlainText.Reason(drive.Outputs.FindLast(o => o.HookOrdinal == ordinal)!.Reason);
                    await FailAsync(drive, plan, $"Not tried: the hook failed on each of the first {RunPlan.Hopeless} depositions that it was given alone. The last time: {last}", cancellation);
                }
                else
                {
                    await RunUnitsAsync(drive, plan, cancellation);
                }
            }

            if (drive.Wish.Because is not null)
            {
                // What may still have a container loses it before anybody is told that the run has ended.
                await RunUnitsAsync(drive, RunPlan.Next(hooks[ordinal], ordinal, drive.Standing, drive.Units, drive.Outputs).FindAll(u => u.Claimed is not null), cancellation);
                return;
            }

            HashSet<Guid> passed = [.. drive.Outputs.Where(o => o.HookOrdinal == ordinal && o.Status == "passed").Select(o => o.DepositionId)];
            drive.Standing.RemoveAll(m => !passed.Contains(m.DepositionId));
            // Behind the last one comes the verdict, which says it too.
            if (drive.Standing.Count > 0 && ordinal < hooks.Count - 1)
            {
                _pulse.Beat();
            }
        }
    }

    /// <summary>Several at a time, as slots allow; the first that fails ends the others, whose attempts stay on record.</summary>
    private async Task RunUnitsAsync(RunDrive drive, List<PlannedUnit> plan, CancellationToken cancellation)
    {
        using var failed = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        ExceptionDispatchInfo? first = null;
        var queue = new Queue<PlannedUnit>(plan);
        async Task WorkAsync()
        {
            try
            {
                while (queue.TryDequeue(out PlannedUnit? unit))
                {
                    await _units.RunAsync(drive, unit, failed.Token);
                }
            }
            catch (Exception e)
            {
                first ??= ExceptionDispatchInfo.Capture(e);
                await failed.CancelAsync();
            }
        }

        await Task.WhenAll(Enumerable.Range(0, Math.Min(plan.Count, UnitsAtOnce)).Select(_ => WorkAsync()));
        first?.Throw();
    }

    private async Task FailAsync(RunDrive drive, List<PlannedUnit> plan, string reason, CancellationToken cancellation)
    {
        List<RunOutput> outputs =
        [
            .. plan.SelectMany(u => u.Members.Select(m => new RunOutput(
                m.DepositionId, u.HookOrdinal, u.Hook.Name, u.Unit, 0, "failed", reason, "[]", null, 0, 0, 0, null))),
        ];
        await _runs.SaveOutputsAsync(drive.Fence, outputs, cancellation);
        drive.Outputs.AddRange(outputs);
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
        NodeTelemetry.Setbacks.Add(1);
        LogSetback(_logger, reason is OsaException ? null : reason, RunId, reason.Message, pause);
        if (_fence is null)
        {
            return;
        }

        try
        {
            await _runs.WaitAsync(_fence, Said(reason), pause + RunStore.Lease, setback: true, _stop.Token);
        }
        catch (Exception e) when (e is OsaException or FenceLostException or OperationCanceledException)
        {
            // It could not be written down; the pause is the same.
        }

        _pulse.Beat();
    }

    private static string Said(Exception reason) => reason is OsaException ? reason.Message : "an internal error of the node, which its log has";

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
    private static partial void LogVerdict(ILogger logger, Guid runId, string status);

    [LoggerMessage(5003, LogLevel.Information, "Run {RunId} is another activation's now")]
    private static partial void LogLost(ILogger logger, Guid runId);

    [LoggerMessage(5004, LogLevel.Warning, "Run {RunId} goes on in {Pause}: {Reason}")]
    private static partial void LogSetback(ILogger logger, Exception? e, Guid runId, string reason, TimeSpan pause);

    [LoggerMessage(5005, LogLevel.Information, "Run {RunId} is left for another silo ({Reason})")]
    private static partial void LogLeft(ILogger logger, Guid runId, string reason);

    [LoggerMessage(5006, LogLevel.Information, "Run {RunId} moves to a silo that reaches engine {EngineId}")]
    private static partial void LogMoves(ILogger logger, Guid runId, string engineId);

    [LoggerMessage(5008, LogLevel.Error, "Run {RunId} ends without a verdict of its hooks. {Reason}")]
    private static partial void LogGivenUp(ILogger logger, Guid runId, string reason);

    [LoggerMessage(5007, LogLevel.Error, "Run {RunId}: checked output of deposition {DepositionId} was refused by the database")]
    private static partial void LogDataError(ILogger logger, Exception e, Guid runId, Guid depositionId);
}

/// <summary>The run's container is on an engine that another live silo reaches.</summary>
internal sealed class ElsewhereException(string engineId) : Exception($"The container is on engine {engineId}")
{
    public string EngineId { get; } = engineId;
}
