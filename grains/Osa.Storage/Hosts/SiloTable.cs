namespace Osa.Storage.Hosts;

/// <summary>What a silo says of itself and of the container engine it reaches.</summary>
/// <param name="Silo">Orleans address, <c>ip:port@generation</c>.</param>
/// <param name="EngineId">The engine's own id, which two silos may share; null without the containers role or before it was reached.</param>
/// <param name="EngineState"><c>ready</c>, or why it offers no slots.</param>
public sealed record SiloRow(
    string Silo, string Name, string[] Roles, string? EngineId, string EngineState, string EngineVersion, string ApiVersion, string Kernel, string CgroupVersion, int Slots, long MemoryBytes, double Cpu,
    string RuncVersion, long DiskFreeBytes, long DiskTotalBytes)
{
    public const string Ready = "ready";

    public bool IsReady => EngineState == Ready;

    public bool RunsContainers => Roles.Contains("containers");
}

/// <summary>A silo of the cluster, with its state by membership and what its engine holds.</summary>
public sealed record LiveSilo(SiloRow Row, string Status, int SlotsUsed, long MemoryUsed);

/// <summary>What waits for the node, and what it keeps.</summary>
/// <param name="OldestWait">How long the oldest run that waits has been there.</param>
public sealed record NodeLoad(long Waiting, long Running, long InReview, TimeSpan OldestWait, long DatabaseBytes, long FileBytes);

/// <summary>The silos' own rows; liveness is membership's to tell.</summary>
public sealed class SiloTable(Database database)
{
    public Task HeartbeatAsync(SiloRow row, CancellationToken cancellation) =>
        database.Run(
            c => c.Command(
                """
                insert into osa.silos (silo, name, roles, engine_id, engine_state, engine_version, api_version, kernel, cgroup_version, slots, memory_bytes, cpu, runc_version, disk_free_bytes, disk_total_bytes)
                values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
                on conflict (silo) do update set heartbeat_at = now(), engine_id = excluded.engine_id, engine_state = excluded.engine_state, engine_version = excluded.engine_version,
                  api_version = excluded.api_version, kernel = excluded.kernel, cgroup_version = excluded.cgroup_version, slots = excluded.slots,
                  memory_bytes = excluded.memory_bytes, cpu = excluded.cpu, runc_version = excluded.runc_version, disk_free_bytes = excluded.disk_free_bytes,
                  disk_total_bytes = excluded.disk_total_bytes
                """,
                row.Silo, row.Name, row.Roles, row.EngineId, row.EngineState, row.EngineVersion, row.ApiVersion, row.Kernel, row.CgroupVersion, row.Slots, row.MemoryBytes, row.Cpu,
                row.RuncVersion, row.DiskFreeBytes, row.DiskTotalBytes)
                .Execute(cancellation),
            cancellation);

    /// <summary>The silos that membership calls active, and what is claimed on their engines.</summary>
    public Task<List<LiveSilo>> LiveAsync(string clusterId, CancellationToken cancellation) =>
        database.Run(
            c => c.Command(
                """
                select s.silo, s.name, s.roles, s.engine_id, s.engine_state, s.engine_version, s.api_version, s.kernel, s.cgroup_version, s.slots, s.memory_bytes, s.cpu, s.runc_version, s.disk_free_bytes, s.disk_total_bytes,
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
                        r.GetString(0), r.GetString(1), r.GetFieldValue<string[]>(2), r.TextOrNull(3), r.GetString(4), r.GetString(5), r.GetString(6), r.GetString(7), r.GetString(8), r.GetInt32(9), r.GetInt64(10), r.GetDouble(11),
                        r.GetString(12), r.GetInt64(13), r.GetInt64(14)),
                    "active", r.GetInt32(15), r.GetInt64(16)),
                cancellation),
            cancellation);

    /// <summary>What waits, and what is kept.</summary>
    public async Task<NodeLoad> LoadAsync(CancellationToken cancellation) =>
        (await database.Run(
            c => c.Command(
                """
                select count(*) filter (where status = 'pending' or waiting_for is not null and phase = 'hooks'), count(*) filter (where status = 'running' and phase = 'hooks' and waiting_for is null),
                       count(*) filter (where status = 'running' and phase = 'review'),
                       coalesce(extract(epoch from now() - min(created_at) filter (where status = 'pending' or waiting_for is not null and phase = 'hooks')), 0)::double precision,
                       pg_database_size(current_database()), (select coalesce(sum(size), 0)::bigint from osa.deposition_files)
                from osa.validation_runs where status in ('pending', 'running')
                """)
                .FirstOrDefault(r => new NodeLoad(r.GetInt64(0), r.GetInt64(1), r.GetInt64(2), TimeSpan.FromSeconds(r.GetDouble(3)), r.GetInt64(4), r.GetInt64(5)), cancellation),
            cancellation))!;
}
