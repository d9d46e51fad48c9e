using Osa.Domain.Hooks;

namespace Osa.Domain.Validation;

/// <summary>Why the node ended a container. Recorded durably before the kill is sent.</summary>
public enum KillReason
{
    /// <summary>Its wall clock, by the engine's time, reached the limit.</summary>
    TimedOut,

    /// <summary>Its output grew beyond the limit of bytes or of files.</summary>
    OutputLimit,

    /// <summary>Somebody cancelled the run or withdrew the deposition.</summary>
    Cancelled,
}

/// <summary>What is known of one container that has ended.</summary>
/// <param name="ExitCode">As the engine reports it: 128 + n after signal n.</param>
/// <param name="OutOfMemory">The engine's flag or its <c>oom</c> event: the first process or a child.</param>
/// <param name="Progress">Lines of <c>progress.jsonl</c>, in order.</param>
/// <param name="LogTail">End of stdout and stderr, quoted in errors.</param>
public sealed record HookEvidence(HookLimits Limits, long ExitCode, bool OutOfMemory, IReadOnlyList<ProgressLine> Progress, string LogTail)
{
    /// <summary>The kill of ours that was recorded for this attempt, or null.</summary>
    public KillReason? Kill { get; init; }

    /// <summary>More output was found than the limits allow.</summary>
    public bool OutputLimitExceeded { get; init; }

    /// <summary>What the engine said when the image's command could not be started; null when it was.</summary>
    public string? StartError { get; init; }

    /// <summary>What is wrong with the output, e.g. <c>features[3].score: expected number, got string</c>; null when nothing is, or not yet known.</summary>
    public string? OutputProblem { get; init; }

    /// <summary>The attempt before this one, on an engine that stayed up, was lost as well.</summary>
    public bool LostBefore { get; init; }
}

/// <summary>What a container's end says of the deposition.</summary>
public abstract record HookVerdict
{
    private const int QuotedLog = 2_000;

    private HookVerdict()
    {
    }

    /// <summary>The hook's own verdict. <paramref name="Reason"/> is null when passed.</summary>
    public sealed record Final(HookStatus Status, string? Reason) : HookVerdict;

    /// <summary>The container was lost by no fault that could be told: the next attempt decides. Never shown as the hook's verdict.</summary>
    public sealed record Lost(string Reason) : HookVerdict;

    /// <summary>
    /// The first that matches: cancelled, out of memory, timed out, output limit, rejected, could not be started, lost, non-zero
    /// exit, malformed output, passed. Output need only be looked at when the answer without it is passed.
    /// </summary>
    public static HookVerdict Decide(HookEvidence evidence)
    {
        if (evidence.Kill == KillReason.Cancelled)
            return new Final(HookStatus.Cancelled, "cancelled");
        if (evidence.OutOfMemory)
            return Failed($"ran out of memory: it needed more than its limit of {evidence.Limits.MemoryBytes / 1048576.0:0.#} MiB", evidence);
        if (evidence.Kill == KillReason.TimedOut)
            return Failed($"timed out after {evidence.Limits.TimeoutSeconds} s", evidence);
        if (evidence.Kill == KillReason.OutputLimit || evidence.OutputLimitExceeded)
            return Failed("wrote more output than is allowed", evidence);
        if (evidence.Progress.LastOrDefault(line => line.Status == "rejected") is { } rejection)
            return new Final(HookStatus.Rejected, PlainText.Reason(rejection.Message) ?? "The hook rejected the deposition and gave no reason.");
        if (evidence.StartError is { } startError)
            return new Final(HookStatus.Failed, PlainText.Reason($"The image could not be started: {startError}"));
        if (evidence.ExitCode is 137 or 143 or 255 && evidence.Kill is null && !evidence.LostBefore)
            return new Lost($"the container ended with code {evidence.ExitCode} and nobody on record ended it");
        if (evidence.ExitCode != 0)
            return Failed($"exited with code {evidence.ExitCode}", evidence);
        if (evidence.OutputProblem is { } problem)
            return new Final(HookStatus.Failed, PlainText.Reason($"The hook's output is malformed: {problem}"));
        return new Final(HookStatus.Passed, null);
    }

    private static Final Failed(string what, HookEvidence evidence)
    {
        string log = PlainText.Tail(PlainText.Clean(evidence.LogTail).Trim(), QuotedLog);
        return new Final(HookStatus.Failed, log.Length == 0 ? $"The hook {what}. Its log is empty." : $"The hook {what}. The end of its log:\n{log}");
    }
}
