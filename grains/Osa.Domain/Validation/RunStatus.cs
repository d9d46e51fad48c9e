namespace Osa.Domain.Validation;

/// <summary>Where a validation run stands.</summary>
public enum RunStatus
{
    Pending,
    Running,
    Passed,
    Rejected,
    Failed,
    Cancelled,
}

/// <summary>What can happen to a run.</summary>
public enum RunCommand
{
    Start,
    Pass,
    Reject,
    Fail,
    Cancel,
}

/// <summary>The run's state machine: state x command to state.</summary>
public static class RunLifecycle
{
    /// <summary>The state after <paramref name="command"/>, or null where it is not allowed.</summary>
    public static RunStatus? Next(RunStatus status, RunCommand command) => (status, command) switch
    {
        (RunStatus.Pending or RunStatus.Running, RunCommand.Start) => RunStatus.Running,
        (RunStatus.Running, RunCommand.Pass) => RunStatus.Passed,
        (RunStatus.Running, RunCommand.Reject) => RunStatus.Rejected,
        (RunStatus.Running, RunCommand.Fail) => RunStatus.Failed,
        (RunStatus.Pending or RunStatus.Running, RunCommand.Cancel) => RunStatus.Cancelled,
        _ => null,
    };

    public static bool IsFinal(RunStatus status) => status is RunStatus.Passed or RunStatus.Rejected or RunStatus.Failed or RunStatus.Cancelled;
}

/// <summary>What one hook said of one deposition.</summary>
public enum HookStatus
{
    Passed,
    Rejected,
    Failed,
    Cancelled,
}

/// <summary>A line of <c>progress.jsonl</c>.</summary>
public sealed record ProgressLine(string Status, string? Step, string? Message);

/// <summary>Everything a depositor may know of one hook's run over one deposition.</summary>
/// <param name="Reason">Why it was rejected, or what went wrong; null when passed.</param>
/// <param name="Digest">The image id that was actually started.</param>
/// <param name="PeakMemoryBytes">Highest memory use, where the host could tell.</param>
/// <param name="LogTail">The first 16 KiB and the last 48 KiB of stdout and stderr.</param>
public sealed record HookResult(
    string Hook,
    HookStatus Status,
    string? Reason,
    IReadOnlyList<ProgressLine> Progress,
    TimeSpan Duration,
    long? PeakMemoryBytes,
    long? ExitCode,
    string LogTail,
    string? Digest,
    long Rows);
