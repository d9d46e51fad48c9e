using Npgsql;
using Osa.Domain.Depositions;
using Osa.Domain.Events;
using Osa.Domain.Hooks;
using Osa.Storage.Depositions;
using Osa.Storage.Events;

namespace Osa.Storage.Validation;

/// <summary>A run as its owner sees it after claiming it.</summary>
/// <param name="Setbacks">Infrastructure failures in a row.</param>
/// <param name="SetBackFor">Since the first of them after the newest container was claimed.</param>
/// <param name="Phase"><c>hooks</c>, or <c>review</c>: they are done, and curators have the next word.</param>
/// <param name="CancelBecause">Set once somebody wished it to end.</param>
/// <param name="IsOpen">Further submissions may join until its first container is claimed.</param>
/// <param name="TrialJson">The convention document that a trial judges by; null for a run that counts.</param>
/// <param name="Members">Those that are not settled.</param>
public sealed record ClaimedRun(
    Fence Fence, string ConventionId, string ConventionVersion, int Setbacks, TimeSpan SetBackFor, string Phase, string? CancelBecause, bool IsOpen, string? TrialJson,
    IReadOnlyList<RunMember> Members, IReadOnlyList<RunUnit> Units, IReadOnlyList<RunOutput> Outputs);

/// <summary>A deposition of a run.</summary>
public sealed record RunMember(int Ordinal, Guid DepositionId, Guid OwnerId);

/// <summary>One attempt of one hook over some of the run's depositions: those between two ordinals that still stood and had no outcome of it.</summary>
public sealed record RunUnit(
    int HookOrdinal, int Unit, int Attempt, string Hook, int FirstOrdinal, int LastOrdinal, string State, string EngineId, string ContainerName, string? KillReason, long? LostWithExitCode, long MemoryBytes, bool OutOfMemory);

/// <summary>What came out for one deposition and hook; rows of features are <paramref name="Rows"/> in a blob.</summary>
public sealed record RunOutput(
    Guid DepositionId, int HookOrdinal, string Hook, int Unit, int Attempt, string Status, string? Reason, string ProgressJson, Guid? BlobId, long Offset, long Length, long Rows, string? Sha256);

/// <summary>What one container did, for the attempt's row.</summary>
/// <param name="BrokenBecause">Why it ended before all of its depositions had an outcome; null when it did not.</param>
public sealed record UnitResult(string? ContainerId, string? Digest, long? ExitCode, TimeSpan Duration, TimeSpan? Cpu, long? PeakMemory, string Log, string? BrokenBecause, bool OutOfMemory);

/// <summary>What one container engine may hold at a time.</summary>
public sealed record EngineCapacity(int Slots, long MemoryBytes, double Cpu);

/// <summary>The steps of a validation run, each one transaction under the run's epoch.</summary>
public sealed class RunStore(Database database, NodeIdentity node) : IFencedWork
{
    /// <summary>What came out of run <c>$1</c> so far, for the depositions <c>$2</c> or, where that is null, for all.</summary>
    internal const string OutputsQuery =
        """
        select deposition_id, hook_ordinal, hook, unit, attempt, status, reason, progress::text, blob_id, byte_offset, byte_length, rows, sha256
        from osa.run_outputs where run_id = $1 and ($2::uuid[] is null or deposition_id = any ($2::uuid[])) order by hook_ordinal
        """;

    private const string MembersQuery =
        """
        select m.ordinal, d.id, d.owner_id from osa.run_depositions m join osa.depositions d on d.id = m.deposition_id
        where m.run_id = $1 and m.status is null order by m.ordinal
        """;

    /// <summary>Takes the run over from whoever had it.</summary>
    /// <param name="held">The epoch that this activation had, where it only goes on after a setback: a silo that was away for a while does not take the run back from its successor.</param>
    /// <returns>The run, or null where it is final, was never born, or is a successor's.</returns>
    public Task<ClaimedRun?> ClaimAsync(Guid runId, string silo, long? held, CancellationToken cancellation) =>
        database.Transaction(
            async c =>
            {
                await using var claim = new NpgsqlBatch(c);
                claim.And(
                    """
                    with before as (
                      select id, status from osa.validation_runs
                      where id = $1 and status in ('pending', 'running') and ($4::bigint is null or epoch = $4::bigint or owner_silo = $2) for update)
                    update osa.validation_runs r
                    set epoch = epoch + 1, owner_silo = $2, status = 'running', started_at = coalesce(started_at, now()), next_step_at = now() + $3
                    from before where r.id = before.id
                    returning r.epoch, r.convention_id, r.convention_version, r.setbacks, before.status, r.phase, r.cancel_because, r.share, r.trial::text, coalesce(now() - r.setback_since, interval '0')
                    """,
                    runId, silo, Fence.Lease, held?.ToString()).And(MembersQuery, runId);
                await using NpgsqlDataReader reader = await claim.ExecuteReaderAsync(cancellation);
                var run = (await reader.Rows(
                    r => new
                    {
                        Epoch = r.GetInt64(0),
                        Convention = r.GetString(1),
                        Version = r.GetString(2),
                        Setbacks = r.GetInt32(3),
                        Before = r.GetString(4),
                        Phase = r.GetString(5),
                        CancelBecause = r.TextOrNull(6),
                        IsOpen = r.GetBoolean(7),
                        Trial = r.TextOrNull(8),
                        SetBackFor = r.GetTimeSpan(9),
                    },
                    cancellation)).FirstOrDefault();
                List<RunMember> members = await reader.Rows(ReadMember, cancellation);
                await reader.CloseAsync();
                if (run is null)
                {
                    return null;
                }

                List<RunUnit> units = [];
                List<RunOutput> outputs = [];
                if (run.Before == "pending")
                {
                    if (run.Trial is null)
                    {
                        await using var batch = new NpgsqlBatch(c);
                        await EventLog.Append(batch, [.. members.Select(m => ((Guid?)m.OwnerId, DomainEvents.ValidationStarted(node.RunSrn(runId), node.DepositionSrn(m.DepositionId))))])
                            .ExecuteNonQueryAsync(cancellation);
                    }
                }
                else
                {
                    units = await c.Command(
                        """
                        select hook_ordinal, unit, attempt, hook, first_ordinal, last_ordinal, state, engine_id, container_name, kill_reason, exit_code, memory_bytes, out_of_memory
                        from osa.run_units where run_id = $1 order by hook_ordinal, unit, attempt
                        """,
                        runId).ToList(
                        r => new RunUnit(
                            r.GetInt32(0), r.GetInt32(1), r.GetInt32(2), r.GetString(3), r.GetInt32(4), r.GetInt32(5), r.GetString(6), r.GetString(7), r.GetString(8), r.TextOrNull(9), r.ValueOrNull<long>(10), r.GetInt64(11), r.GetBoolean(12)),
                        cancellation);
                    outputs = await c.Command(OutputsQuery, runId, null).ToList(ReadOutput, cancellation);
                }

                return new ClaimedRun(
                    new Fence(runId, run.Epoch), run.Convention, run.Version, run.Setbacks, run.SetBackFor, run.Phase, run.CancelBecause, run.IsOpen, run.Trial, members, units, outputs);
            },
            cancellation);

    /// <summary>Lets nobody join any more.</summary>
    /// <returns>Everybody who has.</returns>
    /// <exception cref="FenceLostException"/>
    public Task<List<RunMember>> CloseAsync(Fence fence, CancellationToken cancellation) =>
        database.Transaction(
            async c => await c.Command("update osa.validation_runs set share = false where id = $1 and epoch = $2 and status = 'running'", fence.Subject, fence.Epoch).Execute(cancellation) > 0
                ? await c.Command(MembersQuery, fence.Subject).ToList(ReadMember, cancellation)
                : throw new FenceLostException(fence.Subject),
            cancellation);

    /// <summary>How many depositions are in it by now.</summary>
    public async Task<int> CountAsync(Guid runId, CancellationToken cancellation) =>
        (await database.Run(c => c.Command("select count(*) from osa.run_depositions where run_id = $1", runId).ToList(r => (int)r.GetInt64(0), cancellation), cancellation))[0];

    /// <summary>Depositions of the run as they were submitted, by ordinal; without those that have left it since. While one is in a run, it cannot change.</summary>
    public async Task<Dictionary<int, Deposition>> SubmittedAsync(Guid runId, IReadOnlyCollection<int> ordinals, CancellationToken cancellation) =>
        (await database.Run(
            c => c.Command(
                $"""
                select {DepositionRows.Columns}, m.ordinal
                from osa.run_depositions m join osa.depositions d on d.id = m.deposition_id join osa.validation_runs r on r.id = m.run_id
                where m.run_id = $1 and m.ordinal = any ($2) and (r.trial is not null or d.run_id = r.id and d.status = 'in_validation')
                """,
                runId, ordinals.ToArray()).ToList(r => (Ordinal: r.GetInt32(DepositionRows.Count), Deposition: DepositionRows.Read(r)), cancellation),
            cancellation)).ToDictionary(x => x.Ordinal, x => x.Deposition);

    public async Task<string?> WishAsync(Fence fence, CancellationToken cancellation) =>
        (await database.Run(
            c => c.Command("select cancel_because from osa.validation_runs where id = $1 and epoch = $2 and status = 'running'", fence.Subject, fence.Epoch)
                .ToList(r => r.TextOrNull(0), cancellation),
            cancellation)) is [var because] ? because : throw new FenceLostException(fence.Subject);

    /// <summary>
    /// Saves the attempt before anything is done on the engine: from now on its container has a claim. The engine's capacity is
    /// checked in the same transaction, over the claims of all silos.
    /// </summary>
    /// <returns>False where the engine is full.</returns>
    /// <exception cref="FenceLostException"/>
    public Task<bool> SaveAttemptAsync(Fence fence, RunUnit unit, HookLimits limits, EngineCapacity capacity, CancellationToken cancellation) =>
        database.Run(
            async c =>
            {
                await using var batch = new NpgsqlBatch(c);
                // A statement of its own: the next one must take its snapshot after the lock is held.
                batch.And("select pg_advisory_xact_lock(hashtextextended('engine:' || $1, 0))", unit.EngineId).And(
                    """
                    with fence as (select id from osa.validation_runs where id = $1 and epoch = $2 and status = 'running' for update),
                    used as (
                      select count(*) as slots, coalesce(sum(memory_bytes), 0) as memory, coalesce(sum(cpu), 0) as cpu
                      from osa.claims where engine_id = $9 and holds_slot),
                    claimed as (
                      insert into osa.run_units (run_id, hook_ordinal, unit, attempt, hook, first_ordinal, last_ordinal, engine_id, container_name, memory_bytes, cpu)
                      select $1, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 from fence, used
                      where used.slots < $13 and used.memory + $11 <= $14 and (used.cpu + $12 <= $15 or used.slots = 0)
                      returning 1),
                    moved as (
                      update osa.validation_runs r set engine_id = $9, waiting_for = null, setback_since = null, next_step_at = now() + $16
                      from fence where r.id = fence.id and exists (select from claimed))
                    select exists (select from fence), exists (select from claimed)
                    """,
                    fence.Subject, fence.Epoch, unit.HookOrdinal, unit.Unit, unit.Attempt, unit.Hook, unit.FirstOrdinal, unit.LastOrdinal, unit.EngineId, unit.ContainerName,
                    unit.MemoryBytes, limits.Cpu, (long)capacity.Slots, capacity.MemoryBytes, capacity.Cpu, Fence.Lease);
                await using NpgsqlDataReader reader = await batch.ExecuteReaderAsync(cancellation);
                await reader.NextResultAsync(cancellation);
                await reader.ReadAsync(cancellation);
                (bool isMine, bool claimed) = (reader.GetBoolean(0), reader.GetBoolean(1));
                await reader.Finish();
                return isMine ? claimed : throw new FenceLostException(fence.Subject);
            },
            cancellation);

    /// <summary>Records that this node is about to kill the container, so that its death is not taken for an accident.</summary>
    /// <exception cref="FenceLostException"/>
    public Task RecordKillAsync(Fence fence, RunUnit unit, string reason, CancellationToken cancellation) =>
        Fenced(fence, "update osa.run_units set kill_reason = $6 from fence where run_id = $1 and hook_ordinal = $3 and unit = $4 and attempt = $5", [reason], unit, cancellation);

    /// <summary>The attempt came to nothing through no fault of the hook; its container has no claim any more.</summary>
    /// <param name="exitCode">Where the container had run and was lost.</param>
    /// <exception cref="FenceLostException"/>
    public Task MarkLostAsync(Fence fence, RunUnit unit, string because, long? exitCode, CancellationToken cancellation) =>
        Fenced(
            fence,
            "update osa.run_units set state = 'lost', lost_because = $6, exit_code = $7::bigint, finished_at = now() from fence where run_id = $1 and hook_ordinal = $3 and unit = $4 and attempt = $5",
            [because, exitCode?.ToString() ?? (object)DBNull.Value],
            unit,
            cancellation);

    public Task WaitAsync(Fence fence, string? waitingFor, TimeSpan next, bool setback, CancellationToken cancellation) =>
        Fenced(
            fence,
            """
            update osa.validation_runs r
            set waiting_for = $3, next_step_at = now() + $4, setbacks = setbacks + $5::int, setback_since = case when $5::int > 0 then coalesce(setback_since, now()) else setback_since end
            from fence where r.id = fence.id
            """,
            [waitingFor ?? (object)DBNull.Value, next, setback ? 1 : 0],
            null,
            cancellation);

    /// <summary>Whether the run is still this activation's: asked before a container is started, because a silo may have slept.</summary>
    /// <exception cref="FenceLostException"/>
    public Task CheckAsync(Fence fence, CancellationToken cancellation) =>
        database.Run(
            async c => await c.Command("select 1 from osa.validation_runs where id = $1 and epoch = $2 and status = 'running'", fence.Subject, fence.Epoch)
                .FirstOrDefault(_ => "mine", cancellation) ?? throw new FenceLostException(fence.Subject),
            cancellation);

    public Task HeartbeatAsync(Fence fence, CancellationToken cancellation) =>
        Fenced(fence, "update osa.validation_runs r set next_step_at = now() + $3 from fence where r.id = fence.id", [Fence.Lease], null, cancellation);

    /// <summary>Saves what an attempt gave, for all of its depositions; its container has no claim any more.</summary>
    /// <exception cref="FenceLostException"/>
    public Task SaveResultAsync(Fence fence, RunUnit unit, UnitResult result, IReadOnlyList<RunOutput> outputs, CancellationToken cancellation) =>
        FencedBatch(
            fence,
            batch =>
            {
                AppendResult(batch, fence, unit, result, outputs);
                // The next attempt's commit or the verdict's carries it to the disk; if the machine fails before, the hook runs again.
                batch.And("select set_config('synchronous_commit', 'off', true)");
            },
            cancellation);

    /// <summary>Saves outcomes that no container gave: of depositions that are not tried any more.</summary>
    /// <exception cref="FenceLostException"/>
    public Task SaveOutputsAsync(Fence fence, IReadOnlyList<RunOutput> outputs, CancellationToken cancellation) =>
        FencedBatch(
            fence,
            batch =>
            {
                batch.And("select 1 from osa.validation_runs where id = $1 and epoch = $2 and status = 'running' for update", fence.Subject, fence.Epoch);
                AppendOutputs(batch, fence, outputs);
            },
            cancellation);

    private static void AppendResult(NpgsqlBatch batch, Fence fence, RunUnit unit, UnitResult result, IReadOnlyList<RunOutput> outputs)
    {
        batch.And(
            """
            with fence as (update osa.validation_runs set next_step_at = now() + $13, setbacks = 0, setback_since = null where id = $1 and epoch = $2 and status = 'running' returning id)
            update osa.run_units u
            set state = 'done', container_id = $6, digest = $7, exit_code = $8::bigint, duration_ms = $9, peak_memory = $10::bigint, log = $11, finished_at = now(),
                cpu_ms = $14::bigint, broken_because = $15, out_of_memory = $16
            from fence where u.run_id = fence.id and hook_ordinal = $3 and unit = $4 and attempt = $5 and hook = $12
            returning 1
            """,
            fence.Subject, fence.Epoch, unit.HookOrdinal, unit.Unit, unit.Attempt, result.ContainerId, result.Digest, result.ExitCode?.ToString(),
            (long)result.Duration.TotalMilliseconds, result.PeakMemory?.ToString(), result.Log, unit.Hook, Fence.Lease,
            result.Cpu is { } cpu ? ((long)cpu.TotalMilliseconds).ToString() : null, result.BrokenBecause, result.OutOfMemory);
        AppendOutputs(batch, fence, outputs);
    }

    // Fenced too: a successor's output under the same key would answer with a conflict instead of the lost fence.
    private static void AppendOutputs(NpgsqlBatch batch, Fence fence, IReadOnlyList<RunOutput> outputs)
    {
        if (outputs.Count == 0)
        {
            return;
        }

        batch.And(
            """
            insert into osa.run_outputs (run_id, deposition_id, hook_ordinal, hook, unit, attempt, status, reason, progress, blob_id, byte_offset, byte_length, rows, sha256)
            select $1, o.deposition_id, o.hook_ordinal, o.hook, o.unit, o.attempt, o.status, o.reason, o.progress::jsonb, nullif(o.blob_id, '')::uuid, o.byte_offset, o.byte_length, o.rows, o.sha256
            from osa.validation_runs r,
              unnest($3::uuid[], $4::int[], $5::text[], $6::int[], $7::int[], $8::text[], $9::text[], $10::text[], $11::text[], $12::bigint[], $13::bigint[], $14::bigint[], $15::text[])
                as o(deposition_id, hook_ordinal, hook, unit, attempt, status, reason, progress, blob_id, byte_offset, byte_length, rows, sha256)
            where r.id = $1 and r.epoch = $2 and r.status = 'running'
            """,
            fence.Subject, fence.Epoch,
            outputs.Select(o => o.DepositionId).ToArray(), outputs.Select(o => o.HookOrdinal).ToArray(), outputs.Select(o => o.Hook).ToArray(), outputs.Select(o => o.Unit).ToArray(),
            outputs.Select(o => o.Attempt).ToArray(), outputs.Select(o => o.Status).ToArray(), outputs.Select(o => o.Reason).ToArray(), outputs.Select(o => o.ProgressJson).ToArray(),
            outputs.Select(o => o.BlobId?.ToString() ?? "").ToArray(), outputs.Select(o => o.Offset).ToArray(), outputs.Select(o => o.Length).ToArray(), outputs.Select(o => o.Rows).ToArray(),
            outputs.Select(o => o.Sha256).ToArray());
    }

    internal static RunOutput ReadOutput(NpgsqlDataReader r) => new(
        r.GetGuid(0), r.GetInt32(1), r.GetString(2), r.GetInt32(3), r.GetInt32(4), r.GetString(5), r.TextOrNull(6), r.GetString(7), r.ValueOrNull<Guid>(8), r.GetInt64(9), r.GetInt64(10), r.GetInt64(11), r.TextOrNull(12));

    private static RunMember ReadMember(NpgsqlDataReader r) => new(r.GetInt32(0), r.GetGuid(1), r.GetGuid(2));

    // One transaction: a batch is. Its first statement gives a row where the fence holds (and the attempt is there, which nothing removes),
    // and no other changes anything where it does not.
    private Task<bool> FencedBatch(Fence fence, Action<NpgsqlBatch> append, CancellationToken cancellation) =>
        database.Run(
            async c =>
            {
                await using var batch = new NpgsqlBatch(c);
                append(batch);
                await using NpgsqlDataReader reader = await batch.ExecuteReaderAsync(cancellation);
                bool isMine = await reader.ReadAsync(cancellation);
                await reader.Finish();
                return isMine ? true : throw new FenceLostException(fence.Subject);
            },
            cancellation);

    private Task<int> Fenced(Fence fence, string statement, object[] parameters, RunUnit? unit, CancellationToken cancellation) =>
        database.Run(
            async c =>
            {
                object?[] all = unit is null
                    ? [fence.Subject, fence.Epoch, .. parameters]
                    : [fence.Subject, fence.Epoch, unit.HookOrdinal, unit.Unit, unit.Attempt, .. parameters];
                int changed = await c.Command(
                    "with fence as (select id from osa.validation_runs where id = $1 and epoch = $2 and status = 'running' for update) " + statement, all).Execute(cancellation);
                return changed > 0 ? changed : throw new FenceLostException(fence.Subject);
            },
            cancellation);
}
