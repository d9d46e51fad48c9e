using System.Text.Json;
using System.Text.Json.Serialization;
using Npgsql;
using Osa.Domain.Errors;
using Osa.Domain.Features;
using Osa.Domain.Hooks;

namespace Osa.Storage.Features;

/// <summary>The catalog of feature tables, and the changes to them.</summary>
public sealed class FeatureTables(Database database)
{
    // Readers queue behind an ALTER that waits: it may wait this long and no longer.
    private const string AlterLockTimeout = "200ms";

    private static readonly JsonSerializerOptions ColumnJson = new(JsonSerializerDefaults.Web)
    {
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    /// <summary>Every feature table, by name.</summary>
    public Task<IReadOnlyList<FeatureTable>> ListAsync(CancellationToken cancellationToken) =>
        database.Run(c => ReadAsync(c, names: null, cancellationToken), cancellationToken);

    /// <summary>The table of that name, or null.</summary>
    public Task<FeatureTable?> FindAsync(string name, CancellationToken cancellationToken) =>
        database.Run(async c => (await ReadAsync(c, [name], cancellationToken)).SingleOrDefault(), cancellationToken);

    /// <summary>What <see cref="ApplyAsync"/> would do as things stand; nothing is changed or locked.</summary>
    /// <exception cref="OsaException">As <see cref="FeatureTableEvolution.Plan"/>.</exception>
    public Task<FeatureTableDdlPlan> PlanAsync(string conventionId, HookManifest manifest, CancellationToken cancellationToken) =>
        database.Run(c => PlanOneAsync(c, conventionId, manifest, cancellationToken), cancellationToken);

    /// <summary>The entries of those names that exist, as the connection's transaction sees them.</summary>
    public static Task<IReadOnlyList<FeatureTable>> ReadAsync(
        NpgsqlConnection connection, IReadOnlyCollection<string> names, CancellationToken cancellationToken) =>
        ReadAsync(connection, [.. names], cancellationToken);

    /// <summary>
    /// Makes the tables what the manifests declare: catalog, CREATE and ALTER, all in the connection's (read committed) transaction, under advisory locks
    /// taken in name order. Every plan is made anew under its lock, so that nothing rests on what the caller knew before.
    /// </summary>
    /// <returns>The entries as they are now, in name order.</returns>
    /// <exception cref="OsaException">
    /// AlreadyExists and FailedPrecondition: as <see cref="FeatureTableEvolution.Plan"/>.
    /// Aborted: a lock was not to be had in time (200 ms for an existing table); roll back and try again.
    /// </exception>
    public static async Task<IReadOnlyList<FeatureTable>> ApplyAsync(
        NpgsqlConnection connection, string conventionId, IReadOnlyCollection<HookManifest> manifests, CancellationToken cancellationToken)
    {
        var inOrder = manifests.OrderBy(m => m.Name, StringComparer.Ordinal).ToList();
        string name = "";
        try
        {
            foreach (HookManifest manifest in inOrder)
            {
                name = manifest.Name;
                await LockAsync(connection, name, cancellationToken);
            }

            foreach (HookManifest manifest in inOrder)
            {
                name = manifest.Name;
                await ApplyOneAsync(connection, conventionId, manifest, cancellationToken);
            }
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected)
        {
            throw new OsaException(ErrorCode.Aborted, $"feature table '{name}' is in use; try again", null, e);
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.DuplicateTable)
        {
            throw new OsaException(ErrorCode.AlreadyExists, $"there is a PostgreSQL table features.\"{name}\" that the catalog does not know; choose another name", null, e);
        }

        return await ReadAsync(connection, [.. inOrder.Select(m => m.Name)], cancellationToken);
    }

    private static async Task ApplyOneAsync(NpgsqlConnection connection, string conventionId, HookManifest manifest, CancellationToken cancellationToken)
    {
        FeatureTableDdlPlan plan = await PlanOneAsync(connection, conventionId, manifest, cancellationToken);
        switch (plan.Change)
        {
            case FeatureTableChange.Create when await InsertAsync(connection, plan, cancellationToken) is { } catalogId:
                await connection.Command(FeatureTableDdl.Create(catalogId, plan.Name, plan.Columns)).Execute(cancellationToken);
                break;
            case FeatureTableChange.Create:
                // Somebody made it without asking for the lock; now it is there to be compared with.
                await ApplyOneAsync(connection, conventionId, manifest, cancellationToken);
                break;
            case FeatureTableChange.Extend:
                await ExtendAsync(connection, plan, cancellationToken);
                break;
            case FeatureTableChange.Keep:
            default:
                break;
        }
    }

    private static async Task ExtendAsync(NpgsqlConnection connection, FeatureTableDdlPlan plan, CancellationToken cancellationToken)
    {
        (long id, string pgTable) = (await connection.Command(
            """
            update osa.feature_tables
            set columns = $2::jsonb, schema_version = $3, updated_at = now()
            where name = $1
            returning id, pg_table
            """,
            plan.Name, Json(plan.Columns), plan.SchemaVersion).ToList(r => (r.GetInt64(0), r.GetString(1)), cancellationToken)).Single();
        if (plan.AddedColumns.Count == 0)
            return;

        string before = await SetLockTimeoutAsync(connection, AlterLockTimeout, cancellationToken);
        await connection.Command(FeatureTableDdl.AddColumns(pgTable, plan.AddedColumns)).Execute(cancellationToken);
        if (FeatureTableDdl.Indexes(id, pgTable, plan.AddedColumns, plan.Columns.Count - plan.AddedColumns.Count) is { Length: > 0 } indexes)
            await connection.Command(indexes).Execute(cancellationToken);
        await SetLockTimeoutAsync(connection, before, cancellationToken);
    }

    private static async Task<long?> InsertAsync(NpgsqlConnection connection, FeatureTableDdlPlan plan, CancellationToken cancellationToken)
    {
        List<long> ids = await connection.Command(
            """
            insert into osa.feature_tables (name, convention_id, pg_table, cardinality, columns)
            values ($1, $2, $1, $3, $4::jsonb)
            on conflict do nothing
            returning id
            """,
            plan.Name, plan.ConventionId, plan.Cardinality == FeatureCardinality.One ? "one" : "many", Json(plan.Columns))
            .ToList(r => r.GetInt64(0), cancellationToken);
        return ids.Count == 0 ? null : ids[0];
    }

    private static Task<int> LockAsync(NpgsqlConnection connection, string name, CancellationToken cancellationToken) =>
        connection.Command("select pg_advisory_xact_lock(hashtextextended('osa.feature_table:' || $1, 0))", name).Execute(cancellationToken);

    private static async Task<FeatureTableDdlPlan> PlanOneAsync(
        NpgsqlConnection connection, string conventionId, HookManifest manifest, CancellationToken cancellationToken)
    {
        FeatureTable? existing = (await ReadAsync(connection, [manifest.Name], cancellationToken)).SingleOrDefault();
        HashSet<string> taken = existing is null || existing.ConventionId == conventionId ? [] : await NamesAsync(connection, cancellationToken);
        return FeatureTableEvolution.Plan(existing, conventionId, manifest, taken.Contains);
    }

    private static async Task<HashSet<string>> NamesAsync(NpgsqlConnection connection, CancellationToken cancellationToken) =>
        [.. await connection.Command("select name from osa.feature_tables").ToList(r => r.GetString(0), cancellationToken)];

    private static async Task<IReadOnlyList<FeatureTable>> ReadAsync(NpgsqlConnection connection, string[]? names, CancellationToken cancellationToken) =>
        await connection.Command(
            """
            select name, convention_id, pg_table, cardinality, columns::text, schema_version, created_at, updated_at
            from osa.feature_tables
            where $1::text[] is null or name = any ($1::text[])
            order by name collate "C"
            """,
            [names]).ToList(Entry, cancellationToken);

    private static FeatureTable Entry(NpgsqlDataReader reader) => new(
        reader.GetString(0),
        reader.GetString(1),
        reader.GetString(2),
        reader.GetString(3) == "one" ? FeatureCardinality.One : FeatureCardinality.Many,
        JsonSerializer.Deserialize<List<StoredColumn>>(reader.GetString(4), ColumnJson)!.ConvertAll(c => c.ToColumn()),
        reader.GetInt32(5),
        reader.GetFieldValue<DateTimeOffset>(6),
        reader.GetFieldValue<DateTimeOffset>(7));

    private static async Task<string> SetLockTimeoutAsync(NpgsqlConnection connection, string value, CancellationToken cancellationToken) =>
        (await connection.Command(
            "with before as materialized (select current_setting('lock_timeout') as value) select value, set_config('lock_timeout', $1, true) from before", value)
            .ToList(r => r.GetString(0), cancellationToken)).Single();

    private static string Json(IReadOnlyList<FeatureColumn> columns) => JsonSerializer.Serialize(columns.Select(StoredColumn.Of), ColumnJson);

    private sealed record StoredColumn(string Name, JsonType Type, string? Format, bool Required, bool Declared)
    {
        public static StoredColumn Of(FeatureColumn column) => new(column.Name, column.Type, column.Format, column.Required, column.Declared);

        public FeatureColumn ToColumn() => new(Name, Type, Format, Required, Declared);
    }
}
