using Osa.Domain.Validation;

namespace Osa.Storage.Validation;

/// <summary>A run as somebody may see it.</summary>
/// <param name="DepositionId">The one deposition that is seen of it: status, hooks and record are that one's. Null where several are seen.</param>
/// <param name="OwnerSilo">The silo that works on it, or did last; null before the first has taken it up.</param>
/// <param name="Epoch">How often it has been taken up.</param>
/// <param name="Hooks">One for each hook of what it judges by, in declared order; empty in lists.</param>
/// <param name="Depositions">Those that the reader may see.</param>
/// <param name="Containers">Of a run over several depositions, for whoever may see all of it; and of a run of one whose hook was tried again with more memory.</param>
public sealed record RunView(
    Guid RunId, Guid? DepositionId, string ConventionId, string ConventionVersion, RunStatus Status, string? Summary, string? WaitingFor, string? RecordSrn, bool IsInReview, string? CancelBecause,
    bool IsTrial, string? OwnerSilo, long Epoch, IReadOnlyList<HookView> Hooks, IReadOnlyList<DepositionVerdict> Depositions, IReadOnlyList<ContainerView> Containers, DateTime CreatedAt, DateTime? StartedAt, DateTime? CompletedAt);

/// <summary>What a run says of one of its depositions.</summary>
/// <param name="Status">passed, rejected, failed, cancelled, returned or left_out; null while it is open.</param>
/// <param name="Review">waiting, approved or returned, where a curator decides.</param>
public sealed record DepositionVerdict(Guid DepositionId, string? Status, string? Reason, string? RecordSrn, string? Review);

/// <summary>One container over one or many depositions.</summary>
/// <param name="BrokenBecause">Why it ended before all of its depositions had an outcome.</param>
public sealed record ContainerView(
    string Hook, int Unit, int Attempt, string State, int Depositions, TimeSpan Duration, TimeSpan? Cpu, long? PeakMemory, long? ExitCode, string? BrokenBecause);

/// <summary>Where one hook of a run stands.</summary>
public enum HookState
{
    Waiting,
    Running,
    Passed,
    Rejected,
    Failed,
    Cancelled,
    Skipped,
}

/// <summary>One hook of a run: its newest attempt; over several depositions, all of its containers together.</summary>
public sealed record HookView(
    string Hook, HookState State, string? Reason, IReadOnlyList<ProgressLine> Progress, TimeSpan Duration, TimeSpan? Cpu, long? PeakMemory, long? ExitCode, string Log, string? Digest, long Rows, int Attempt);
