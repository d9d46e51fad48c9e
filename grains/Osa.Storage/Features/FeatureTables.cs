using System.Text.Json;
using System.Text.Json.Serialization;
using Npgsql;
using NpgsqlTypes;
using Osa.Domain.Errors;
using Osa.Domain.Features;
using Osa.Domain.Hooks;

namespace Osa.Storage.Features;

/// <summary>The catalog of feature tables, and the changes to them.</summary>
public sealed class FeatureTables(NpgsqlDataSource dataSource)
{
    // Readers queue behind an ALTER that waits: it may wait this long and no longer.
    private const string AlterLockTimeout = "200ms";

    private static readonly JsonSerializerOptions ColumnJson = new(JsonSerializerDefaults.Web)
    {
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.CamelCase) },
    };

    /// <summary>Every feature table, by name.</summary>
    public async Task<IReadOnlyList<FeatureTable>> ListAsync(CancellationToken cancellationToken)
    {
        await using NpgsqlConnection connection = await dataSource.OpenConnectionAsync(cancellationToken);
        return await ReadAsync(connection, names: null, cancellationToken);
    }

    /// <summary>The table of that name, or null.</summary>
    public async Task<FeatureTable?> FindAsync(string name, CancellationToken cancellationToken)
    {
        await using NpgsqlConnection connection = await dataSource.OpenConnectionAsync(cancellationToken);
        return (await ReadAsync(connection, [name], cancellationToken)).SingleOrDefault();
    }

    /// <summary>What <see cref="ApplyAsync"/> would do as things stand; nothing is changed or locked.</summary>
    /// <exception cref="OsaException">As <see cref="FeatureTableEvolution.Plan"/>.</exception>
    public async Task<FeatureTableDdlPlan> PlanAsync(string conventionId, HookManifest manifest, CancellationToken cancellationToken)
    {
        await using NpgsqlConnection connection = await dataSource.OpenConnectionAsync(cancellationToken);
        return await PlanAsync(connection, conventionId, manifest, cancellationToken);
    }

    /// <summary>The entries of those names that exist, as the connection's transaction sees them.</summary>
    public static Task<IReadOnlyList<FeatureTable>> ReadAsync(
        NpgsqlConnection connection, IReadOnlyCollection<string> names, CancellationToken cancellationToken) =>
        ReadAsync(connection, [.. names], cancellationToken);

    /// <summary>
    /// Makes the tables what the manifests declare: catalog, CREATE and ALTER, all in the caller's (read committed) transaction, under advisory locks
    /// taken in name order. Every plan is made anew under its lock, so that nothing rests on what the caller knew before.
    /// </summary>
    /// <returns>The entries as they are now, in name order.</returns>
    /// <exception cref="OsaException">
    /// AlreadyExists and FailedPrecondition: as <see cref="FeatureTableEvolution.Plan"/>.
    /// Aborted: a lock was not to be had in time (200 ms for an existing table); roll back and try again.
    /// </exception>
    public static async Task<IReadOnlyList<FeatureTable>> ApplyAsync(
        NpgsqlTransaction transaction, string conventionId, IReadOnlyCollection<HookManifest> manifests, CancellationToken cancellationToken)
    {
        NpgsqlConnection connection = transaction.Connection ?? throw new InvalidOperationException("the transaction has ended");
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
        FeatureTableDdlPlan plan = await PlanAsync(connection, conventionId, manifest, cancellationToken);
        switch (plan.Change)
        {
            case FeatureTableChange.Create when await InsertAsync(connection, plan, cancellationToken) is { } catalogId:
                await ExecuteAsync(connection, FeatureTableDdl.Create(catalogId, plan.Name, plan.Columns), cancellationToken);
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
        string pgTable;
        await using (NpgsqlCommand update = Command(
            connection,
            """
            update osa.feature_tables
            set columns = $2, schema_version = $3, updated_at = now()
            where name = $1
            returning pg_table
            """,
            plan.Name, Json(plan.Columns), plan.SchemaVersion))
        {
            pgTable = (string)(await update.ExecuteScalarAsync(cancellationToken))!;
        }

        if (plan.AddedColumns.Count == 0)
            return;

        string before = await SetLockTimeoutAsync(connection, AlterLockTimeout, cancellationToken);
        await ExecuteAsync(connection, FeatureTableDdl.AddColumns(pgTable, plan.AddedColumns), cancellationToken);
        await SetLockTimeoutAsync(connection, before, cancellationToken);
    }

    private static async Task<long?> InsertAsync(NpgsqlConnection connection, FeatureTableDdlPlan plan, CancellationToken cancellationToken)
    {
        await using NpgsqlCommand insert = Command(
            connection,
            """
            insert into osa.feature_tables (name, convention_id, pg_table, cardinality, columns)
            values ($1, $2, $1, $3, $4)
            on conflict do nothing
            returning id
            """,
            plan.Name, plan.ConventionId, plan.Cardinality == FeatureCardinality.One ? "one" : "many", Json(plan.Columns));
        return (long?)await insert.ExecuteScalarAsync(cancellationToken);
    }

    private static async Task LockAsync(NpgsqlConnection connection, string name, CancellationToken cancellationToken)
    {
        await using NpgsqlCommand command = Command(connection, "select pg_advisory_xact_lock(hashtextextended('osa.feature_table:' || $1, 0))", name);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private static async Task<FeatureTableDdlPlan> PlanAsync(
        NpgsqlConnection connection, string conventionId, HookManifest manifest, CancellationToken cancellationToken)
    {
        FeatureTable? existing = (await ReadAsync(connection, [manifest.Name], cancellationToken)).SingleOrDefault();
        HashSet<string> taken = existing is null || existing.ConventionId == conventionId ? [] : await NamesAsync(connection, cancellationToken);
        return FeatureTableEvolution.Plan(existing, conventionId, manifest, taken.Contains);
    }

    private static async Task<HashSet<string>> NamesAsync(NpgsqlConnection connection, CancellationToken cancellationToken)
    {
        await using NpgsqlCommand command = Command(connection, "select array_agg(name) from osa.feature_tables");
        return await command.ExecuteScalarAsync(cancellationToken) is string[] names ? [.. names] : [];
    }

    private static async Task<IReadOnlyList<FeatureTable>> ReadAsync(NpgsqlConnection connection, string[]? names, CancellationToken cancellationToken)
    {
        await using NpgsqlCommand command = Command(
            connection,
            """
            select name, convention_id, pg_table, cardinality, columns::text, schema_version, created_at, updated_at
            from osa.feature_tables
            where $1 is null or name = any ($1)
            order by name collate "C"
            """,
            new NpgsqlParameter { Value = (object?)names ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Array | NpgsqlDbType.Text });
        var tables = new List<FeatureTable>();
        await using NpgsqlDataReader reader = await command.ExecuteReaderAsync(cancellationToken);
        while (await reader.ReadAsync(cancellationToken))
            tables.Add(Entry(reader));
        return tables;
    }

    private static FeatureTable Entry(NpgsqlDataReader reader) => new(
        reader.GetString(0),
        reader.GetString(1),
        reader.GetString(2),
        reader.GetString(3) == "one" ? FeatureCardinality.One : FeatureCardinality.Many,
        JsonSerializer.Deserialize<List<StoredColumn>>(reader.GetString(4), ColumnJson)!.ConvertAll(c => c.ToColumn()),
        reader.GetInt32(5),
        reader.GetFieldValue<DateTimeOffset>(6),
        reader.GetFieldValue<DateTimeOffset>(7));

    private static async Task<string> SetLockTimeoutAsync(NpgsqlConnection connection, string value, CancellationToken cancellationToken)
    {
        await using NpgsqlCommand command = Command(
            connection, "with before as materialized (select current_setting('lock_timeout') as value) select value, set_config('lock_timeout', $1, true) from before", value);
        return (string)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken cancellationToken)
    {
        await using NpgsqlCommand command = Command(connection, sql);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    private static NpgsqlParameter Json(IReadOnlyList<FeatureColumn> columns) => new()
    {
        Value = JsonSerializer.Serialize(columns.Select(StoredColumn.Of), ColumnJson),
        NpgsqlDbType = NpgsqlDbType.Jsonb,
    };

    private static NpgsqlCommand Command(NpgsqlConnection connection, string sql, params ReadOnlySpan<object> values)
    {
        var command = new NpgsqlCommand(sql, connection);
        foreach (object value in values)
            command.Parameters.Add(value as NpgsqlParameter ?? new NpgsqlParameter { Value = value });
        return command;
    }

    private sealed record StoredColumn(string Name, JsonType Type, string? Format, bool Required, bool Declared)
    {
        public static StoredColumn Of(FeatureColumn column) => new(column.Name, column.Type, column.Format, column.Required, column.Declared);

        public FeatureColumn ToColumn() => new(Name, Type, Format, Required, Declared);
    }
}
