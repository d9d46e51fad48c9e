using Npgsql;

namespace Osa.Testing;

/// <summary>
/// A throw-away PostgreSQL server. <see cref="SharedAsync"/> is one per test process, started when first asked for, without durability;
/// it and its data are gone when the process ends, even by <c>kill -9</c>.
/// </summary>
public sealed class PostgresServer : IAsyncDisposable
{
    private const string Prefix = "osa-test-postgres-";

    private readonly PostgresProcess _process;

    private PostgresServer(PostgresProcess process) => _process = process;

    /// <summary>The server's maintenance database.</summary>
    public string ConnectionString => _process.ConnectionString;

    public static Task<PostgresServer> SharedAsync() => Shared.Server;

    /// <summary>A fresh, empty database of the shared server.</summary>
    /// <returns>Its connection string.</returns>
    public static async Task<string> CreateDatabaseAsync() => await (await SharedAsync()).NewDatabaseAsync();

    /// <summary>A server of the caller's own.</summary>
    /// <param name="durable">With fsync, as a node has it.</param>
    public static async Task<PostgresServer> StartAsync(bool durable)
    {
        await DeleteLeftoversAsync();
        // Short, for the socket; the process that has the server makes it.
        string data = Path.Combine(Path.GetTempPath(), Prefix + Guid.NewGuid().ToString("N")[..12]);
        return new PostgresServer(await PostgresProcess.StartAsync(data, durable, deleteAfterwards: true, maxConnections: 500));
    }

    /// <summary>A fresh, empty database of this server.</summary>
    /// <returns>Its connection string.</returns>
    public async Task<string> NewDatabaseAsync()
    {
        string name = "test_" + Guid.NewGuid().ToString("N")[..16];
        await using var connection = new NpgsqlConnection(ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand($"create database \"{name}\" template template0", connection);
        await command.ExecuteNonQueryAsync();
        return new NpgsqlConnectionStringBuilder(ConnectionString) { Database = name }.ConnectionString;
    }

    public ValueTask DisposeAsync() => _process.DisposeAsync();

    /// <summary>Takes over, stops and deletes what was killed together with the process that had it.</summary>
    private static async Task DeleteLeftoversAsync()
    {
        // A younger one may be about to take its lock.
        DateTime limit = TimeProvider.System.GetUtcNow().UtcDateTime.AddMinutes(-10);
        foreach (string directory in Directory.GetDirectories(Path.GetTempPath(), Prefix + "*").Where(d => Directory.GetLastWriteTimeUtc(d) < limit))
        {
            try
            {
                await (await PostgresProcess.StartAsync(directory, durable: false, deleteAfterwards: true)).DisposeAsync();
            }
            catch (InvalidOperationException)
            {
                // Another test process has it, or another user.
            }
        }
    }

    /// <summary>Started by the first use, since a nested class is initialised on its own.</summary>
    private static class Shared
    {
        public static readonly Task<PostgresServer> Server = StartAsync(durable: false);
    }
}
