using Osa.Domain.Sources;

namespace Osa.Storage.Sources;

/// <summary>A source as people see it.</summary>
/// <param name="Definition">Of the newest version that has one.</param>
/// <param name="Cursor">What the schedule's next pull asks for has changed since then; null: everything.</param>
/// <param name="NextDue">When the schedule pulls next; null for never.</param>
/// <param name="Lag">Since when the archive may lack what upstream has: the age of the cursor; null before the first complete pull.</param>
/// <param name="LastPull">The newest one.</param>
public sealed record SourceView(
    string ConventionId, string ConventionVersion, SourceDefinition Definition, DateTime? Cursor, DateTime? NextDue, DateTime? PausedAt, string? PausedBecause, string? RetiredBecause,
    TimeSpan? Lag, PullView? LastPull);

/// <summary>A pull as people see it.</summary>
/// <param name="Summary">How it ended, in words; null while it goes on.</param>
/// <param name="Duration">Since it began, or until it ended.</param>
/// <param name="RunsInFlight">Runs over what it has taken that are not done with their hooks.</param>
public sealed record PullView(
    Guid Id, long Ordinal, string ConventionId, string ConventionVersion, PullCause Cause, PullStatus Status, DateTime? Since, long? Limit, int? BatchSize, bool MovesCursor,
    int Chunk, string? WaitingFor, string? Summary, DateTime CreatedAt, DateTime? StartedAt, DateTime? CompletedAt, TimeSpan Duration, string? OwnerSilo, long Epoch, PullCounts Counts, long RunsInFlight)
{
    /// <summary>It has ended, and nothing of it is with the hooks any more.</summary>
    public bool IsSettled => IsFinal && RunsInFlight == 0;

    public bool IsFinal => Status is not (PullStatus.Pending or PullStatus.Running);
}

/// <summary>What became of the records that a pull met.</summary>
/// <param name="Taken">Became depositions: new, or with new content.</param>
/// <param name="Unchanged">Known with this very content, and passed over.</param>
/// <param name="Quarantined">Kept aside because they cannot be taken.</param>
/// <param name="Blocked">Passed over because their record was withdrawn.</param>
/// <param name="Judged">Of those taken: the run that they are in has ended.</param>
public sealed record PullCounts(long Taken, long Unchanged, long Quarantined, long Blocked, long Judged, long Published, long Rejected, long Failed, long Superseded)
{
    /// <summary>All that upstream offered.</summary>
    public long Pulled => Taken + Unchanged + Quarantined + Blocked;
}
