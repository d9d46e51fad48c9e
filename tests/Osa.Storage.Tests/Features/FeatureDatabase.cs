using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Osa.Domain.Access;
using Osa.Domain.Conventions;
using Osa.Domain.Features;
using Osa.Domain.Hooks;
using Osa.Storage.Features;
using Osa.Storage.Migrations;
using Osa.Testing;

namespace Osa.Storage.Tests.Features;

[CollectionDefinition(nameof(FeatureDatabase))]
public sealed class FeatureDatabaseDefinition : ICollectionFixture<FeatureDatabase>;

/// <summary>A migrated database, and the short way from a features file to rows.</summary>
public sealed class FeatureDatabase : IAsyncLifetime
{
    private int names;

    public NpgsqlDataSource Connections { get; private set; } = null!;

    public Database Database { get; private set; } = null!;

    public FeatureTables Tables => new(Database);

    public FeatureRows Rows => new(Database);

    public async ValueTask InitializeAsync()
    {
        string connectionString = await PostgresServer.CreateDatabaseAsync();
        await Migrator.MigrateAsync(connectionString, NullLogger.Instance, TimeProvider.System, CancellationToken.None);
        Connections = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(connectionString) { MaxPoolSize = 220 });
        Database = new Database(connectionString, "osa/tests");
    }

    public async ValueTask DisposeAsync()
    {
        await Connections.DisposeAsync();
        await Database.DisposeAsync();
    }

    /// <summary>A feature table name that no other test has.</summary>
    public string NewName(string prefix = "t") => $"{prefix}_{Interlocked.Increment(ref names)}";

    public static HookManifest Manifest(string name, params ColumnDefinition[] columns) =>
        new(name, "R", HookContract.Record, FeatureCardinality.Many, columns);

    public static ColumnDefinition Column(string name, JsonType type, string? format = null, bool required = false) => new(name, type, format, required);

    public async Task<IReadOnlyList<FeatureTable>> Register(string conventionId, params HookManifest[] manifests)
    {
        await using NpgsqlConnection connection = await Connections.OpenConnectionAsync();
        await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync();
        IReadOnlyList<FeatureTable> tables = await FeatureTables.ApplyAsync(connection, conventionId, manifests, CancellationToken.None);
        await transaction.CommitAsync();
        return tables;
    }

    public static async Task<MemoryStream> Canonical(HookManifest manifest, string json)
    {
        var canonical = new MemoryStream();
        await FeatureFile.CheckAsync(new MemoryStream(Encoding.UTF8.GetBytes(json)), manifest, new NodeLimits(), canonical, CancellationToken.None);
        canonical.Position = 0;
        return canonical;
    }

    public async Task<long> Publish(FeatureTable table, params PublishedFeatures[] records)
    {
        await using NpgsqlConnection connection = await Connections.OpenConnectionAsync();
        await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync();
        long rows = await FeatureCopy.PublishAsync(connection, table, records, CancellationToken.None);
        await transaction.CommitAsync();
        return rows;
    }

    /// <summary>Registers, checks, publishes and reads back.</summary>
    public async Task<IReadOnlyList<FeatureRow>> RoundTrip(HookManifest manifest, string json)
    {
        FeatureTable table = (await Register("tests", manifest)).Single();
        await Publish(table, new PublishedFeatures("urn:osa:localhost:rec:abc@1", Guid.NewGuid(), await Canonical(manifest, json)));
        return (await Rows.PageAsync(new Caller(Guid.Empty, Role.Superadmin), table, null, FeatureRows.MaxPageSize, "", CancellationToken.None)).Rows;
    }

    public async Task<T> Scalar<T>(string sql)
    {
        await using NpgsqlCommand command = Connections.CreateCommand(sql);
        return (T)(await command.ExecuteScalarAsync())!;
    }
}
