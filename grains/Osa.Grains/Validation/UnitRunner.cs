using System.Text;
using System.Text.Json;
using Osa.Containers;
using Osa.Containers.Output;
using Osa.Domain.Conventions;
using Osa.Domain.Depositions;
using Osa.Domain.Errors;
using Osa.Domain.Features;
using Osa.Domain.Hooks;
using Osa.Domain.Names;
using Osa.Domain.Validation;
using Osa.Grains.Hosts;
using Osa.Storage;
using Osa.Storage.Files;
using Osa.Storage.Validation;

namespace Osa.Grains.Validation;

/// <summary>
/// One hook over one deposition: slot, attempt saved, container prepared or adopted, run, its output checked and in the store, result
/// saved. Another attempt where the container was lost through nobody's fault.
/// </summary>
public sealed class UnitRunner(RunStore runs, NodeIdentity node, BlobStore blobs, NodeLimits limits, HostDirectory hosts, IServiceProvider services, IGrainFactory grains, TimeProvider time)
{
    private static readonly TimeSpan Said = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan ProgressInterval = TimeSpan.FromMilliseconds(300);

    // Resolved when first needed: a silo without the containers role has none, and runs no units.
    private ContainerHost Host => field ??= (ContainerHost?)services.GetService(typeof(ContainerHost)) ?? throw OsaException.Unavailable("This silo runs no containers");

    internal async Task<RunOutput> RunAsync(ClaimedRun run, HookDefinition hook, int hookOrdinal, RunMember member, RunPulseSource pulse, CancellationToken cancellation)
    {
        List<RunUnit> attempts = [.. run.Units.Where(u => u.HookOrdinal == hookOrdinal && u.Unit == member.Ordinal)];
        while (true)
        {
            RunUnit? open = attempts is [.., { State: "claimed" } last] ? last : null;
            if (open is null && Host.State.Capacity is null && await hosts.ReadyAsync(cancellation) is { Row.EngineId: { } elsewhere } && elsewhere != Host.State.Description?.EngineId)
            {
                // Without a container it may run anywhere, and here is no engine for it.
                throw new ElsewhereException(elsewhere);
            }

            (string engineId, HostCapacity capacity) = Host.Ready;
            if (open is not null && open.EngineId != engineId)
            {
                if (await hosts.ReachingAsync(open.EngineId, cancellation) is not null)
                {
                    throw new ElsewhereException(open.EngineId);
                }

                await LoseAsync(run.Fence, open, attempts, "no silo reaches its container engine any more", null, cancellation);
                continue;
            }

            RunUnit unit = open ?? new RunUnit(
                hookOrdinal, member.Ordinal, attempts.Count + 1, hook.Name, member.Ordinal, member.Ordinal, "claimed", engineId,
                Name(run.Fence.RunId, hookOrdinal, member.Ordinal, attempts.Count + 1), null, null);
            await SlotAsync(run.Fence, unit, hook.Limits, pulse, cancellation);
            if (open is null)
            {
                FaultPoint.Reached("unit.before_attempt");
                if (!await runs.SaveAttemptAsync(run.Fence, unit, hook.Limits, new EngineCapacity(capacity.Slots, capacity.MemoryBytes, capacity.Cpu), cancellation))
                {
                    // The queue's grants had lost sight of a claim; it reads them again.
                    await grains.ContainerHost(engineId).Release(unit.ContainerName);
                    await Task.Delay(TimeSpan.FromMilliseconds(250), time, cancellation);
                    continue;
                }

                attempts.Add(unit);
                pulse.Beat(hook.Name);
            }

            if (await AttemptAsync(run, unit, hook, member, attempts, pulse, cancellation) is { } output)
            {
                return output;
            }
        }
    }

    /// <returns>The result, or null where the container was lost.</returns>
    private async Task<RunOutput?> AttemptAsync(
        ClaimedRun run, RunUnit unit, HookDefinition hook, RunMember member, List<RunUnit> attempts, RunPulseSource pulse, CancellationToken cancellation)
    {
        FaultPoint.Reached("unit.before_prepare");
        Deposition deposition = await runs.SubmittedAsync(member.DepositionId, cancellation);
        if (await Host.Engine.PrepareAsync(Job(unit, run.Fence.RunId, hook, deposition), cancellation) is not PreparedContainer prepared)
        {
            await LoseAsync(run.Fence, unit, attempts, "its container could not be taken up again", null, cancellation);
            return null;
        }

        await runs.CheckAsync(run.Fence, cancellation);
        if (unit.KillReason is not null)
        {
            // On record, and perhaps never sent.
            await Host.Engine.KillAsync(unit.ContainerName, cancellation);
        }

        ContainerOutcome outcome;
        using (var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellation))
        {
            Task watching = ShowProgressAsync(unit, pulse, ended.Token);
            try
            {
                outcome = await Host.Engine.RunAsync(prepared, kill => runs.RecordKillAsync(run.Fence, unit, WireName.Of(kill), cancellation), cancellation);
            }
            finally
            {
                await ended.CancelAsync();
                await watching;
            }
        }

        FaultPoint.Reached("unit.exited");
        KillReason? recorded = unit.KillReason is null ? null : WireName.Parse<KillReason>(unit.KillReason);
        // On an engine that stayed up: one that was away in between has set the run back.
        bool lostBefore = run.Setbacks == 0 && attempts is [.., { LostWithExitCode: not null }, _];
        HookEvidence evidence = outcome.Evidence(hook.Limits, recorded, lostBefore);
        HookVerdict verdict = HookVerdict.Decide(evidence);
        CheckedOutput? features = null;
        if (verdict is HookVerdict.Final { Status: HookStatus.Passed })
        {
            // Parsing megabytes is no work for a grain's scheduler.
            (features, string? problem) = await Task.Run(() => CheckAsync(outcome.Output, hook.Manifest, cancellation), cancellation);
            verdict = HookVerdict.Decide(evidence with { OutputProblem = evidence.OutputProblem ?? problem });
        }

        if (verdict is not HookVerdict.Final final)
        {
            await LoseAsync(run.Fence, unit, attempts, ((HookVerdict.Lost)verdict).Reason, outcome.ExitCode, cancellation);
            return null;
        }

        var output = new RunOutput(
            member.DepositionId, unit.HookOrdinal, unit.Hook, unit.Unit, unit.Attempt, WireName.Of(final.Status), final.Reason, JsonSerializer.Serialize(outcome.Progress),
            features?.BlobId, 0, features?.Summary.Bytes ?? 0, features?.Summary.Rows ?? 0, features?.Summary.Sha256);
        FaultPoint.Reached("unit.before_result");
        await runs.SaveResultAsync(
            run.Fence, unit, new UnitResult(outcome.ContainerId, outcome.ImageId, outcome.ExitCode, outcome.Duration, outcome.PeakMemoryBytes, outcome.Log), [output], cancellation);
        await DoneWithAsync(unit, outcome.ContainerId);
        return output;
    }

    private async Task SlotAsync(Fence fence, RunUnit unit, HookLimits limits, RunPulseSource pulse, CancellationToken cancellation)
    {
        string? said = null;
        long saidAt = 0;
        while (true)
        {
            SlotAnswer answer = await grains.ContainerHost(unit.EngineId).Acquire(new SlotRequest(unit.ContainerName, limits.MemoryBytes, limits.Cpu), cancellation);
            if (answer.Granted)
            {
                return;
            }

            // Hundreds may wait: a place in the queue is news once a minute.
            if (answer.WaitingFor != said && (said is null || time.GetElapsedTime(saidAt) > Said))
            {
                (said, saidAt) = (answer.WaitingFor, time.GetTimestamp());
                await runs.WaitAsync(fence, $"hook {unit.Hook} waits for {said}", RunStore.Lease, setback: false, cancellation);
                pulse.Beat(unit.Hook);
            }
        }
    }

    private async Task LoseAsync(Fence fence, RunUnit unit, List<RunUnit> attempts, string because, long? exitCode, CancellationToken cancellation)
    {
        await runs.MarkLostAsync(fence, unit, because, exitCode, cancellation);
        attempts[^1] = unit with { State = "lost", LostWithExitCode = exitCode };
        await DoneWithAsync(unit, null);
    }

    private async Task DoneWithAsync(RunUnit unit, string? containerId)
    {
        Host.RemoveLater(unit.ContainerName, containerId);
        await grains.ContainerHost(unit.EngineId).Release(unit.ContainerName);
    }

    private async Task<(CheckedOutput? Features, string? Problem)> CheckAsync(OutputDirectory directory, HookManifest manifest, CancellationToken cancellation)
    {
        OutputFile file = directory.Open("features.json", limits.MaxFeatureBytes);
        if (file is OutputFile.Refused refused)
        {
            return (null, refused.Problem);
        }

        if (file is not OutputFile.Readable readable)
        {
            return (null, null);
        }

        await using Stream content = readable.Content;
        await using BlobWriter writer = blobs.OpenWriter(new BlobLimits(limits.MaxFeatureBytes));
        try
        {
            FeatureFileSummary summary = await FeatureFile.CheckAsync(content, manifest, limits, writer, cancellation);
            return summary.Rows == 0 ? (null, null) : (new CheckedOutput((await writer.CompleteAsync(cancellation)).Id, summary), null);
        }
        catch (FeatureFileException malformed)
        {
            return (null, malformed.Message);
        }
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

    private ContainerJob Job(RunUnit unit, Guid runId, HookDefinition hook, Deposition deposition) =>
        ContainerJob.ForRecord(
            unit.ContainerName,
            new JobLabels(runId.ToString("D"), unit.Hook, unit.Unit.ToString(), unit.Attempt),
            hook,
            Encoding.UTF8.GetBytes($$"""{"srn":"{{node.DepositionSrn(deposition.Id)}}","metadata":{{deposition.MetadataJson}}}"""),
            // Without the cast null would become an empty file: an array that is null converts to memory that is empty.
            hook.Config is { Count: > 0 } config ? Encoding.UTF8.GetBytes(config.ToJsonString()) : (ReadOnlyMemory<byte>?)null,
            [.. deposition.Files.Select(f => new InputFile(f.Name, blobs.PathOf(f.BlobId)))],
            limits.MaxOutputBytes,
            limits.MaxOutputFiles);

    private string Name(Guid runId, int hook, int unit, int attempt) => $"osa-{node.ClusterId.ToString("N")[..8]}-{runId:N}-{hook}-{unit}-{attempt}";

    private sealed record CheckedOutput(Guid BlobId, FeatureFileSummary Summary);
}
