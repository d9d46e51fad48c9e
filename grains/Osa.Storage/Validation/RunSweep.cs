namespace Osa.Storage.Validation;

/// <summary>A run whose next step is due, and the engine that may still hold its container.</summary>
public sealed record DueRun(Guid RunId, string? EngineId);

/// <summary>A claim: an attempt without a result, which keeps its container and directory alive.</summary>
/// <param name="HoldsSlot">Its container may run; false where only its directory is still needed.</param>
/// <param name="IsBulk">Its run has several depositions, or it is a source's.</param>
public sealed record Claim(string EngineId, string ContainerName, long MemoryBytes, double Cpu, bool HoldsSlot, string Convention, bool IsBulk);

/// <summary>What every silo looks for every few seconds, so that nothing depends on a message that was sent once.</summary>
public sealed class RunSweep(Database database)
{
    /// <summary>Runs that are not final and whose owner is dead, late, or was never there; oldest first.</summary>
    /// <param name="clusterId">Orleans' cluster id, for the membership that tells who lives.</param>
    public Task<List<DueRun>> DueAsync(string clusterId, int limit, CancellationToken cancellation) =>
        database.Run(
            c => c.Command(
                """
                select r.id, r.engine_id from osa.validation_runs r
                where r.status in ('pending', 'running')
                  and (r.next_step_at <= now()
                       or r.cancel_because is not null
                       or r.phase = 'review' and exists (select from osa.run_depositions m where m.run_id = r.id and m.status is null and m.review in ('approved', 'returned'))
                       or r.owner_silo is not null and not exists (
                            select from orleans.membership m
                            where m.cluster_id = $1 and m.status between 3 and 5 and m.address || ':' || m.port || '@' || m.generation = r.owner_silo))
                order by r.created_at limit $2
                """,
                clusterId, limit).ToList(r => new DueRun(r.GetGuid(0), r.TextOrNull(1)), cancellation),
            cancellation);

    /// <summary>The claims of all engines.</summary>
    public Task<List<Claim>> ClaimsAsync(CancellationToken cancellation) =>
        database.Run(
            c => c.Command("select engine_id, container_name, memory_bytes, cpu, holds_slot, convention_id, is_bulk from osa.claims")
                .ToList(r => new Claim(r.GetString(0), r.GetString(1), r.GetInt64(2), r.GetDouble(3), r.GetBoolean(4), r.GetString(5), r.GetBoolean(6)), cancellation),
            cancellation);

    /// <summary>
    /// Ends the database sessions of silos that membership calls dead: a client that fell silent in the middle of a COPY holds its
    /// locks, and no time-out ends it.
    /// </summary>
    /// <returns>How many sessions were ended.</returns>
    public Task<int> TerminateSessionsOfTheDeadAsync(string clusterId, CancellationToken cancellation) =>
        database.Run(
            async c => (await c.Command(
                """
                select pg_terminate_backend(a.pid) from pg_stat_activity a
                join orleans.membership m on m.cluster_id = $1 and m.status = 6 and a.application_name = 'osa/' || m.address || ':' || m.port || '@' || m.generation
                where a.datname = current_database()
                """,
                clusterId).ToList(r => r.GetBoolean(0), cancellation)).Count,
            cancellation);
}
