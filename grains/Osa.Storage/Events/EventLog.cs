using Npgsql;
using Osa.Domain.Errors;
using Osa.Domain.Events;
using Osa.Domain.Names;

namespace Osa.Storage.Events;

/// <summary>An event with its place in the feed.</summary>
public sealed record FeedEvent(long Position, Guid Id, string Type, string Subject, EventAudience Audience, Guid? OwnerId, string PayloadJson, DateTime CreatedAt);

/// <summary>
/// The event feed. Events are inserted without a position in the transaction that made them true; a numbering step gives the
/// committed ones the next positions in id order. So the feed is gap-free, nothing is ever inserted before a position that a
/// reader has passed, and no writer waits for another.
/// </summary>
public sealed class EventLog(Database database)
{
    /// <summary>How many events one step numbers at most.</summary>
    public const int LargestStep = 10_000;

    // Any fixed number; "osa" and a 2 in ASCII.
    private const long NumberingLock = 0x6F736132;

    /// <summary>Adds <paramref name="happened"/> to the transaction that <paramref name="batch"/> will be part of.</summary>
    /// <param name="owner">Whose deposition it concerns; null where it is nobody's.</param>
    public static NpgsqlBatch Append(NpgsqlBatch batch, Guid? owner, DomainEvent happened) =>
        batch.And(
            "insert into osa.events (type, subject, audience, owner_id, payload) values ($1, $2, $3, $4::uuid, $5::jsonb)",
            happened.Type, happened.Subject, WireName.Of(happened.Audience), owner?.ToString(), happened.PayloadJson);

    /// <summary>Gives the events that have committed since the last step their positions.</summary>
    /// <returns>How many were numbered.</returns>
    public Task<int> NumberAsync(CancellationToken cancellation) =>
        database.Run(
            async connection =>
            {
                await using NpgsqlCommand waiting = connection.Command("select exists (select from osa.events where position is null)");
                if (await waiting.ExecuteScalarAsync(cancellation) is not true)
                {
                    return 0;
                }

                await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync(cancellation);
                // A statement of its own: the next one must take its snapshot after the lock is held.
                await connection.Command("select pg_advisory_xact_lock($1)", NumberingLock).Execute(cancellation);
                int numbered = await connection.Command(
                    $"""
                    with next as (
                      select id, row_number() over (order by id) as n
                      from (select id from osa.events where position is null order by id limit {LargestStep}) unnumbered)
                    update osa.events e
                    set position = (select coalesce(max(position), 0) from osa.events) + next.n
                    from next where e.id = next.id
                    """).Execute(cancellation);
                await transaction.CommitAsync(CancellationToken.None);
                return numbered;
            },
            cancellation);

    /// <summary>The next events after <paramref name="after"/>, in order of position; 0 begins at the beginning.</summary>
    /// <exception cref="OsaException">Unavailable.</exception>
    public async Task<IReadOnlyList<FeedEvent>> ReadAsync(long after, int limit, CancellationToken cancellation)
    {
        await NumberAsync(cancellation);
        return await database.Run(
            connection => connection.Command(
                """
                select position, event_id, type, subject, audience, owner_id, payload::text, created_at
                from osa.events where position > $1 order by position limit $2
                """,
                after, limit).ToList(
                r => new FeedEvent(
                    r.GetInt64(0), r.GetGuid(1), r.GetString(2), r.GetString(3), WireName.Parse<EventAudience>(r.GetString(4))!.Value,
                    r.ValueOrNull<Guid>(5), r.GetString(6), r.GetDateTime(7)),
                cancellation),
            cancellation);
    }
}
