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
    private readonly string _data;

    private PostgresServer(PostgresProcess process, string data) => (_process, _data) = (process, data);

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
        return new PostgresServer(await PostgresProcess.StartAsync(data, durable, deleteAfterwards: true, maxConnections: 500), data);
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

    /// <summary>Ends the server at once, as a crash does, and waits until the next one has recovered and answers.</summary>
    public async Task RestartAsync()
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(ConnectionString) { Pooling = false }.ConnectionString);
        string pidFile = Path.Combine(_data, "postgres", "cluster", "postmaster.pid");
        string before = (await File.ReadAllLinesAsync(pidFile))[0];
        await Unprivileged.RunAsync("kill", "-QUIT", before);
        await Eventually.True(
            async () =>
            {
                try
                {
                    await connection.OpenAsync();
                    await connection.CloseAsync();
                    return (await File.ReadAllLinesAsync(pidFile))[0] != before;
                }
                catch (Exception e) when (e is NpgsqlException or IOException)
                {
                    return false;
                }
            },
            TimeSpan.FromSeconds(90),
            "PostgreSQL does not come back");
    }

    /// <summary>Refuses every change, as a server does that became a standby, or the opposite.</summary>
    public async Task SetReadOnlyAsync(bool readOnly)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder
        {
            // Its superuser, who is whoever started it.
            Host = Path.Combine(_data, "postgres", "run"),
            Username = "postgres",
            Database = "postgres",
            Options = "-c default_transaction_read_only=off",
            Pooling = false,
        }.ConnectionString);
        await connection.OpenAsync();
        foreach (string statement in (string[])[$"alter system set default_transaction_read_only = {(readOnly ? "on" : "off")}", "select pg_reload_conf()"])
        {
            await using var command = new NpgsqlCommand(statement, connection);
            await command.ExecuteNonQueryAsync();
        }
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
