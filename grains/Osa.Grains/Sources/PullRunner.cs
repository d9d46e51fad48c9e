using System.Globalization;
using System.Text;
using Osa.Containers;
using Osa.Containers.Output;
using Osa.Domain.Conventions;
using Osa.Domain.Errors;
using Osa.Domain.Faults;
using Osa.Domain.Hooks;
using Osa.Domain.Names;
using Osa.Domain.Sources;
using Osa.Domain.Validation;
using Osa.Grains.Hosts;
using Osa.Storage;
using Osa.Storage.Sources;
using Osa.Storage.Validation;

namespace Osa.Grains.Sources;

/// <summary>One container of a source: slot, attempt saved, container prepared or adopted, run, and how it ended saved.</summary>
public sealed class PullRunner(PullStore pulls, NodeIdentity node, NodeLimits limits, HostDirectory hosts, SlotWait slots, IServiceProvider services, IGrainFactory grains, TimeProvider time)
{
    private const long MaxSessionBytes = 1 << 20;
    private static readonly TimeSpan DiskLook = TimeSpan.FromSeconds(1);

    // Resolved when first needed: a silo without the containers role has none, and pulls nothing.
    private ContainerHost Host => field ??= (ContainerHost?)services.GetService(typeof(ContainerHost)) ?? throw OsaException.Unavailable("This silo runs no containers");

    private ContainerHostOptions Options => field ??= (ContainerHostOptions)services.GetService(typeof(ContainerHostOptions))!;

    private EgressPolicy Egress => field ??= (EgressPolicy)services.GetService(typeof(EgressPolicy))!;

    /// <summary>Makes the next attempt of the chunk, or goes on with the one that is claimed.</summary>
    /// <exception cref="OsaException">Infrastructure is away: the attempt can be made again.</exception>
    /// <exception cref="FenceLostException"/>
    internal async Task RunAsync(PullDrive drive, PullAttempt? newest, CancellationToken cancellation)
    {
        PullAttempt? claimed = newest is { State: "claimed" } ? newest : null;
        if (claimed is null && Host.State.Capacity is null && await hosts.ReadyAsync(cancellation) is { Row.EngineId: { } elsewhere } && elsewhere != Host.State.Description?.EngineId)
        {
            throw new ElsewhereException(elsewhere);
        }

        (string engineId, HostCapacity capacity) = Host.Ready;
        if (claimed is not null && !await IsHereAsync(drive, claimed, cancellation))
        {
            return;
        }

        PullAttempt attempt = claimed ?? New(drive, newest, engineId, capacity);
        if (claimed is null)
        {
            await CheckDiskAsync(drive, cancellation);
        }

        if (!await SlotAsync(drive, attempt, cancellation))
        {
            return;
        }

        if (claimed is null)
        {
            FaultPoint.Reached("pull.before_attempt");
            if (!await pulls.SaveAttemptAsync(drive.Fence, attempt, new EngineCapacity(capacity.Slots, capacity.MemoryBytes, capacity.Cpu), cancellation))
            {
                // The queue's grants had lost sight of a claim; it reads them again.
                await grains.ContainerHost(engineId).Release(attempt.ContainerName);
                await Task.Delay(TimeSpan.FromMilliseconds(250), time, cancellation);
                return;
            }

            drive.Change(attempt);
        }

        await AttemptAsync(drive, attempt, cancellation);
    }

    /// <summary>Whether this silo reaches what the attempt left; where nobody does, it is lost.</summary>
    /// <exception cref="ElsewhereException">Another silo does.</exception>
    internal async Task<bool> IsHereAsync(PullDrive drive, PullAttempt attempt, CancellationToken cancellation)
    {
        if (attempt.EngineId == Host.Ready.EngineId)
        {
            return true;
        }

        if (await hosts.ReachingAsync(attempt.EngineId, cancellation) is not null)
        {
            throw new ElsewhereException(attempt.EngineId);
        }

        await LoseAsync(drive, attempt, "no silo reaches its container engine any more", cancellation);
        return false;
    }

    /// <summary>What the attempt has left in <c>/osa/out</c> and <c>/osa/files</c>; null where this machine does not have it.</summary>
    internal (OutputDirectory Output, OutputDirectory Files)? Left(PullAttempt attempt) =>
        Directory.Exists(Host.Engine.OutputOf(attempt.ContainerName).Path) ? (Host.Engine.OutputOf(attempt.ContainerName), Host.Engine.FilesOf(attempt.ContainerName)) : null;

    internal async Task LoseAsync(PullDrive drive, PullAttempt attempt, string because, CancellationToken cancellation)
    {
        await pulls.MarkLostAsync(drive.Fence, attempt, because, cancellation);
        drive.Change(attempt with { State = "lost" });
        await DoneWithAsync(attempt);
    }

    /// <summary>Ends the attempt of a pull that nobody wants any more; its container is gone when this returns.</summary>
    internal async Task AbandonAsync(PullDrive drive, CancellationToken cancellation)
    {
        if (drive.Attempts.LastOrDefault() is { State: "claimed" or "taking" } attempt && await IsHereAsync(drive, attempt, cancellation))
        {
            await pulls.RecordKillAsync(drive.Fence, attempt, WireName.Of(KillReason.Cancelled), cancellation);
            await Host.Engine.KillAsync(attempt.ContainerName, cancellation);
            await Host.Engine.RemoveAsync(attempt.ContainerName, null, cancellation);
            await LoseAsync(drive, attempt, "the pull was cancelled", cancellation);
        }
    }

    /// <summary>Lets go of an attempt whose container nobody can reach; the reaper removes it when its engine is back.</summary>
    internal async Task LeaveAsync(PullDrive drive, CancellationToken cancellation)
    {
        if (drive.Attempts.LastOrDefault() is { State: "claimed" or "taking" } attempt)
        {
            await LoseAsync(drive, attempt, "its container engine is away", cancellation);
        }
    }

    internal void RemoveLater(string containerName) => Host.RemoveLater(containerName, null);

    internal Task<string> LiveLogAsync(string containerName, CancellationToken cancellation) => Host.Engine.ReadLogAsync(containerName, cancellation);

    private async Task AttemptAsync(PullDrive drive, PullAttempt attempt, CancellationToken cancellation)
    {
        ContainerJob job = Job(drive, attempt);
        if (await Host.Engine.PrepareAsync(job, cancellation) is not PreparedContainer prepared)
        {
            await LoseAsync(drive, attempt, "its container could not be taken up again", cancellation);
            return;
        }

        if (await pulls.WishAsync(drive.Fence, cancellation) is { } because)
        {
            drive.Wish.Say(because);
            return;
        }

        if (attempt.KillReason is not null)
        {
            // On record, and perhaps never sent.
            await Host.Engine.KillAsync(attempt.ContainerName, cancellation);
        }

        ContainerOutcome outcome;
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        drive.Running = attempt.ContainerName;
        Task<KillReason?> watching = WatchAsync(drive, attempt, ended.Token);
        KillReason? killed;
        try
        {
            outcome = await Host.Engine.RunAsync(prepared, kill => pulls.RecordKillAsync(drive.Fence, attempt, WireName.Of(kill), cancellation), ended.Token);
        }
        finally
        {
            drive.Running = null;
            await ended.CancelAsync();
            killed = await watching;
        }

        FaultPoint.Reached("pull.exited");
        killed ??= outcome.Kill ?? (attempt.KillReason is { } recorded ? WireName.Parse<KillReason>(recorded) : null);
        if (killed == KillReason.Cancelled)
        {
            // The pull is abandoned; or the disk was nearly full, and it goes on when it is not.
            if (drive.Wish.Because is null)
            {
                await LoseAsync(drive, attempt, "the disk was nearly full", cancellation);
            }

            return;
        }

        (string? session, string? problem) = ReadSession(outcome.Output);
        HookEvidence evidence = outcome.Evidence(job.Limits, killed, lostBefore: drive.Attempts.Exists(a => a.Attempt == attempt.Attempt - 1 && a.State == "lost"));
        HookVerdict verdict = HookVerdict.Decide(evidence with { Progress = [], OutputProblem = evidence.OutputProblem ?? problem ?? Unreadable(outcome.Output) });
        if (verdict is HookVerdict.Lost lost)
        {
            await LoseAsync(drive, attempt, lost.Reason, cancellation);
            return;
        }

        string? failure = verdict is HookVerdict.Final { Status: not HookStatus.Passed } final ? final.Reason!.Replace("The hook", "The source", StringComparison.Ordinal) : null;
        await pulls.SaveEndAsync(
            drive.Fence, attempt,
            new PullResult(outcome.ImageId, outcome.ExitCode, outcome.Duration, outcome.PeakMemoryBytes, outcome.OutOfMemory, outcome.Log, failure, failure is null ? session : null, outcome.OutputBytes),
            cancellation);
        FaultPoint.Reached("pull.end_saved");
        drive.Change(attempt with
        {
            State = failure is null ? "taking" : "failed",
            OutOfMemory = outcome.OutOfMemory,
            SessionJson = failure is null ? session : null,
            ExitCode = outcome.ExitCode,
            Because = failure,
            KillReason = killed is { } kill ? WireName.Of(kill) : null,
        });
        if (failure is not null)
        {
            await DoneWithAsync(attempt);
        }
        else
        {
            await grains.ContainerHost(attempt.EngineId).Release(attempt.ContainerName);
        }
    }

    /// <summary>Kills the container when somebody wishes the pull to end, or when the disk is nearly full.</summary>
    private async Task<KillReason?> WatchAsync(PullDrive drive, PullAttempt attempt, CancellationToken ended)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(ended, drive.Wish.Token);
        while (!ended.IsCancellationRequested)
        {
            await Task.Delay(DiskLook, time, either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
            if (!ended.IsCancellationRequested && (drive.Wish.Because is not null || FreeDisk() < limits.MinFreeDiskBytes / 2))
            {
                await pulls.RecordKillAsync(drive.Fence, attempt, WireName.Of(KillReason.Cancelled), CancellationToken.None);
                await Host.Engine.KillAsync(attempt.ContainerName, CancellationToken.None);
                return KillReason.Cancelled;
            }
        }

        return null;
    }

    private Task<bool> SlotAsync(PullDrive drive, PullAttempt attempt, CancellationToken cancellation) => slots.AcquireAsync(
        attempt.EngineId,
        new SlotRequest(attempt.ContainerName, attempt.MemoryBytes, attempt.Cpu, drive.Convention.Id, true),
        "the source",
        drive.Wish,
        _ => { },
        said => pulls.WaitAsync(drive.Fence, said, Fence.Lease, setback: false, cancellation),
        cancellation);

    /// <exception cref="OsaException">Unavailable: there is less free disk than a pull may need.</exception>
    private async Task CheckDiskAsync(PullDrive drive, CancellationToken cancellation)
    {
        long needed = Math.Max(limits.MinFreeDiskBytes, 2 * await pulls.LargestAsync(drive.Convention.Id, drive.Fence.Subject, cancellation));
        if (FreeDisk() is var free && free < needed)
        {
            throw OsaException.Unavailable(
                $"the disk of '{Options.ScratchDirectory}' has {HookGrammar.FormatBytes(free)} free, and a pull of '{drive.Convention.Id}' may need {HookGrammar.FormatBytes(needed)} (twice its largest so far, at least MinFreeDiskBytes)");
        }
    }

    private long FreeDisk()
    {
        Directory.CreateDirectory(Options.ScratchDirectory, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return new DriveInfo(Options.ScratchDirectory).AvailableFreeSpace;
    }

    private async Task DoneWithAsync(PullAttempt attempt)
    {
        Host.RemoveLater(attempt.ContainerName, null);
        await grains.ContainerHost(attempt.EngineId).Release(attempt.ContainerName);
    }

    /// <summary>Where the next chunk goes on; null where there is none, as an empty object says too.</summary>
    private (string? Session, string? Problem) ReadSession(OutputDirectory output)
    {
        switch (output.Open("session.json", MaxSessionBytes))
        {
            case OutputFile.Readable readable:
                using (readable.Content)
                {
                    using var text = new MemoryStream();
                    readable.Content.CopyTo(text);
                    return SourceSession.Read(text.GetBuffer().AsSpan(0, (int)text.Length), limits);
                }

            case OutputFile.Refused refused:
                return (null, refused.Problem);
            default:
                return (null, null);
        }
    }

    private string? Unreadable(OutputDirectory output)
    {
        switch (output.Open(PullIntake.Records, limits.MaxSourceBytes))
        {
            case OutputFile.Refused refused:
                return refused.Problem;
            case OutputFile.Readable readable:
                readable.Content.Dispose();
                return null;
            default:
                return null;
        }
    }

    private PullAttempt New(PullDrive drive, PullAttempt? before, string engineId, HostCapacity capacity)
    {
        int attempt = (before?.Attempt ?? 0) + 1;
        HookLimits its = drive.Source.Limits;
        long memory = drive.Attempts.Exists(a => a.OutOfMemory) ? Math.Max(its.MemoryBytes, Math.Min(2 * its.MemoryBytes, Math.Min(limits.MaxHookMemoryBytes, capacity.MemoryBytes))) : its.MemoryBytes;
        return new PullAttempt(drive.Chunk, attempt, "claimed", engineId, $"osa-{node.ClusterId.ToString("N")[..8]}-{drive.Fence.Subject:N}-s{drive.Chunk}-{attempt}", memory, its.Cpu, null, false, null, 0, 0, null, null);
    }

    private ContainerJob Job(PullDrive drive, PullAttempt attempt)
    {
        var variables = new Dictionary<string, string>();
        if (drive.Pull.Since is { } since)
        {
            variables["OSA_SINCE"] = since.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'+00:00'", CultureInfo.InvariantCulture);
        }

        if (drive.Limit is { } limit)
        {
            variables["OSA_LIMIT"] = (limit - drive.Offset).ToString(CultureInfo.InvariantCulture);
        }

        if (drive.Offset > 0)
        {
            variables["OSA_OFFSET"] = drive.Offset.ToString(CultureInfo.InvariantCulture);
        }

        var documents = new Dictionary<string, ReadOnlyMemory<byte>>();
        if (drive.Source.Config is { Count: > 0 } config)
        {
            documents["config.json"] = Encoding.UTF8.GetBytes(config.ToJsonString());
        }

        if (drive.SessionJson is { } session)
        {
            documents["session.json"] = Encoding.UTF8.GetBytes(session);
        }

        return ContainerJob.ForSource(
            attempt.ContainerName,
            new JobLabels(drive.Fence.Subject.ToString("D"), "source", attempt.Chunk.ToString(CultureInfo.InvariantCulture), attempt.Attempt),
            drive.Source.Image,
            drive.Source.Digest ?? throw OsaException.Precondition($"the source of '{drive.Convention.Srn}' has no digest: its image was never resolved"),
            drive.Source.Limits with { MemoryBytes = attempt.MemoryBytes },
            variables, documents, Egress, limits.MaxSourceBytes, limits.MaxSourceFiles);
    }
}
