using System.Runtime.ExceptionServices;
using Microsoft.Extensions.Logging;
using Osa.Domain.Conventions;
using Osa.Domain.Faults;
using Osa.Domain.Hooks;
using Osa.Domain.Validation;
using Osa.Grains.Hosts;
using Osa.Storage;
using Osa.Storage.Conventions;
using Osa.Storage.Validation;

namespace Osa.Grains.Validation;

/// <inheritdoc cref="IValidationRunGrain"/>
/// <remarks>
/// Claims the run and takes it to its verdict.
/// </remarks>
[ContainersPlacement]
[CollectionAgeLimit(Minutes = 2)]
public sealed partial class ValidationRunGrain : DrivenGrain, IValidationRunGrain
{
    private const int UnitsAtOnce = 16;

    private readonly RunStore _runs;
    private readonly VerdictTransaction _verdicts;
    private readonly ConventionStore _conventions;
    private readonly UnitRunner _units;
    private readonly LocalSilo _silo;
    private readonly NodeLimits _limits;
    private readonly TimeProvider _time;
    private readonly ILogger<ValidationRunGrain> _logger;
    private readonly RunPulseSource _pulse;
    private Wish _wish = new();
    private RunDrive? _running;

    public ValidationRunGrain(
        RunStore runs, VerdictTransaction verdicts, ConventionStore conventions, UnitRunner units, LocalSilo silo, NodeLimits limits, TimeProvider time, ILogger<ValidationRunGrain> logger)
        : base(runs, time, logger)
    {
        (_runs, _verdicts, _conventions, _units, _silo, _time, _logger) = (runs, verdicts, conventions, units, silo, time, logger);
        _limits = limits;
        _pulse = new RunPulseSource(time);
    }

    private Guid RunId => Guid.Parse(GrainKeys.Subject(this.GetPrimaryKeyString()));

    public async Task Wake()
    {
        if (!Drive() && _running is { Wish.Because: null } running)
        {
            await running.Wish.LookAsync(_runs, running.Fence, Stopping);
        }
    }

    public async Task<string?> LiveLog(string hook, CancellationToken cancellation) =>
        _running?.Units.FindLast(u => u.Hook == hook && u.State == "claimed") is { } unit ? await _units.LiveLogAsync(unit.ContainerName, cancellation) : null;

    public Task<RunPulse> Changed(long seen, CancellationToken cancellation) => _pulse.ChangedAsync(seen, cancellation);

    protected override void Beat() => _pulse.Beat();

    protected override async Task AttemptAsync()
    {
        if (await _runs.ClaimAsync(RunId, _silo.Address, Held?.Epoch, Stopping) is not { } run)
        {
            return;
        }

        LogClaimed(_logger, RunId, run.Fence.Epoch);
        FaultPoint.Reached("run.claimed");
        _wish = new Wish();
        if (run.CancelBecause is { } because)
        {
            _wish.Say(because);
        }

        _pulse.Beat();
        try
        {
            await HoldAsync(run.Fence, lost => RunAsync(run, lost));
        }
        finally
        {
            _running = null;
        }
    }

    private async Task RunAsync(ClaimedRun run, CancellationToken cancellation)
    {
        Convention convention = (await _conventions.FindAsync(run.ConventionId, run.ConventionVersion, cancellation))!;
        if (run.TrialJson is { } trial)
        {
            convention = convention with { Document = ConventionDocumentReader.Read(trial, NodeLimits.Largest) };
        }

        _running = new RunDrive(run, convention, _pulse, _wish);
        if (run.Phase == "hooks")
        {
            await RunOrGiveUpAsync(_running, run, cancellation);
        }

        long settling = _time.GetTimestamp();
        using var step = NodeTelemetry.Step("osa.verdict", RunId);
        RunStatus? status = await _verdicts.SettleAsync(run.Fence, convention, run.TrialJson is not null, (deposition, e) => LogDataError(_logger, e, RunId, deposition), cancellation);
        FaultPoint.Reached("verdict.committed");
        NodeTelemetry.Verdict.Record(_time.GetElapsedTime(settling).TotalSeconds);
        NodeTelemetry.Runs.Add(1, new KeyValuePair<string, object?>("status", status?.ToString().ToLowerInvariant() ?? "in_review"));
        LogVerdict(_logger, RunId, status?.ToString() ?? "waits for a curator");
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
            while (drive.Wish.Because is null && RunPlan.Next(hooks[ordinal], ordinal, drive.Standing, drive.Units, drive.Outputs, _units.MaxMemoryBytes) is { Count: > 0 } plan)
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
                await RunUnitsAsync(drive, RunPlan.Next(hooks[ordinal], ordinal, drive.Standing, drive.Units, drive.Outputs, _units.MaxMemoryBytes).FindAll(u => u.Claimed is not null), cancellation);
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

    [LoggerMessage(5001, LogLevel.Information, "Run {RunId} claimed, epoch {Epoch}")]
    private static partial void LogClaimed(ILogger logger, Guid runId, long epoch);

    [LoggerMessage(5002, LogLevel.Information, "Run {RunId} ended: {Status}")]
    private static partial void LogVerdict(ILogger logger, Guid runId, string status);

    [LoggerMessage(5008, LogLevel.Error, "Run {RunId} ends without a verdict of its hooks. {Reason}")]
    private static partial void LogGivenUp(ILogger logger, Guid runId, string reason);

    [LoggerMessage(5007, LogLevel.Error, "Run {RunId}: checked output of deposition {DepositionId} was refused by the database")]
    private static partial void LogDataError(ILogger logger, Exception e, Guid runId, Guid depositionId);
}
