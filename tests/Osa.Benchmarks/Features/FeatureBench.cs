using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Osa.Domain.Conventions;
using Osa.Domain.Features;
using Osa.Domain.Hooks;
using Osa.Storage;
using Osa.Storage.Features;
using Osa.Storage.Migrations;
using Osa.Testing;

namespace Osa.Benchmarks.Features;

/// <summary>A migrated server with a scratch directory, and the whole way of a features file into committed rows.</summary>
internal sealed class FeatureBench : IAsyncDisposable
{
    public const string RecordSrn = "urn:osa:localhost:rec:7f0c0c52-4e52-4d0a-9a3d-1f6d6f3a2b11@1";

    private readonly PostgresServer server;
    private readonly string connectionString;
    private readonly TempDirectory scratch = new();

    private FeatureBench(PostgresServer server, string connectionString)
    {
        this.server = server;
        this.connectionString = connectionString;
        Database = new Database(connectionString, "osa/benchmark");
    }

    public Database Database { get; }

    public static async Task<FeatureBench> StartAsync()
    {
        PostgresServer own = await PostgresServer.StartAsync(durable: true);
        string database = await own.NewDatabaseAsync();
        await Migrator.MigrateAsync(database, NullLogger.Instance, TimeProvider.System, CancellationToken.None);
        return new FeatureBench(own, database);
    }

    public string File(string name) => scratch[name];

    public async Task<FeatureTable> CreateAsync(string name) =>
        (await Database.Transaction(c => FeatureTables.ApplyAsync(c, "benchmark", [FeatureSample.Manifest(name)], CancellationToken.None), CancellationToken.None))[0];

    public Task<long> ClearAsync(FeatureTable table) => Database.Run(
        async c =>
        {
            await using var command = new NpgsqlCommand($"truncate features.\"{table.PgTable}\" restart identity", c);
            return (long)await command.ExecuteNonQueryAsync();
        },
        CancellationToken.None);

    public Task<long> CountAsync(FeatureTable table) => Database.Run(
        async c =>
        {
            await using var command = new NpgsqlCommand($"select count(*) from features.\"{table.PgTable}\"", c);
            return (long)(await command.ExecuteScalarAsync())!;
        },
        CancellationToken.None);

    /// <summary>Check, canonical file, COPY, commit.</summary>
    public async Task<(TimeSpan Check, TimeSpan Copy)> PublishAsync(FeatureTable table, HookManifest manifest, string json)
    {
        long started = Stopwatch.GetTimestamp();
        string canonical = File("canonical");
        await using (FileStream input = System.IO.File.OpenRead(json))
        await using (FileStream output = System.IO.File.Create(canonical))
            await FeatureFile.CheckAsync(input, manifest, new NodeLimits(), output, CancellationToken.None);
        TimeSpan check = Stopwatch.GetElapsedTime(started);

        started = Stopwatch.GetTimestamp();
        await Database.BulkTransaction(
            c => FeatureCopy.PublishAsync(
                c, table, [new PublishedFeatures(RecordSrn, Guid.NewGuid(), System.IO.File.OpenRead(canonical))], CancellationToken.None),
            CancellationToken.None);
        return (check, Stopwatch.GetElapsedTime(started));
    }

    /// <summary>psql's \copy of a file into the same columns.</summary>
    public async Task<TimeSpan> PsqlAsync(FeatureTable table, string path, string format)
    {
        string copy = $"\\copy features.\"{table.PgTable}\" (record_srn, run_id, label, position, mass, unique_hit, measured_at, composition) from '{path}' with (format {format})";
        var at = new NpgsqlConnectionStringBuilder(connectionString);
        var start = new ProcessStartInfo("psql", ["-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", at.Host!, "-p", $"{at.Port}", "-U", at.Username!, "-d", at.Database!, "-c", copy]);
        start.Environment["PGPASSWORD"] = at.Password;
        long started = Stopwatch.GetTimestamp();
        using Process psql = Process.Start(start)!;
        await psql.WaitForExitAsync();
        TimeSpan elapsed = Stopwatch.GetElapsedTime(started);
        return psql.ExitCode == 0 ? elapsed : throw new InvalidOperationException("psql failed");
    }

    public async ValueTask DisposeAsync()
    {
        await Database.DisposeAsync();
        await server.DisposeAsync();
        scratch.Dispose();
    }
}
