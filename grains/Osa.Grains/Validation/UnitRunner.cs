using System.Text;
using Osa.Containers;
using Osa.Containers.Output;
using Osa.Domain.Depositions;
using Osa.Domain.Errors;
using Osa.Domain.Faults;
using Osa.Domain.Hooks;
using Osa.Domain.Names;
using Osa.Domain.Validation;
using Osa.Grains.Hosts;
using Osa.Storage;
using Osa.Storage.Files;
using Osa.Storage.Validation;

namespace Osa.Grains.Validation;

/// <summary>
/// One attempt of one hook over one or many depositions: slot, attempt saved, container prepared or adopted, run, its output checked
/// and in the store, result saved. What is left to do afterwards, the plan tells.
/// </summary>
public sealed class UnitRunner(
    RunStore runs, NodeIdentity node, BlobStore blobs, OutputCheck check, HostDirectory hosts, SlotWait slots, IServiceProvider services, IGrainFactory grains, TimeProvider time)
{
    // Submissions of the same moment: as long as one comes within this time of another, a few times over.
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(25);
    private const int MostMoments = 20;
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromMilliseconds(300);

    // Resolved when first needed: a silo without the containers role has none, and runs no units.
    private ContainerHost Host => field ??= (ContainerHost?)services.GetService(typeof(ContainerHost)) ?? throw OsaException.Unavailable("This silo runs no containers");

    /// <summary>The most memory that a container of a hook may get, in bytes.</summary>
    internal long MaxMemoryBytes => Host.State.Capacity is { } capacity ? Math.Min(check.MaxMemoryBytes, capacity.MemoryBytes) : check.MaxMemoryBytes;

    /// <summary>Makes the attempt; its outcomes are in <paramref name="drive"/> afterwards.</summary>
    /// <exception cref="OsaException">Infrastructure is away: the attempt can be made again.</exception>
    /// <exception cref="FenceLostException"/>
    internal async Task RunAsync(RunDrive drive, PlannedUnit planned, CancellationToken cancellation)
    {
        if (planned.Claimed is null && Host.State.Capacity is null
            && await hosts.ReadyAsync(cancellation) is { Row.EngineId: { } elsewhere } && elsewhere != Host.State.Description?.EngineId)
        {
            // Without a container it may run anywhere, and here is no engine for it.
            throw new ElsewhereException(elsewhere);
        }

        (string engineId, HostCapacity capacity) = Host.Ready;
        if (planned.Claimed is { } claimed && claimed.EngineId != engineId)
        {
            if (await hosts.ReachingAsync(claimed.EngineId, cancellation) is not null)
            {
                throw new ElsewhereException(claimed.EngineId);
            }

            await LoseAsync(drive, claimed, "no silo reaches its container engine any more", null, cancellation);
            return;
        }

        RunUnit unit = planned.Claimed ?? New(drive, planned, engineId);
        if (drive.Wish.Because is not null || !await SlotAsync(drive, unit, Granted(planned), cancellation))
        {
            if (planned.Claimed is not null)
            {
                await AbandonAsync(drive, unit, "the run was cancelled", cancellation);
            }

            return;
        }

        if (planned.Claimed is null)
        {
            FaultPoint.Reached("unit.before_attempt");
            if (!await runs.SaveAttemptAsync(drive.Fence, unit, Granted(planned), new EngineCapacity(capacity.Slots, capacity.MemoryBytes, capacity.Cpu), cancellation))
            {
                // The queue's grants had lost sight of a claim; it reads them again.
                await grains.ContainerHost(engineId).Release(unit.ContainerName);
                await Task.Delay(TimeSpan.FromMilliseconds(250), time, cancellation);
                return;
            }

            drive.Change(unit);
            drive.Pulse.Beat(planned.Hook.Name);
        }

        await AttemptAsync(drive, planned, unit, cancellation);
    }

    /// <summary>Waits for the first slot of a run that others may still join, and closes it when there is one: whoever came meanwhile is in it.</summary>
    internal async Task GatherAsync(RunDrive drive, IReadOnlyList<HookDefinition> hooks, CancellationToken cancellation)
    {
        if (hooks.Count > 0 && drive.Wish.Because is null)
        {
            PlannedUnit first = RunPlan.Next(hooks[0], 0, drive.Standing, drive.Units, drive.Outputs, MaxMemoryBytes)[0];
            await SlotAsync(drive, New(drive, first, Host.Ready.EngineId), first.Hook.Limits, cancellation);
            for (int before = 0, looks = 0; looks < MostMoments && await runs.CountAsync(drive.Fence.Subject, cancellation) is var now && now > before; before = now, looks++)
            {
                await Task.Delay(Moment, time, cancellation);
            }
        }

        drive.Stand(await runs.CloseAsync(drive.Fence, cancellation));
    }

    /// <summary>Lets go of attempts whose containers nobody can reach; the reaper removes these when their engine is back.</summary>
    internal async Task LeaveAsync(RunDrive drive, string because, CancellationToken cancellation)
    {
        foreach (RunUnit unit in drive.Units.FindAll(u => u.State == "claimed"))
        {
            await LoseAsync(drive, unit, because, null, cancellation);
        }
    }

    /// <summary>What the container of a running hook has logged so far, as much of it as is kept.</summary>
    internal Task<string> LiveLogAsync(string containerName, CancellationToken cancellation) => Host.Engine.ReadLogAsync(containerName, cancellation);

    private async Task AttemptAsync(RunDrive drive, PlannedUnit planned, RunUnit unit, CancellationToken cancellation)
    {
        FaultPoint.Reached("unit.before_prepare");
        Dictionary<int, Deposition> submitted = await runs.SubmittedAsync(drive.Fence.Subject, [.. planned.Members.Select(m => m.Ordinal)], cancellation);
        List<RunMember> present = [.. planned.Members.Where(m => submitted.ContainsKey(m.Ordinal))];
        // Whoever left the run goes to no further hook either.
        drive.Standing.RemoveAll(m => planned.Members.Contains(m) && !present.Contains(m));
        if (present.Count == 0)
        {
            await AbandonAsync(drive, unit, "its depositions have left the run", cancellation);
            return;
        }

        ContainerJob job = Job(drive.Fence.Subject, unit, planned.Hook with { Limits = Granted(planned) }, [.. present.Select(m => submitted[m.Ordinal])]);
        if (await Host.Engine.PrepareAsync(job, cancellation) is not PreparedContainer prepared)
        {
            await LoseAsync(drive, unit, "its container could not be taken up again", null, cancellation);
            return;
        }

        await runs.CheckAsync(drive.Fence, cancellation);
        FaultPoint.Reached("unit.before_start");
        if (drive.Wish.Because is not null)
        {
            await AbandonAsync(drive, unit, "the run was cancelled", cancellation);
            return;
        }

        if (unit.KillReason is not null)
        {
            // On record, and perhaps never sent.
            await Host.Engine.KillAsync(unit.ContainerName, cancellation);
        }

        using var step = NodeTelemetry.Step("osa.container", drive.Fence.Subject);
        (ContainerOutcome outcome, bool cancelled) = await RunContainerAsync(drive, unit, prepared, cancellation);
        NodeTelemetry.Container.Record(outcome.Duration.TotalSeconds, new KeyValuePair<string, object?>("hook", unit.Hook));
        FaultPoint.Reached("unit.exited");
        KillReason? recorded = cancelled ? KillReason.Cancelled : unit.KillReason is null ? null : WireName.Parse<KillReason>(unit.KillReason);
        // On an engine that stayed up: one that was away in between has set the run back.
        bool lostBefore = drive.Setbacks == 0
            && drive.Units.Find(u => u.HookOrdinal == unit.HookOrdinal && u.Unit == unit.Unit && u.Attempt == unit.Attempt - 1) is { LostWithExitCode: not null };
        // Parsing megabytes is no work for a grain's scheduler.
        Judgement judgement = await Task.Run(() => check.JudgeAsync(
                outcome, planned.Hook with { Limits = Granted(planned) }, planned.Members, unit, recorded, lostBefore, RunPlan.More(planned.Hook, MaxMemoryBytes) > planned.MemoryBytes, cancellation), cancellation);
        FaultPoint.Reached("unit.before_result");
        if (judgement.LostBecause is { } lost)
        {
            if (judgement.Outputs.Count > 0)
            {
                await runs.SaveOutputsAsync(drive.Fence, judgement.Outputs, cancellation);
                drive.Outputs.AddRange(judgement.Outputs);
            }

            await LoseAsync(drive, unit, lost, outcome.ExitCode, cancellation);
            return;
        }

        await runs.SaveResultAsync(
            drive.Fence,
            unit,
            new UnitResult(outcome.ContainerId, outcome.ImageId, outcome.ExitCode, outcome.Duration, outcome.CpuTime, outcome.PeakMemoryBytes, outcome.Log, judgement.BrokenBecause, outcome.OutOfMemory),
            judgement.Outputs,
            cancellation);
        FaultPoint.Reached("unit.result_saved");
        drive.Outputs.AddRange(judgement.Outputs);
        drive.Change(unit with { State = "done", OutOfMemory = outcome.OutOfMemory });
        await DoneWithAsync(drive, unit, outcome.ContainerId, cancellation);
    }

    private async Task<(ContainerOutcome Outcome, bool Cancelled)> RunContainerAsync(RunDrive drive, RunUnit unit, PreparedContainer prepared, CancellationToken cancellation)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Task watching = ShowProgressAsync(unit, drive.Pulse, ended.Token);
        Task<bool> cancelling = CancelOnWishAsync(drive, unit, ended.Token);
        try
        {
            Task<ContainerOutcome> running = Host.Engine.RunAsync(prepared, kill => runs.RecordKillAsync(drive.Fence, unit, WireName.Of(kill), cancellation), ended.Token);
            // A kill that could not be sent must not leave the run waiting for its effect.
            if (await Task.WhenAny(running, cancelling) == cancelling)
            {
                await cancelling;
            }

            ContainerOutcome outcome = await running;
            await ended.CancelAsync();
            return (outcome, await cancelling);
        }
        finally
        {
            await ended.CancelAsync();
            await watching;
            await ((Task)cancelling).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        }
    }

    /// <returns>True once the container was killed because of the wish; false when it ended before.</returns>
    private async Task<bool> CancelOnWishAsync(RunDrive drive, RunUnit unit, CancellationToken ended)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ended, drive.Wish.Token);
        await Task.Delay(Timeout.InfiniteTimeSpan, time, either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        if (ended.IsCancellationRequested)
        {
            return false;
        }

        await runs.RecordKillAsync(drive.Fence, unit, WireName.Of(KillReason.Cancelled), CancellationToken.None);
        await Host.Engine.KillAsync(unit.ContainerName, CancellationToken.None);
        return true;
    }

    /// <returns>False when the run was cancelled while it waited.</returns>
    private Task<bool> SlotAsync(RunDrive drive, RunUnit unit, HookLimits limits, CancellationToken cancellation) => slots.AcquireAsync(
        unit.EngineId,
        new SlotRequest(unit.ContainerName, limits.MemoryBytes, limits.Cpu, drive.Judged.Id, drive.IsBulk),
        $"hook {unit.Hook}",
        drive.Wish,
        answer => drive.Pulse.Waits(answer.Granted ? null : $"hook {unit.Hook} waits for {answer.WaitingFor}", answer.Place),
        async said =>
        {
            await runs.WaitAsync(drive.Fence, said, Fence.Lease, setback: false, cancellation);
            drive.Pulse.Beat(unit.Hook);
        },
        cancellation);

    private async Task LoseAsync(RunDrive drive, RunUnit unit, string because, long? exitCode, CancellationToken cancellation)
    {
        await runs.MarkLostAsync(drive.Fence, unit, because, exitCode, cancellation);
        drive.Change(unit with { State = "lost", LostWithExitCode = exitCode });
        await DoneWithAsync(drive, unit, null, cancellation);
    }

    /// <summary>Ends an attempt that nobody wants any more, whatever its container does; the container is gone when this returns.</summary>
    private async Task AbandonAsync(RunDrive drive, RunUnit unit, string because, CancellationToken cancellation)
    {
        await runs.RecordKillAsync(drive.Fence, unit, WireName.Of(KillReason.Cancelled), cancellation);
        await Host.Engine.KillAsync(unit.ContainerName, cancellation);
        await Host.Engine.RemoveAsync(unit.ContainerName, null, cancellation);
        await LoseAsync(drive, unit, because, null, cancellation);
    }

    private async Task DoneWithAsync(RunDrive drive, RunUnit unit, string? containerId, CancellationToken cancellation)
    {
        if (drive.Wish.Because is null)
        {
            Host.RemoveLater(unit.ContainerName, containerId);
        }
        else
        {
            // Whoever cancelled is told so only when it is gone.
            await Host.Engine.RemoveAsync(unit.ContainerName, containerId, cancellation);
        }

        await grains.ContainerHost(unit.EngineId).Release(unit.ContainerName);
    }

    private async Task ShowProgressAsync(RunUnit unit, RunPulseSource pulse, CancellationToken ended)
    {
        ProgressTail tail = Host.Engine.FollowProgress(unit.ContainerName);
        var lines = new List<LiveProgress>();
        while (!ended.IsCancellationRequested)
        {
            await Task.Delay(ProgressInterval, time, ended).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
            if (pulse.IsWatched && !ended.IsCancellationRequested && tail.ReadNew() is { Count: > 0 } fresh)
            {
                lines.AddRange(fresh.Select(l => new LiveProgress(l.Status, l.Step, l.Message)));
                pulse.Beat(unit.Hook, [.. lines.TakeLast(20)]);
            }
        }
    }

    private ContainerJob Job(Guid runId, RunUnit unit, HookDefinition hook, List<Deposition> depositions)
    {
        var labels = new JobLabels(runId.ToString("D"), unit.Hook, unit.Unit.ToString(), unit.Attempt);
        // Without the cast null would become an empty file: an array that is null converts to memory that is empty.
        ReadOnlyMemory<byte>? config = hook.Config is { Count: > 0 } given ? Encoding.UTF8.GetBytes(given.ToJsonString()) : (ReadOnlyMemory<byte>?)null;
        return hook.Manifest.Contract == HookContract.Batch
            ? ContainerJob.ForBatch(
                unit.ContainerName, labels, hook, [.. depositions.Select(d => new BatchRecord(OutputCheck.TokenOf(d.Id), d.MetadataJson, Files(d)))], config, check.MaxOutputBytes, check.MaxOutputFiles)
            : ContainerJob.ForRecord(
                unit.ContainerName, labels, hook,
                Encoding.UTF8.GetBytes($$"""{"srn":"{{node.DepositionSrn(depositions[0].Id)}}","metadata":{{depositions[0].MetadataJson}}}"""),
                config, Files(depositions[0]), check.MaxOutputBytes, check.MaxOutputFiles);
    }

    private RunUnit New(RunDrive drive, PlannedUnit planned, string engineId) => new(
        planned.HookOrdinal, planned.Unit, planned.Attempt, planned.Hook.Name, planned.Members[0].Ordinal, planned.Members[^1].Ordinal, "claimed", engineId,
        Name(drive.Fence.Subject, planned), null, null, planned.MemoryBytes, false);

    private static HookLimits Granted(PlannedUnit planned) => planned.Hook.Limits with { MemoryBytes = planned.MemoryBytes };

    private List<InputFile> Files(Deposition deposition) => [.. deposition.Files.Select(f => new InputFile(f.Name, blobs.PathOf(f.BlobId)))];

    private string Name(Guid runId, PlannedUnit unit) => $"osa-{node.ClusterId.ToString("N")[..8]}-{runId:N}-{unit.HookOrdinal}-{unit.Unit}-{unit.Attempt}";
}
