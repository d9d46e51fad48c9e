using System.Text.Json;
using Osa.Containers;
using Osa.Containers.Output;
using Osa.Domain.Conventions;
using Osa.Domain.Features;
using Osa.Domain.Hooks;
using Osa.Domain.Names;
using Osa.Domain.Validation;
using Osa.Storage.Files;
using Osa.Storage.Validation;

namespace Osa.Grains.Validation;

/// <summary>What a container's end says of its depositions.</summary>
/// <param name="Outputs">The outcomes, also of a container that broke before it had given all of them.</param>
/// <param name="LostBecause">It was lost through nobody's fault; null when it was not.</param>
/// <param name="BrokenBecause">Why depositions are left without an outcome; null when none is.</param>
internal sealed record Judgement(IReadOnlyList<RunOutput> Outputs, string? LostBecause, string? BrokenBecause);

/// <summary>
/// Judges what a container left behind, and moves checked features into the store. A container over one deposition speaks for it; of
/// one over many, each deposition has the outcome that was written for it, and those without are tried again in other company.
/// </summary>
public sealed class OutputCheck(BlobStore blobs, NodeLimits limits)
{
    public long MaxOutputBytes => limits.MaxOutputBytes;

    public long MaxMemoryBytes => limits.MaxHookMemoryBytes;

    public int MaxOutputFiles => limits.MaxOutputFiles;

    /// <summary>What a container over many depositions knows one by.</summary>
    public static string TokenOf(Guid deposition) => deposition.ToString("D");

    /// <param name="mayGrow">After running out of memory it is tried again with more.</param>
    internal async Task<Judgement> JudgeAsync(
        ContainerOutcome outcome, HookDefinition hook, IReadOnlyList<RunMember> members, RunUnit unit, KillReason? recordedKill, bool lostBefore, bool mayGrow, CancellationToken cancellation)
    {
        HookEvidence evidence = outcome.Evidence(hook.Limits, recordedKill, lostBefore);
        if (members.Count > 1)
        {
            // Whose rejection would it be?
            evidence = evidence with { Progress = [] };
        }

        HookVerdict verdict = HookVerdict.Decide(evidence);
        string progress = members.Count == 1 ? JsonSerializer.Serialize(outcome.Progress) : "[]";
        RunOutput Output(RunMember member, HookStatus status, string? reason) => new(
            member.DepositionId, unit.HookOrdinal, unit.Hook, unit.Unit, unit.Attempt, WireName.Of(status), reason, progress, null, 0, 0, 0, null);

        if (verdict is HookVerdict.Final { Status: HookStatus.Cancelled } cancelled)
        {
            return new Judgement([.. members.Select(m => Output(m, HookStatus.Cancelled, cancelled.Reason))], null, null);
        }

        bool grows = mayGrow && outcome.OutOfMemory;
        if (grows && members.Count == 1)
        {
            return new Judgement([], null, $"{((HookVerdict.Final)verdict).Reason} It is tried again with more.");
        }

        if (hook.Manifest.Contract == HookContract.Record)
        {
            if (verdict is HookVerdict.Lost lost)
            {
                return new Judgement([], lost.Reason, null);
            }

            (RunOutput output, string? problem) = verdict is HookVerdict.Final { Status: HookStatus.Passed }
                ? await RecordAsync(outcome.Output, hook.Manifest, Output(members[0], HookStatus.Passed, null), cancellation)
                : (Output(members[0], HookStatus.Passed, null), null);
            var final = (HookVerdict.Final)HookVerdict.Decide(evidence with { OutputProblem = evidence.OutputProblem ?? problem });
            return new Judgement([output with { Status = WireName.Of(final.Status), Reason = final.Reason }], null, null);
        }

        bool isWhole = verdict is HookVerdict.Final { Status: HookStatus.Passed };
        // A container over one deposition that was out of memory, out of time or over a limit is judged by that alone.
        bool isRead = isWhole || members.Count > 1 || (verdict is HookVerdict.Final { Status: HookStatus.Failed } && evidence is { OutOfMemory: false, Kill: null, OutputLimitExceeded: false });
        (Dictionary<Guid, RunOutput> outcomes, string? malformed) = isRead
            ? await BatchAsync(outcome, hook.Manifest, members, Output, isWhole, cancellation)
            : ([], null);
        if (malformed is not null)
        {
            // Not the word of a hook that writes what it must not.
            outcomes.Clear();
            verdict = isWhole ? HookVerdict.Decide(evidence with { OutputProblem = malformed }) : verdict;
        }

        if (members.Count == 1 && verdict is HookVerdict.Final alone && alone.Status != HookStatus.Passed)
        {
            bool isRejected = alone.Status == HookStatus.Failed && outcomes.Values.FirstOrDefault() is { Status: "rejected" };
            return new Judgement([isRejected ? outcomes.Values.First() : Output(members[0], alone.Status, alone.Reason)], null, null);
        }

        List<RunOutput> given = [.. outcomes.Values];
        List<RunMember> without = [.. members.Where(m => !outcomes.ContainsKey(m.DepositionId))];
        return verdict switch
        {
            HookVerdict.Lost lost => new Judgement(given, lost.Reason, null),
            HookVerdict.Final { Status: HookStatus.Passed } => new Judgement([.. given, .. without.Select(m => Output(m, HookStatus.Failed, "The hook gave no outcome for it"))], null, null),
            HookVerdict.Final broken => new Judgement(given, null, without.Count > 0 ? broken.Reason : null),
            _ => throw new InvalidOperationException($"a verdict of type {verdict.GetType()}"),
        };
    }

    private async Task<(RunOutput Output, string? Problem)> RecordAsync(OutputDirectory directory, HookManifest manifest, RunOutput passed, CancellationToken cancellation)
    {
        OutputFile file = directory.Open("features.json", limits.MaxFeatureBytes);
        if (file is OutputFile.Refused refused)
        {
            return (passed, refused.Problem);
        }

        if (file is not OutputFile.Readable readable)
        {
            return (passed, null);
        }

        await using Stream content = readable.Content;
        await using BlobWriter writer = blobs.OpenWriter(new BlobLimits(limits.MaxFeatureBytes));
        try
        {
            FeatureFileSummary summary = await FeatureFile.CheckAsync(content, manifest, limits, writer, cancellation);
            return summary.Rows == 0
                ? (passed, null)
                : (passed with { BlobId = (await writer.CompleteAsync(cancellation)).Id, Length = summary.Bytes, Rows = summary.Rows, Sha256 = summary.Sha256 }, null);
        }
        catch (FeatureFileException malformed)
        {
            return (passed, malformed.Message);
        }
    }

    private async Task<(Dictionary<Guid, RunOutput> Outcomes, string? Problem)> BatchAsync(
        ContainerOutcome outcome, HookManifest manifest, IReadOnlyList<RunMember> members, Func<RunMember, HookStatus, string?, RunOutput> output, bool isWhole, CancellationToken cancellation)
    {
        await using BlobWriter writer = blobs.OpenWriter(new BlobLimits(limits.MaxFeatureBytes));
        BatchResult result = await BatchOutput.CheckAsync(
            outcome.Output, [.. members.Select(m => TokenOf(m.DepositionId))], manifest, limits, isWhole, writer, cancellation);
        Guid? blob = result.Problem is null && result.Outcomes.Values.Any(o => o is BatchOutcome.Passed { Rows: > 0 }) ? (await writer.CompleteAsync(cancellation)).Id : null;
        var outcomes = new Dictionary<Guid, RunOutput>(members.Count);
        foreach (RunMember member in members)
        {
            switch (result.Outcomes.GetValueOrDefault(TokenOf(member.DepositionId)))
            {
                case BatchOutcome.Passed passed:
                    outcomes[member.DepositionId] = output(member, HookStatus.Passed, null) with
                    {
                        BlobId = passed.Rows > 0 ? blob : null,
                        Offset = passed.Offset,
                        Length = passed.Length,
                        Rows = passed.Rows,
                        Sha256 = passed.Sha256,
                    };
                    break;
                case BatchOutcome.Rejected rejected:
                    outcomes[member.DepositionId] = output(member, HookStatus.Rejected, rejected.Reason);
                    break;
                case BatchOutcome.Failed failed:
                    outcomes[member.DepositionId] = output(member, HookStatus.Failed, failed.Reason);
                    break;
            }
        }

        return (outcomes, result.Problem);
    }
}
