using Npgsql;
using Osa.Domain.Access;
using Osa.Domain.Errors;
using Osa.Domain.Names;
using Osa.Domain.Sources;
using Osa.Storage.Conventions;
using Osa.Storage.Validation;

namespace Osa.Storage.Sources;

/// <summary>What a pull shall do that somebody begins by hand.</summary>
/// <param name="Since">What changed upstream since then; null: since the cursor.</param>
/// <param name="Limit">Most records; null for all.</param>
/// <param name="BatchSize">Records that are judged together; null for the source's own.</param>
/// <param name="MovesCursor">It counts as one of the schedule's.</param>
public sealed record PullRequest(DateTime? Since, long? Limit, int? BatchSize, bool MovesCursor);

/// <summary>Sources: when they are due, what somebody wants of them, and how they stand.</summary>
public sealed class SourceStore(Database database, NodeIdentity node, ConventionStore conventions)
{
    private const string PullColumns =
        """
        p.id, p.ordinal, p.convention_id, p.convention_version, p.cause, p.status, p.since, p.record_limit, p.batch_size, p.moves_cursor, p.chunk, coalesce(p.cancel_because, p.waiting_for),
        p.summary, p.created_at, p.started_at, p.completed_at, coalesce(coalesce(p.completed_at, now()) - p.started_at, interval '0'), p.owner_silo, p.epoch,
        a.taken, a.unchanged, a.quarantined, a.blocked, o.judged, o.passed, o.rejected, o.failed, o.superseded,
        (select count(*) from osa.validation_runs f where f.pull_id = p.id and f.status in ('pending', 'running') and f.phase = 'hooks')
        """;

    private const string PullCountsOf =
        """
        cross join lateral (
          select coalesce(sum(taken), 0)::bigint as taken, coalesce(sum(unchanged), 0)::bigint as unchanged, coalesce(sum(quarantined), 0)::bigint as quarantined, coalesce(sum(blocked), 0)::bigint as blocked
          from osa.pull_attempts where pull_id = p.id) a
        cross join lateral (
          select coalesce(sum(v.value::bigint), 0)::bigint as judged,
            coalesce(sum(v.value::bigint) filter (where v.key = 'passed'), 0)::bigint as passed,
            coalesce(sum(v.value::bigint) filter (where v.key in ('rejected', 'returned')), 0)::bigint as rejected,
            coalesce(sum(v.value::bigint) filter (where v.key in ('failed', 'cancelled', 'left_out')), 0)::bigint as failed,
            coalesce(sum(v.value::bigint) filter (where v.key = 'superseded'), 0)::bigint as superseded
          from osa.validation_runs r, jsonb_each_text(r.outcomes) v where r.pull_id = p.id) o
        """;

    /// <summary>Appends what a registered version's source needs: its row with the first due time, and its first pull.</summary>
    internal static async Task AppendRegistrationAsync(NpgsqlBatch batch, string conventionId, string version, SourceDefinition source, CancellationToken cancellation)
    {
        DateTime now = await NowAsync(batch.Connection!, cancellation);
        batch.And(
            """
            insert into osa.sources (convention_id, convention_version, next_due) values ($1, $2, $3::timestamptz)
            on conflict (convention_id) do update set convention_version = excluded.convention_version, next_due = excluded.next_due, initial_owed = false
            """,
            conventionId, version, source.Schedule is { } schedule ? Written(CronTime.Next(schedule.Cron, now)) : null);
        if (source.InitialRun is { } initial)
        {
            AppendInitial(batch, conventionId, initial, delay: "3 s");
        }
    }

    // Owed while another is open.
    private static void AppendInitial(NpgsqlBatch batch, string conventionId, InitialRun initial, string delay)
    {
        var id = Guid.CreateVersion7();
        batch.And(
            """
            insert into osa.pulls (id, convention_id, convention_version, cause, record_limit, moves_cursor, next_step_at, since, session)
            select $1, convention_id, convention_version, 'initial', $3::bigint, true, now() + $4::interval, cursor, session from osa.sources where convention_id = $2
            on conflict (convention_id) where status in ('pending', 'running') do nothing
            """,
            id, conventionId, initial.Limit?.ToString(), delay);
        batch.And("update osa.sources set initial_owed = not exists (select from osa.pulls where id = $2) where convention_id = $1", conventionId, id);
    }

    /// <exception cref="OsaException">NotFound: no such convention, or none that has a source.</exception>
    public async Task<SourceView> GetAsync(string convention, CancellationToken cancellation)
    {
        Convention named = await conventions.GetAsync(convention, "convention", cancellation);
        return (await ReadAsync(named.Id, cancellation)).FirstOrDefault() ?? throw OsaException.NotFound($"A source of convention '{named.Id}'");
    }

    /// <summary>All of them, by convention.</summary>
    public Task<List<SourceView>> ListAsync(CancellationToken cancellation) => ReadAsync(null, cancellation);

    /// <exception cref="OsaException">NotFound.</exception>
    public async Task<PullView> PullAsync(Guid id, CancellationToken cancellation) =>
        await database.Run(c => c.Command($"select {PullColumns} from osa.pulls p {PullCountsOf} where p.id = $1", id).FirstOrDefault(r => ReadPull(r, 0), cancellation), cancellation)
        ?? throw OsaException.NotFound($"Pull '{id}'");

    /// <summary>Pulls of a source, newest first.</summary>
    /// <param name="before">Ordinal of the last one of the page before.</param>
    public Task<List<PullView>> PullsAsync(string conventionId, long? before, int limit, CancellationToken cancellation) =>
        database.Run(
            c => c.Command($"select {PullColumns} from osa.pulls p {PullCountsOf} where p.convention_id = $1 and p.ordinal < $2 order by p.ordinal desc limit $3", conventionId, before ?? long.MaxValue, limit)
                .ToList(r => ReadPull(r, 0), cancellation),
            cancellation);

    /// <summary>The containers of a pull, newest first: what each did, and its log.</summary>
    public Task<List<PullContainer>> ContainersAsync(Guid pull, int limit, CancellationToken cancellation) =>
        database.Run(
            c => c.Command(
                """
                select chunk, attempt, state, container_name, exit_code, coalesce(duration_ms, 0), peak_memory, memory_bytes, because, log, digest from osa.pull_attempts
                where pull_id = $1 order by chunk desc, attempt desc limit $2
                """,
                pull, limit).ToList(
                r => new PullContainer(
                    r.GetInt32(0), r.GetInt32(1), r.GetString(2), r.GetString(3), r.ValueOrNull<long>(4), TimeSpan.FromMilliseconds(r.GetInt64(5)), r.ValueOrNull<long>(6), r.GetInt64(7), r.TextOrNull(8), r.TextOrNull(9) ?? "", r.TextOrNull(10)),
                cancellation),
            cancellation);

    /// <summary>Begins a pull by hand. The same key of the same caller answers with the pull that it began before.</summary>
    /// <returns>The pull, and whether this call made it.</returns>
    /// <exception cref="OsaException">InvalidArgument; NotFound; FailedPrecondition: one is running, or the convention is retired.</exception>
    public async Task<(Guid Pull, bool Created)> BeginAsync(Caller caller, string convention, PullRequest request, string key, CancellationToken cancellation)
    {
        Depositions.DepositionStore.CheckKey(key);
        if (request.Limit is < 1)
        {
            throw OsaException.Invalid("limit", "range", "must be at least 1; leave it out for all records");
        }

        if (request.BatchSize is < 1 or > SourceDefinition.MaxBatchSize)
        {
            throw OsaException.Invalid("batch_size", "range", $"must be 1 to {SourceDefinition.MaxBatchSize}; leave it out to let the node choose");
        }

        SourceView source = await GetAsync(convention, cancellation);
        if (source.RetiredBecause is { } because)
        {
            throw OsaException.Precondition($"'{node.ConventionSrn(source.ConventionId, source.ConventionVersion)}' is retired and takes no new records: {because}");
        }

        return await database.Transaction(
            async c =>
            {
                await LockAsync(c, source.ConventionId, cancellation);
                if (key.Length > 0 && await c.Command("select answer from osa.idempotency where caller_id = $1 and operation = $2 and key = $3", caller.UserId, $"pull {source.ConventionId}", key)
                    .FirstOrDefault(r => r.GetString(0), cancellation) is { } before)
                {
                    return (Guid.Parse(before), false);
                }

                if ((await c.Command("select id from osa.pulls where convention_id = $1 and status in ('pending', 'running')", source.ConventionId).ToList(r => r.GetGuid(0), cancellation)) is [var open])
                {
                    throw OsaException.Precondition($"Pull '{open}' of '{source.ConventionId}' is running, and a source has one at a time: wait for its end, or cancel it");
                }

                Guid id = Guid.CreateVersion7();
                await using var batch = new NpgsqlBatch(c);
                batch.And(
                    """
                    insert into osa.pulls (id, convention_id, convention_version, cause, requested_by, since, record_limit, batch_size, moves_cursor, next_step_at, session)
                    select $1, convention_id, convention_version, 'hand', $2, coalesce($3::timestamptz, cursor), $4::bigint, $5::int, $6, now() + interval '3 s', case when $6 and $3 is null then session end
                    from osa.sources where convention_id = $7
                    """,
                    id, caller.UserId, Written(request.Since), request.Limit?.ToString(), request.BatchSize?.ToString(), request.MovesCursor, source.ConventionId);
                if (key.Length > 0)
                {
                    batch.And("insert into osa.idempotency (caller_id, operation, key, answer) values ($1, $2, $3, $4)", caller.UserId, $"pull {source.ConventionId}", key, id.ToString());
                }

                await batch.ExecuteNonQueryAsync(cancellation);
                return (id, true);
            },
            cancellation);
    }

    /// <summary>
    /// Begins the pull of the schedule whose time has come, and sets the next time in the same transaction. A time that comes while a
    /// pull is running is passed over; times that were missed while no silo was up make one pull. A first pull that could not begin when
    /// its version was registered goes before.
    /// </summary>
    /// <returns>When the schedule is due next; null for never.</returns>
    public Task<DateTime?> BeginDueAsync(string conventionId, CancellationToken cancellation) =>
        database.Transaction(
            async c =>
            {
                var source = await c.Command(
                    """
                    select s.convention_version, s.next_due, s.next_due <= now(), s.paused_at is not null or v.retired_at is not null, now(), s.initial_owed
                    from osa.sources s join osa.conventions v on v.id = s.convention_id and v.version = s.convention_version
                    where s.convention_id = $1 for update of s
                    """,
                    conventionId).FirstOrDefault(
                    r => new { Version = r.GetString(0), Due = r.ValueOrNull<DateTime>(1), IsDue = !r.IsDBNull(2) && r.GetBoolean(2), IsStill = r.GetBoolean(3), Now = r.GetDateTime(4), IsOwed = r.GetBoolean(5) }, cancellation);
                if (source is null || source.IsStill)
                {
                    return null;
                }

                if (!source.IsDue && !source.IsOwed)
                {
                    return source.Due;
                }

                SourceDefinition? definition = (await conventions.FindAsync(conventionId, source.Version, cancellation))!.Document.Source;
                await using var batch = new NpgsqlBatch(c);
                if (source.IsOwed)
                {
                    AppendInitial(batch, conventionId, definition!.InitialRun!, delay: "0 s");
                }

                if (!source.IsDue)
                {
                    await batch.ExecuteNonQueryAsync(cancellation);
                    return source.Due;
                }

                SourceSchedule? schedule = definition?.Schedule;
                DateTime? next = schedule is null ? null : CronTime.Next(schedule.Cron, source.Now);
                batch.And("update osa.sources set next_due = $2::timestamptz where convention_id = $1", conventionId, Written(next));
                if (schedule is not null)
                {
                    batch.And(
                        """
                        insert into osa.pulls (id, convention_id, convention_version, cause, since, record_limit, moves_cursor, session)
                        select $1, convention_id, convention_version, 'schedule', cursor, $2::bigint, true, session from osa.sources where convention_id = $3
                        on conflict (convention_id) where status in ('pending', 'running') do nothing
                        """,
                        Guid.CreateVersion7(), schedule.Limit?.ToString(), conventionId);
                }

                await batch.ExecuteNonQueryAsync(cancellation);
                return next;
            },
            cancellation);

    /// <summary>The pull that is open, or null.</summary>
    public async Task<Guid?> OpenAsync(string conventionId, CancellationToken cancellation) =>
        (await database.Run(c => c.Command("select id from osa.pulls where convention_id = $1 and status in ('pending', 'running')", conventionId).ToList(r => (Guid?)r.GetGuid(0), cancellation), cancellation))
        .FirstOrDefault();

    /// <summary>The schedule begins nothing any more; a pull that is running goes on.</summary>
    /// <exception cref="OsaException">InvalidArgument: the reason. NotFound. FailedPrecondition: it is paused.</exception>
    public Task PauseAsync(string conventionId, string reason, CancellationToken cancellation)
    {
        RunCommands.CheckReason(reason, required: false);
        return ChangeAsync(conventionId, "paused_at = now(), paused_because = $2 where convention_id = $1 and paused_at is null", "is paused already", reason, cancellation);
    }

    /// <summary>The schedule goes on with its next time.</summary>
    /// <exception cref="OsaException">NotFound. FailedPrecondition: it is not paused.</exception>
    public async Task ResumeAsync(string conventionId, CancellationToken cancellation)
    {
        SourceView source = await GetAsync(conventionId, cancellation);
        DateTime? next = source.Definition.Schedule is { } schedule ? CronTime.Next(schedule.Cron, await database.Run(c => NowAsync(c, cancellation), cancellation)) : null;
        await ChangeAsync(conventionId, "paused_at = null, paused_because = null, next_due = $2::timestamptz where convention_id = $1 and paused_at is not null", "is not paused", Written(next), cancellation);
    }

    /// <summary>The schedule's next pull asks for what has changed since then, or for everything.</summary>
    /// <exception cref="OsaException">NotFound. FailedPrecondition: a pull is running.</exception>
    public Task ResetAsync(string conventionId, DateTime? cursor, CancellationToken cancellation) =>
        ChangeAsync(
            conventionId,
            "cursor = $2::timestamptz, session = null, session_started = null where convention_id = $1 and not exists (select from osa.pulls p where p.convention_id = $1 and p.status in ('pending', 'running'))",
            "has a pull that is running; cancel it first",
            Written(cursor),
            cancellation);

    /// <summary>The pull that is running shall end; it has when its container is gone.</summary>
    /// <returns>The pull.</returns>
    /// <exception cref="OsaException">InvalidArgument: the reason. FailedPrecondition: none is running.</exception>
    public async Task<Guid> CancelAsync(string conventionId, string reason, CancellationToken cancellation) =>
        await EndAsync(conventionId, RunCommands.Because("cancelled", reason), cancellation) ?? throw OsaException.Precondition($"No pull of '{conventionId}' is running");

    /// <summary>As <see cref="CancelAsync"/>, where there is a pull at all.</summary>
    public async Task<bool> StopAsync(string conventionId, string reason, CancellationToken cancellation) =>
        await EndAsync(conventionId, RunCommands.Because("stopped by the archive", reason), cancellation) is not null;

    /// <summary>Lets an upstream id in again whose record was withdrawn: what comes next under it becomes a new record.</summary>
    /// <exception cref="OsaException">NotFound; FailedPrecondition: its record is not withdrawn.</exception>
    public async Task UnblockAsync(string conventionId, string sourceId, CancellationToken cancellation)
    {
        int changed = await database.Run(
            c => c.Command(
                """
                update osa.source_items i set series = null, content_hash = '' where convention_id = $1 and source_id = $2
                  and exists (select from osa.records r where r.id = i.series and r.is_current and r.withdrawn_at is not null)
                """,
                conventionId, sourceId).Execute(cancellation),
            cancellation);
        if (changed == 0)
        {
            throw OsaException.Precondition($"No record of '{conventionId}' under upstream id '{(sourceId.Length > 80 ? sourceId[..80] : sourceId)}' is withdrawn");
        }
    }

    /// <summary>Sources with something to do: a schedule whose time has come, or a pull that nobody drives.</summary>
    /// <param name="clusterId">Orleans' cluster id, for the membership that tells who lives.</param>
    public Task<List<(string ConventionId, string? EngineId)>> DueAsync(string clusterId, CancellationToken cancellation) =>
        database.Run(
            c => c.Command(
                """
                select p.convention_id, p.engine_id from osa.pulls p
                where p.status in ('pending', 'running')
                  and (p.next_step_at <= now() or p.cancel_because is not null or p.owner_silo is not null and not exists (
                    select from orleans.membership m
                    where m.cluster_id = $1 and m.status between 3 and 5 and m.address || ':' || m.port || '@' || m.generation = p.owner_silo))
                union all
                select s.convention_id, null from osa.sources s join osa.conventions v on v.id = s.convention_id and v.version = s.convention_version
                where (s.next_due <= now() or (s.initial_owed and not exists (select from osa.pulls o where o.convention_id = s.convention_id and o.status in ('pending', 'running'))))
                  and s.paused_at is null and v.retired_at is null
                """,
                clusterId).ToList(r => (r.GetString(0), r.TextOrNull(1)), cancellation),
            cancellation);

    private async Task<Guid?> EndAsync(string conventionId, string because, CancellationToken cancellation) =>
        (await database.Run(
            c => c.Command(
                "update osa.pulls set cancel_because = coalesce(cancel_because, $2) where convention_id = $1 and status in ('pending', 'running') returning id", conventionId, because)
                .ToList(r => (Guid?)r.GetGuid(0), cancellation),
            cancellation)).FirstOrDefault();

    private Task<List<SourceView>> ReadAsync(string? conventionId, CancellationToken cancellation) =>
        database.Run(
            async c =>
            {
                var rows = await c.Command(
                    $"""
                    select s.convention_id, s.convention_version, s.cursor, s.next_due, s.paused_at, s.paused_because, v.retired_because, now() - s.cursor, l.*
                    from osa.sources s join osa.conventions v on v.id = s.convention_id and v.version = s.convention_version
                    left join lateral (select {PullColumns} from osa.pulls p {PullCountsOf} where p.convention_id = s.convention_id order by p.ordinal desc limit 1) l on true
                    where $1::text is null or s.convention_id = $1::text order by s.convention_id
                    """,
                    conventionId).ToList(
                    r => (Id: r.GetString(0), Version: r.GetString(1), Cursor: r.ValueOrNull<DateTime>(2), Due: r.ValueOrNull<DateTime>(3), Paused: r.ValueOrNull<DateTime>(4), Because: r.TextOrNull(5), Retired: r.TextOrNull(6),
                        Lag: r.ValueOrNull<TimeSpan>(7), Last: r.IsDBNull(8) ? null : ReadPull(r, 8)),
                    cancellation);
                var views = new List<SourceView>(rows.Count);
                foreach (var row in rows)
                {
                    SourceDefinition definition = (await conventions.FindAsync(row.Id, row.Version, cancellation))!.Document.Source!;
                    views.Add(new SourceView(row.Id, row.Version, definition, row.Cursor, row.Due, row.Paused, row.Because, row.Retired, row.Lag, row.Last));
                }

                return views;
            },
            cancellation);

    private async Task ChangeAsync(string conventionId, string change, string refusal, string? value, CancellationToken cancellation)
    {
        (int changed, bool exists) = await database.Transaction(
            async c =>
            {
                bool known = await LockAsync(c, conventionId, cancellation);
                return (await c.Command("update osa.sources set " + change, conventionId, value).Execute(cancellation), known);
            },
            cancellation);
        if (!exists)
        {
            throw OsaException.NotFound($"A source of convention '{conventionId}'");
        }

        if (changed == 0)
        {
            throw OsaException.Precondition($"The source of '{conventionId}' {refusal}");
        }
    }

    private static async Task<DateTime> NowAsync(NpgsqlConnection connection, CancellationToken cancellation) =>
        (await connection.Command("select now()").ToList(r => r.GetDateTime(0), cancellation))[0];

    internal static async Task<bool> LockAsync(NpgsqlConnection connection, string conventionId, CancellationToken cancellation) =>
        await connection.Command("select convention_id from osa.sources where convention_id = $1 for update", conventionId).FirstOrDefault(r => r.GetString(0), cancellation) is not null;

    private static string? Written(DateTime? time) => time?.ToUniversalTime().ToString("O");

    private static PullView ReadPull(NpgsqlDataReader r, int at) => new(
        r.GetGuid(at), r.GetInt64(at + 1), r.GetString(at + 2), r.GetString(at + 3), WireName.Parse<PullCause>(r.GetString(at + 4))!.Value, WireName.Parse<PullStatus>(r.GetString(at + 5))!.Value,
        r.ValueOrNull<DateTime>(at + 6), r.ValueOrNull<long>(at + 7), r.ValueOrNull<int>(at + 8), r.GetBoolean(at + 9), r.GetInt32(at + 10), r.TextOrNull(at + 11), r.TextOrNull(at + 12),
        r.GetDateTime(at + 13), r.ValueOrNull<DateTime>(at + 14), r.ValueOrNull<DateTime>(at + 15), r.GetTimeSpan(at + 16), r.TextOrNull(at + 17), r.GetInt64(at + 18),
        new PullCounts(r.GetInt64(at + 19), r.GetInt64(at + 20), r.GetInt64(at + 21), r.GetInt64(at + 22), r.GetInt64(at + 23), r.GetInt64(at + 24), r.GetInt64(at + 25), r.GetInt64(at + 26), r.GetInt64(at + 27)),
        r.GetInt64(at + 28));
}

/// <summary>One container of a pull.</summary>
/// <param name="State"><c>claimed</c>, <c>taking</c>, <c>done</c>, <c>failed</c> or <c>lost</c>.</param>
/// <param name="Because">Why it failed or was lost.</param>
public sealed record PullContainer(
    int Chunk, int Attempt, string State, string Name, long? ExitCode, TimeSpan Duration, long? PeakMemory, long MemoryBytes, string? Because, string Log, string? Digest);
