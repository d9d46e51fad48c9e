using Npgsql;
using Osa.Domain.Access;
using Osa.Domain.Depositions;
using Osa.Domain.Errors;
using Osa.Domain.Faults;
using Osa.Storage.Depositions;
using Osa.Storage.Validation;

namespace Osa.Storage.Reviews;

/// <summary>A deposition that waits for a curator.</summary>
public sealed record WaitingDeposition(Deposition Deposition, Guid RunId, DateTime Since);

/// <summary>
/// The curators' part of a run in review: each word is recorded in a short transaction, and whoever drives the run carries it out by the
/// function that settles every run.
/// </summary>
public sealed class ReviewStore(Database database, NodeIdentity node)
{
    /// <summary>How many depositions are approved at once at most.</summary>
    public const int MaxAtOnce = 1_000;

    /// <summary>Those that wait, oldest first, without files.</summary>
    /// <param name="after">The last one of the page before.</param>
    public Task<List<WaitingDeposition>> QueueAsync(string? conventionId, string? conventionVersion, Guid? after, int limit, CancellationToken cancellation) =>
        database.Run(
            c => c.Command(
                $"""
                select {DepositionRows.ColumnsOfNew}, m.run_id, m.review_since from osa.run_depositions m join osa.depositions d on d.id = m.deposition_id
                where m.review = 'waiting' and m.status is null and d.status = 'in_review' and d.run_id = m.run_id
                  and ($1::text is null or d.convention_id = $1::text) and ($2::text is null or d.convention_version = $2::text)
                  and ($3 = '' or (m.review_since, d.id) > (
                    select a.review_since, a.deposition_id from osa.run_depositions a where a.deposition_id = nullif($3, '')::uuid and a.review is not null order by a.review_since desc limit 1))
                order by m.review_since, d.id limit $4
                """,
                conventionId, conventionVersion, after?.ToString() ?? "", limit)
                .ToList(r => new WaitingDeposition(DepositionRows.Read(r), r.GetGuid(DepositionRows.Count), r.GetDateTime(DepositionRows.Count + 1)), cancellation),
            cancellation);

    /// <summary>Approves all of them, or none.</summary>
    /// <returns>The runs that publish them, which should be woken.</returns>
    /// <exception cref="OsaException">NotFound; FailedPrecondition: another curator was first, or it does not wait for one.</exception>
    public Task<IReadOnlyList<Guid>> ApproveAsync(Caller curator, IReadOnlyList<Guid> depositions, CancellationToken cancellation) =>
        depositions.Count is 0 or > MaxAtOnce
            ? throw OsaException.Invalid("deposition_srns", "count", $"1 to {MaxAtOnce} are approved at once, not {depositions.Count}")
            : DecideAsync(curator, depositions, "approved", null, cancellation);

    /// <summary>Gives one back to its owner.</summary>
    /// <returns>The run that carries it out.</returns>
    /// <exception cref="OsaException">As <see cref="ApproveAsync"/>; InvalidArgument: the reason.</exception>
    public Task<IReadOnlyList<Guid>> ReturnAsync(Caller curator, Guid deposition, string reason, CancellationToken cancellation)
    {
        RunCommands.CheckReason(reason, required: true);
        return DecideAsync(curator, [deposition], "returned", reason, cancellation);
    }

    private async Task<IReadOnlyList<Guid>> DecideAsync(Caller curator, IReadOnlyList<Guid> depositions, string word, string? reason, CancellationToken cancellation)
    {
        IReadOnlyList<Guid> decided = await database.Transaction<IReadOnlyList<Guid>>(
            async c =>
            {
                Guid[] ids = [.. depositions.Distinct()];
                // The deposition may be settled, withdrawn or decided on at the same moment: its review is one row, and the first word counts.
                Dictionary<Guid, Guid> runs = (await c.Command(
                    """
                    with waiting as (
                      select m.run_id, m.ordinal from osa.run_depositions m join osa.depositions d on d.id = m.deposition_id and d.run_id = m.run_id
                      where d.id = any ($1) and d.status = 'in_review' and m.review = 'waiting' and m.status is null
                      order by m.run_id, m.ordinal for update of m)
                    update osa.run_depositions m set review = $2, reviewed_by = $3, review_reason = $4
                    from waiting w where m.run_id = w.run_id and m.ordinal = w.ordinal
                    returning m.deposition_id, m.run_id
                    """,
                    ids, word, curator.UserId, reason).ToList(r => (Deposition: r.GetGuid(0), Run: r.GetGuid(1)), cancellation)).ToDictionary(x => x.Deposition, x => x.Run);
                foreach (Guid missed in ids.Where(id => !runs.ContainsKey(id)))
                {
                    throw await WhyNotAsync(c, missed, cancellation);
                }

                FaultPoint.Reached("review.before_commit");
                return [.. ids.Select(id => runs[id]).Distinct()];
            },
            cancellation);
        FaultPoint.Reached("review.committed");
        return decided;
    }

    private async Task<OsaException> WhyNotAsync(NpgsqlConnection connection, Guid id, CancellationToken cancellation)
    {
        var now = await connection.Command(
            """
            select d.status, m.review, m.reviewed_by, d.record_srn from osa.depositions d
            left join osa.run_depositions m on m.run_id = d.run_id and m.deposition_id = d.id where d.id = $1
            """,
            id).FirstOrDefault(r => new { Status = r.GetString(0), Review = r.TextOrNull(1), By = r.ValueOrNull<Guid>(2), Record = r.TextOrNull(3) }, cancellation);
        string srn = node.DepositionSrn(id).ToString();
        return now is null ? OsaException.NotFound($"'{srn}'")
            : OsaException.Precondition(
                now is { Review: "approved" or "returned", By: { } by }
                    ? $"'{srn}' was {now.Review} by curator {by}{(now.Record is null ? "" : $" and is published as '{now.Record}'")}"
                    : $"'{srn}' is {now.Status.Replace('_', ' ')} and does not wait for a curator");
    }
}
