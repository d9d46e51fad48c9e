using Npgsql;
using Osa.Domain.Events;
using Osa.Domain.Faults;
using Osa.Domain.Names;
using Osa.Domain.Sources;
using Osa.Storage.Events;
using Osa.Storage.Validation;

namespace Osa.Storage.Sources;

/// <summary>A pull as its owner sees it after claiming it.</summary>
/// <param name="Phase"><c>pulling</c>, or <c>taken</c>: there is nothing left but to end it.</param>
/// <param name="Offset">Records that earlier chunks offered.</param>
/// <param name="SessionJson">What the chunk before this one left; null for the first.</param>
/// <param name="IdleChunks">Chunks in a row that brought nothing new.</param>
/// <param name="Attempts">Of this chunk, in order.</param>
public sealed record ClaimedPull(
    Fence Fence, string ConventionId, string ConventionVersion, string Phase, DateTime? Since, long? Limit, int? BatchSize, int Chunk, long Offset, string? SessionJson, int IdleChunks,
    string? CancelBecause, TimeSpan SetBackFor, List<PullAttempt> Attempts);

/// <summary>One container of a chunk.</summary>
/// <param name="Line">Lines of its records that are taken.</param>
/// <param name="Because">Why it failed or was lost.</param>
public sealed record PullAttempt(int Chunk, int Attempt, string State, string EngineId, string ContainerName, long MemoryBytes, double Cpu, string? KillReason, bool OutOfMemory, string? SessionJson, long Line, long Fresh, long? ExitCode, string? Because)
{
    /// <summary>It failed in a way that it would fail in again: its time or its output ended at a limit, or what it left cannot be read.</summary>
    public bool IsHopeless => State == "failed" && (KillReason is not null || ExitCode == 0);
}

/// <summary>What a source's container did.</summary>
/// <param name="Because">Why it failed; null when it exited 0.</param>
/// <param name="OutputBytes">All that it left.</param>
public sealed record PullResult(string? Digest, long? ExitCode, TimeSpan Duration, long? PeakMemory, bool OutOfMemory, string Log, string? Because, string? SessionJson, long OutputBytes);

/// <summary>The steps of a pull, each one transaction under the pull's epoch.</summary>
public sealed class PullStore(Database database, NodeIdentity node) : IFencedWork
{
    private const string Held = "with fence as (select id from osa.pulls where id = $1 and epoch = $2 and status = 'running' for update) ";

    /// <summary>Takes the pull over from whoever had it.</summary>
    /// <param name="held">The epoch that this activation had, where it only goes on after a setback.</param>
    /// <returns>The pull, or null where it is final or a successor's.</returns>
    public Task<ClaimedPull?> ClaimAsync(Guid id, string silo, long? held, CancellationToken cancellation) =>
        database.Transaction<ClaimedPull?>(
            async c =>
            {
                ClaimedPull? pull = await c.Command(
                    """
                    update osa.pulls p
                    set epoch = epoch + 1, owner_silo = $2, status = 'running', started_at = coalesce(started_at, now()), next_step_at = now() + $3
                    where id = $1 and status in ('pending', 'running') and ($4::bigint is null or epoch = $4::bigint or owner_silo = $2)
                    returning epoch, convention_id, convention_version, phase, since, record_limit, batch_size, chunk, record_offset, session, idle_chunks, cancel_because, coalesce(now() - setback_since, interval '0')
                    """,
                    id, silo, Fence.Lease, held?.ToString()).FirstOrDefault(
                    r => new ClaimedPull(
                        new Fence(id, r.GetInt64(0)), r.GetString(1), r.GetString(2), r.GetString(3), r.ValueOrNull<DateTime>(4), r.ValueOrNull<long>(5), r.ValueOrNull<int>(6), r.GetInt32(7), r.GetInt64(8), r.TextOrNull(9),
                        r.GetInt32(10), r.TextOrNull(11), r.GetTimeSpan(12), []),
                    cancellation);
                return pull is null ? null : pull with { Attempts = await AttemptsAsync(c, id, pull.Chunk, cancellation) };
            },
            cancellation);

    /// <summary>Saves the attempt before anything is done on the engine. What earlier attempts of the chunk had passed over or kept aside is met again.</summary>
    /// <returns>False where the engine is full.</returns>
    /// <exception cref="FenceLostException"/>
    public Task<bool> SaveAttemptAsync(Fence fence, PullAttempt attempt, EngineCapacity capacity, CancellationToken cancellation) =>
        database.Transaction(
            async c =>
            {
                await using var batch = new NpgsqlBatch(c);
                batch.And("select pg_advisory_xact_lock(hashtextextended('engine:' || $1, 0))", attempt.EngineId).And(
                    Held + """
                    , used as (select count(*) as slots, coalesce(sum(memory_bytes), 0) as memory, coalesce(sum(cpu), 0) as cpu from osa.claims where engine_id = $5 and holds_slot),
                    claimed as (
                      insert into osa.pull_attempts (pull_id, chunk, attempt, engine_id, container_name, memory_bytes, cpu)
                      select $1, $3, $4, $5, $6, $7, $8 from fence, used
                      where used.slots < $9 and used.memory + $7 <= $10 and (used.cpu + $8 <= $11 or used.slots = 0)
                      returning 1),
                    moved as (
                      update osa.pulls p set engine_id = $5, waiting_for = null, setback_since = null, next_step_at = now() + $12 from fence where p.id = fence.id and exists (select from claimed)),
                    recounted as (
                      update osa.pull_attempts a set unchanged = 0, quarantined = 0, blocked = 0 from fence
                      where a.pull_id = fence.id and a.chunk = $3 and a.attempt < $4 and exists (select from claimed)),
                    forgotten as (
                      delete from osa.source_quarantine_files f using fence, osa.source_quarantine q
                      where f.quarantine_id = q.id and q.pull_id = fence.id and q.chunk = $3 and q.redriven_at is null and exists (select from claimed))
                    select exists (select from fence), exists (select from claimed)
                    """,
                    fence.Subject, fence.Epoch, attempt.Chunk, attempt.Attempt, attempt.EngineId, attempt.ContainerName, attempt.MemoryBytes, attempt.Cpu,
                    (long)capacity.Slots, capacity.MemoryBytes, capacity.Cpu, Fence.Lease)
                    .And("delete from osa.source_quarantine q where q.pull_id = $1 and q.chunk = $2 and q.attempt < $3 and q.redriven_at is null", fence.Subject, attempt.Chunk, attempt.Attempt);
                await using NpgsqlDataReader reader = await batch.ExecuteReaderAsync(cancellation);
                await reader.NextResultAsync(cancellation);
                await reader.ReadAsync(cancellation);
                (bool isMine, bool claimed) = (reader.GetBoolean(0), reader.GetBoolean(1));
                await reader.CloseAsync();
                return isMine ? claimed : throw new FenceLostException(fence.Subject);
            },
            cancellation);

    /// <summary>Records that this node is about to kill the container.</summary>
    /// <exception cref="FenceLostException"/>
    public Task RecordKillAsync(Fence fence, PullAttempt attempt, string reason, CancellationToken cancellation) =>
        Fenced(fence, "update osa.pull_attempts set kill_reason = $5 from fence where pull_id = $1 and chunk = $3 and attempt = $4", cancellation, attempt.Chunk, attempt.Attempt, reason);

    /// <summary>The attempt came to nothing through no fault of the source.</summary>
    /// <exception cref="FenceLostException"/>
    public Task MarkLostAsync(Fence fence, PullAttempt attempt, string because, CancellationToken cancellation) =>
        Fenced(
            fence, "update osa.pull_attempts set state = 'lost', because = $5, finished_at = now() from fence where pull_id = $1 and chunk = $3 and attempt = $4", cancellation,
            attempt.Chunk, attempt.Attempt, because);

    /// <summary>Saves how the container ended. After exit code 0 its directory stays claimed until its records are taken; its slot is free.</summary>
    /// <exception cref="FenceLostException"/>
    public Task SaveEndAsync(Fence fence, PullAttempt attempt, PullResult result, CancellationToken cancellation) =>
        Fenced(
            fence,
            """
            , rested as (update osa.pulls p set setbacks = 0, setback_since = null, next_step_at = now() + $15 from fence where p.id = fence.id)
            update osa.pull_attempts
            set state = $5, digest = $6, exit_code = $7::bigint, duration_ms = $8, peak_memory = $9::bigint, out_of_memory = $10, log = $11, because = $12, session = $13::text, output_bytes = $14, finished_at = now()
            from fence where pull_id = $1 and chunk = $3 and attempt = $4
            """,
            cancellation,
            attempt.Chunk, attempt.Attempt, result.Because is null ? "taking" : "failed", result.Digest, result.ExitCode?.ToString(), (long)result.Duration.TotalMilliseconds, result.PeakMemory?.ToString(),
            result.OutOfMemory, result.Log, result.Because, result.SessionJson, result.OutputBytes, Fence.Lease);

    /// <summary>All of the chunk is taken: the next one begins with its session, or there is none.</summary>
    /// <param name="session">Where the next chunk, or the next pull after a limit, goes on; null for nowhere.</param>
    /// <param name="idleChunks">Chunks in a row that brought nothing new, this one included.</param>
    /// <param name="more">The source left a session and records, and the limit is not reached.</param>
    /// <param name="exhausted">Upstream had no more.</param>
    /// <param name="failedBecause">Why the pull ends as failed although all of it was taken.</param>
    /// <exception cref="FenceLostException"/>
    public Task FinishChunkAsync(Fence fence, PullAttempt attempt, string? session, int idleChunks, bool more, bool exhausted, string? failedBecause, CancellationToken cancellation) =>
        Fenced(
            fence,
            """
            , done as (update osa.pull_attempts a set state = 'done' from fence where a.pull_id = fence.id and a.chunk = $3 and a.attempt = $4 returning a.line)
            update osa.pulls p
            set record_offset = p.record_offset + done.line, session = $10::text, idle_chunks = $5, chunk = p.chunk + case when $6 then 1 else 0 end,
                phase = case when $6 then 'pulling' else 'taken' end, is_exhausted = $7, failed_because = $8, next_step_at = now() + $9
            from fence, done where p.id = fence.id
            """,
            cancellation, attempt.Chunk, attempt.Attempt, idleChunks, more, exhausted, failedBecause, Fence.Lease, session);

    /// <summary>Runs over what the convention's source has brought that are not done with their hooks.</summary>
    public async Task<long> InFlightAsync(string conventionId, CancellationToken cancellation) =>
        (await database.Run(
            c => c.Command("select count(*) from osa.validation_runs where convention_id = $1 and pull_id is not null and status in ('pending', 'running') and phase = 'hooks'", conventionId)
                .ToList(r => r.GetInt64(0), cancellation),
            cancellation))[0];

    /// <summary>Records of the pull that are kept aside.</summary>
    public async Task<long> QuarantinedAsync(Guid pull, CancellationToken cancellation) =>
        (await database.Run(c => c.Command("select count(*) from osa.source_quarantine where pull_id = $1", pull).ToList(r => r.GetInt64(0), cancellation), cancellation))[0];

    /// <summary>The most that an earlier pull of the convention left on the disk, in bytes.</summary>
    public async Task<long> LargestAsync(string conventionId, Guid but, CancellationToken cancellation) =>
        (await database.Run(
            c => c.Command(
                """
                select coalesce(max(bytes), 0)::bigint from (
                  select sum(a.output_bytes) as bytes from osa.pull_attempts a join osa.pulls p on p.id = a.pull_id where p.convention_id = $1 and p.id <> $2 and a.state = 'done' group by p.id) sizes
                """,
                conventionId, but).ToList(r => r.GetInt64(0), cancellation),
            cancellation))[0];

    /// <summary>How long the hooks of the convention's newest runs took per deposition, the slowest of them; null before there were any.</summary>
    public async Task<TimeSpan?> CostPerRecordAsync(string conventionId, string version, CancellationToken cancellation) =>
        (await database.Run(
            c => c.Command(
                """
                select max(cost) from (
                  select sum(u.duration_ms) / sum(u.last_ordinal - u.first_ordinal + 1) as cost
                  from (select id from osa.validation_runs where convention_id = $1 and convention_version = $2 and status not in ('pending', 'running') and trial is null order by created_at desc limit 20) r
                  join osa.run_units u on u.run_id = r.id and u.state = 'done' group by u.hook_ordinal) hooks
                """,
                conventionId, version).ToList(r => r.IsDBNull(0) ? null : (TimeSpan?)TimeSpan.FromMilliseconds((double)r.GetDecimal(0)), cancellation),
            cancellation))[0];

    /// <summary>Ends the pull. One of the schedule's that has taken everything moves the cursor to the moment at which it began; one that ended at its limit leaves its session for the next.</summary>
    /// <exception cref="FenceLostException"/>
    public async Task<PullStatus> EndAsync(Fence fence, PullStatus status, string summary, CancellationToken cancellation)
    {
        await database.Transaction(
            async c =>
            {
                var ended = await c.Command(
                    """
                    update osa.pulls set status = case when $3 = 'completed' and failed_because is not null then 'failed' else $3 end,
                      summary = coalesce(case when $3 = 'completed' then failed_because end, $4), completed_at = now(), waiting_for = null
                    where id = $1 and epoch = $2 and status = 'running'
                    returning status, convention_id, convention_version, moves_cursor, is_exhausted, session, started_at,
                      (select coalesce(sum(line), 0)::bigint from osa.pull_attempts a where a.pull_id = osa.pulls.id and a.state = 'done')
                    """,
                    fence.Subject, fence.Epoch, WireName.Of(status), summary).FirstOrDefault(
                    r => new
                    {
                        Status = r.GetString(0),
                        Convention = node.ConventionSrn(r.GetString(1), r.GetString(2)),
                        Id = r.GetString(1),
                        Moves = r.GetBoolean(3),
                        IsExhausted = r.GetBoolean(4),
                        Session = r.TextOrNull(5),
                        Started = r.GetDateTime(6),
                        Records = r.GetInt64(7),
                    },
                    cancellation) ?? throw new FenceLostException(fence.Subject);
                status = WireName.Parse<PullStatus>(ended.Status)!.Value;
                await using var batch = new NpgsqlBatch(c);
                if (ended.Moves && status == PullStatus.Completed && ended.IsExhausted)
                {
                    batch.And("update osa.sources set cursor = coalesce(session_started, $2), session = null, session_started = null where convention_id = $1", ended.Id, ended.Started);
                }
                else if (ended.Moves && status == PullStatus.Completed && ended.Session is not null)
                {
                    batch.And("update osa.sources set session = $2, session_started = coalesce(session_started, $3) where convention_id = $1", ended.Id, ended.Session, ended.Started);
                }

                EventLog.Append(batch, null, DomainEvents.SourceRunCompleted(ended.Convention, fence.Subject, status, ended.Started, ended.Records, ended.IsExhausted));
                await batch.ExecuteNonQueryAsync(cancellation);
                FaultPoint.Reached("pull.before_end");
                return true;
            },
            cancellation);
        NodeTelemetry.Pulls.Add(1, new KeyValuePair<string, object?>("status", WireName.Of(status)));
        return status;
    }

    public Task WaitAsync(Fence fence, string? waitingFor, TimeSpan next, bool setback, CancellationToken cancellation) =>
        Fenced(
            fence,
            """
            update osa.pulls p
            set waiting_for = $3, next_step_at = now() + $4, setbacks = setbacks + $5::int, setback_since = case when $5::int > 0 then coalesce(setback_since, now()) else setback_since end
            from fence where p.id = fence.id
            """,
            cancellation, waitingFor, next, setback ? 1 : 0);

    public Task HeartbeatAsync(Fence fence, CancellationToken cancellation) =>
        Fenced(fence, "update osa.pulls p set next_step_at = now() + $3 from fence where p.id = fence.id", cancellation, Fence.Lease);

    public async Task<string?> WishAsync(Fence fence, CancellationToken cancellation) =>
        (await database.Run(
            c => c.Command("select cancel_because from osa.pulls where id = $1 and epoch = $2 and status = 'running'", fence.Subject, fence.Epoch).ToList(r => r.TextOrNull(0), cancellation),
            cancellation)) is [var because] ? because : throw new FenceLostException(fence.Subject);

    private static Task<List<PullAttempt>> AttemptsAsync(NpgsqlConnection connection, Guid pull, int chunk, CancellationToken cancellation) =>
        connection.Command(
            """
            select chunk, attempt, state, engine_id, container_name, memory_bytes, cpu, kill_reason, out_of_memory, session, line, fresh, exit_code, because
            from osa.pull_attempts where pull_id = $1 and chunk = $2 order by attempt
            """,
            pull, chunk).ToList(
            r => new PullAttempt(
                r.GetInt32(0), r.GetInt32(1), r.GetString(2), r.GetString(3), r.GetString(4), r.GetInt64(5), r.GetDouble(6), r.TextOrNull(7), r.GetBoolean(8), r.TextOrNull(9), r.GetInt64(10), r.GetInt64(11), r.ValueOrNull<long>(12), r.TextOrNull(13)),
            cancellation);

    private Task<int> Fenced(Fence fence, string statement, CancellationToken cancellation, params object?[] parameters) =>
        database.Run(
            async c => await c.Command(Held + statement, [fence.Subject, fence.Epoch, .. parameters]).Execute(cancellation) is > 0 and var changed
                ? changed
                : throw new FenceLostException(fence.Subject),
            cancellation);
}
