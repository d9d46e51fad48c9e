using Npgsql;
using Osa.Domain.Access;
using Osa.Domain.Errors;
using Osa.Domain.Events;
using Osa.Domain.Faults;
using Osa.Domain.Names;

namespace Osa.Storage.Events;

/// <summary>An event with its place in the feed.</summary>
public sealed record FeedEvent(long Position, Guid Id, string Type, string Subject, EventAudience Audience, Guid? OwnerId, string PayloadJson, DateTime CreatedAt);

/// <param name="Position">Up to here nothing is missing.</param>
/// <param name="Head">The position of the newest event of all.</param>
public sealed record FeedPage(IReadOnlyList<FeedEvent> Events, long Position, long Head)
{
    /// <summary>There is something behind it, if perhaps nothing that the view shows.</summary>
    public bool More => Position < Head;
}

/// <summary>What somebody sees of the feed.</summary>
/// <param name="Types">Only these; empty for all.</param>
/// <param name="Subject">Only what is about it; null for all.</param>
public sealed record EventView(Caller Caller, IReadOnlySet<string> Types, string? Subject)
{
    public bool Shows(FeedEvent happened) =>
        (Types.Count == 0 || Types.Contains(happened.Type)) && (Subject is null || Subject == happened.Subject) && happened.Audience switch
        {
            EventAudience.Public => true,
            EventAudience.Owner => Caller.Has(Role.Curator) || (Caller.Has(Role.Depositor) && happened.OwnerId == Caller.UserId),
            _ => Caller.Has(Role.Admin),
        };
}

/// <summary>
/// The event feed. Events are inserted without a position in the transaction that made them true; a numbering step gives the
/// committed ones the next positions in id order. So the feed is gap-free, nothing is ever inserted before a position that a
/// reader has passed, and no writer waits for another.
/// </summary>
public sealed class EventLog(Database database)
{
    /// <summary>How many events one step numbers at most.</summary>
    public const int LargestStep = 10_000;

    /// <summary>How many events one page looks at.</summary>
    public const int LongestLook = 100_000;

    private const string Columns = "position, event_id, type, subject, audience, owner_id, payload::text, created_at";

    // Any fixed number; "osa" and a 2 in ASCII.
    private const long NumberingLock = 0x6F736132;

    /// <summary>Adds <paramref name="happened"/> to the transaction that <paramref name="batch"/> will be part of.</summary>
    /// <param name="owner">Whose deposition it concerns; null where it is nobody's.</param>
    public static NpgsqlBatch Append(NpgsqlBatch batch, Guid? owner, DomainEvent happened) =>
        happened.MetadataOf is null
            ? batch.And(
                "insert into osa.events (type, subject, audience, owner_id, payload) values ($1, $2, $3, $4::uuid, $5::jsonb)",
                happened.Type, happened.Subject, WireName.Of(happened.Audience), owner?.ToString(), happened.PayloadJson)
            : Append(batch, [(owner, happened)]);

    /// <summary>Adds many, in their order.</summary>
    public static NpgsqlBatch Append(NpgsqlBatch batch, IReadOnlyList<(Guid? Owner, DomainEvent Happened)> events) =>
        events is [(var owner, { MetadataOf: null } alone)] ? Append(batch, owner, alone) : batch.And(
            """
            insert into osa.events (type, subject, audience, owner_id, payload)
            select e.type, e.subject, e.audience, nullif(e.owner_id, '')::uuid, case when d.id is null then e.payload::jsonb else e.payload::jsonb || jsonb_build_object('metadata', d.metadata) end
            from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[]) with ordinality as e(type, subject, audience, owner_id, payload, metadata_of, n)
            left join osa.depositions d on d.id = nullif(e.metadata_of, '')::uuid order by e.n
            """,
            events.Select(e => e.Happened.Type).ToArray(), events.Select(e => e.Happened.Subject).ToArray(), events.Select(e => WireName.Of(e.Happened.Audience)).ToArray(),
            events.Select(e => e.Owner?.ToString() ?? "").ToArray(), events.Select(e => e.Happened.PayloadJson).ToArray(), events.Select(e => e.Happened.MetadataOf?.ToString() ?? "").ToArray());

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
                FaultPoint.Reached("events.before_commit");
                await transaction.CommitAsync(CancellationToken.None);
                FaultPoint.Reached("events.numbered");
                NodeTelemetry.EventsNumbered.Add(numbered);
                return numbered;
            },
            cancellation);

    /// <summary>
    /// Reads at one moment and says at which position of the feed that is: every event up to it has happened, none behind it. Whatever
    /// committed before the moment and has no position yet gets one now, before anything later does.
    /// </summary>
    /// <param name="work">Given a connection that reads as of the moment, and the position.</param>
    public async Task<T> AtPositionAsync<T>(Func<NpgsqlConnection, long, Task<T>> work, CancellationToken cancellation) =>
        await database.Snapshot(
            async snapshot => await work(
                snapshot,
                await database.Run(
                    async connection =>
                    {
                        await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync(cancellation);
                        await connection.Command("select pg_advisory_xact_lock($1)", NumberingLock).Execute(cancellation);
                        // The snapshot is taken by its first statement, behind the lock.
                        long[] unnumbered = [.. await snapshot.Command("select id from osa.events where position is null order by id").ToList(r => r.GetInt64(0), cancellation)];
                        await connection.Command(
                            """
                            update osa.events e set position = (select coalesce(max(position), 0) from osa.events) + next.n
                            from unnest($1::bigint[]) with ordinality as next(id, n) where e.id = next.id
                            """,
                            (object)unnumbered).Execute(cancellation);
                        long position = (await connection.Command("select coalesce(max(position), 0) from osa.events").ToList(r => r.GetInt64(0), cancellation))[0];
                        await transaction.CommitAsync(CancellationToken.None);
                        return position;
                    },
                    cancellation)),
            cancellation);

    /// <summary>The position of the newest event, after numbering.</summary>
    public async Task<long> HeadAsync(CancellationToken cancellation)
    {
        await NumberAsync(cancellation);
        return (await database.Run(c => c.Command("select coalesce(max(position), 0) from osa.events").ToList(r => r.GetInt64(0), cancellation), cancellation))[0];
    }

    /// <summary>What <paramref name="view"/> shows after a position, in order, of the next <see cref="LongestLook"/> events.</summary>
    public async Task<FeedPage> PageAsync(EventView view, long after, int size, CancellationToken cancellation)
    {
        long head = await HeadAsync(cancellation);
        // Whoever looks for what is rare reads many events for a few: page by page, that no page takes long.
        long end = Math.Min(head, after > head ? head : after + LongestLook);
        List<FeedEvent> page = await database.Run(
            c => c.Command(
                $"""
                select {Columns} from osa.events
                where position > $1 and position <= $2 and (cardinality($3::text[]) = 0 or type = any ($3)) and ($4::text is null or subject = $4::text)
                  and (audience = 'public' or $5 or audience = 'owner' and ($6 or owner_id = $7))
                order by position limit $8
                """,
                after, end, view.Types.ToArray(), view.Subject, view.Caller.Has(Role.Admin), view.Caller.Has(Role.Curator), view.Caller.Has(Role.Depositor) ? view.Caller.UserId : Guid.Empty, size + 1)
                .ToList(Read, cancellation),
            cancellation);
        return page.Count > size ? new FeedPage(page[..size], page[size - 1].Position, head) : new FeedPage(page, Math.Max(after, end), head);
    }

    /// <summary>The next events after <paramref name="after"/>, in order of position; 0 begins at the beginning.</summary>
    /// <exception cref="OsaException">Unavailable.</exception>
    public async Task<IReadOnlyList<FeedEvent>> ReadAsync(long after, int limit, CancellationToken cancellation)
    {
        await NumberAsync(cancellation);
        return await database.Run(
            connection => connection.Command(
                $"select {Columns} from osa.events where position > $1 order by position limit $2", after, limit).ToList(Read, cancellation),
            cancellation);
    }

    private static FeedEvent Read(NpgsqlDataReader r) => new(
        r.GetInt64(0), r.GetGuid(1), r.GetString(2), r.GetString(3), WireName.Parse<EventAudience>(r.GetString(4))!.Value, r.ValueOrNull<Guid>(5), r.GetString(6), r.GetDateTime(7));
}
