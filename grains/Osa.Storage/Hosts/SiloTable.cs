namespace Osa.Storage.Hosts;

/// <summary>What a silo says of itself and of the container engine it reaches.</summary>
/// <param name="Silo">Orleans address, <c>ip:port@generation</c>.</param>
/// <param name="EngineId">The engine's own id, which two silos may share; null without the containers role or before it was reached.</param>
/// <param name="EngineState"><c>ready</c>, or why it offers no slots.</param>
public sealed record SiloRow(
    string Silo, string Name, string[] Roles, string? EngineId, string EngineState, string EngineVersion, string ApiVersion, string Kernel, string CgroupVersion, int Slots, long MemoryBytes, double Cpu)
{
    public const string Ready = "ready";

    public bool IsReady => EngineState == Ready;

    public bool RunsContainers => Roles.Contains("containers");
}

/// <summary>A silo of the cluster, with its state by membership and what its engine holds.</summary>
public sealed record LiveSilo(SiloRow Row, string Status, int SlotsUsed, long MemoryUsed);

/// <summary>The silos' own rows; liveness is membership's to tell.</summary>
public sealed class SiloTable(Database database)
{
    public Task HeartbeatAsync(SiloRow row, CancellationToken cancellation) =>
        database.Run(
            c => c.Command(
                """
                insert into osa.silos (silo, name, roles, engine_id, engine_state, engine_version, api_version, kernel, cgroup_version, slots, memory_bytes, cpu)
                values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
                on conflict (silo) do update set heartbeat_at = now(), engine_id = excluded.engine_id, engine_state = excluded.engine_state, engine_version = excluded.engine_version,
                  api_version = excluded.api_version, kernel = excluded.kernel, cgroup_version = excluded.cgroup_version, slots = excluded.slots,
                  memory_bytes = excluded.memory_bytes, cpu = excluded.cpu
                """,
                row.Silo, row.Name, row.Roles, row.EngineId, row.EngineState, row.EngineVersion, row.ApiVersion, row.Kernel, row.CgroupVersion, row.Slots, row.MemoryBytes, row.Cpu)
                .Execute(cancellation),
            cancellation);

    /// <summary>The silos that membership calls active, and what is claimed on their engines.</summary>
    public Task<List<LiveSilo>> LiveAsync(string clusterId, CancellationToken cancellation) =>
        database.Run(
            c => c.Command(
                """
                select s.silo, s.name, s.roles, s.engine_id, s.engine_state, s.engine_version, s.api_version, s.kernel, s.cgroup_version, s.slots, s.memory_bytes, s.cpu,
                       coalesce(u.slots, 0)::int, coalesce(u.memory, 0)::bigint
                from orleans.membership m
                join osa.silos s on s.silo = m.address || ':' || m.port || '@' || m.generation
                left join (select engine_id, count(*) as slots, sum(memory_bytes) as memory from osa.run_units where state = 'claimed' group by engine_id) u on u.engine_id = s.engine_id
                where m.cluster_id = $1 and m.status = 3
                order by s.silo
                """,
                clusterId).ToList(
                r => new LiveSilo(
                    new SiloRow(
                        r.GetString(0), r.GetString(1), r.GetFieldValue<string[]>(2), r.TextOrNull(3), r.GetString(4), r.GetString(5), r.GetString(6), r.GetString(7), r.GetString(8), r.GetInt32(9), r.GetInt64(10), r.GetDouble(11)),
                    "active", r.GetInt32(12), r.GetInt64(13)),
                cancellation),
            cancellation);

    public Task<(long Pending, long Running)> RunCountsAsync(CancellationToken cancellation) =>
        database.Run(
            async c => (await c.Command(
                "select count(*) filter (where status = 'pending'), count(*) filter (where status = 'running') from osa.validation_runs where status in ('pending', 'running')")
                .ToList(r => (r.GetInt64(0), r.GetInt64(1)), cancellation))[0],
            cancellation);
}
