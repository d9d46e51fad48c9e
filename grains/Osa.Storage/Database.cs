using Npgsql;
using Osa.Domain.Errors;

namespace Osa.Storage;

/// <summary>Connections of one silo to PostgreSQL, and the border where PostgreSQL's errors become ours.</summary>
public sealed class Database : IAsyncDisposable
{
    private readonly NpgsqlDataSource _short;
    private readonly NpgsqlDataSource _queries;
    private readonly NpgsqlDataSource _bulk;
    private readonly NpgsqlDataSource _together;
    private readonly StatementGroup _group;

    /// <param name="connectionString">An Npgsql connection string of a role that owns the database.</param>
    /// <param name="session">Name of the sessions, <c>osa/{silo}</c>: whoever takes over from a dead silo ends them by it.</param>
    public Database(string connectionString, string session)
    {
        Session = session;
        // Every session plans its statements anew: few busy ones cost PostgreSQL less than many.
        _short = Build(connectionString, session, maxPoolSize: Math.Max(16, 4 * Environment.ProcessorCount), statementTimeout: TimeSpan.FromSeconds(30));
        _together = Build(connectionString, session, maxPoolSize: StatementGroup.AtOnce, statementTimeout: TimeSpan.FromSeconds(30), lockTimeout: "50ms");
        _group = new StatementGroup(_together, _short, e => !IsOutage(e));
        _group.Start();
        // What people ask for may take long: they wait for each other, and the node's own statements for none of them.
        _queries = Build(connectionString, session, maxPoolSize: Math.Max(8, 2 * Environment.ProcessorCount), statementTimeout: TimeSpan.FromSeconds(30));
        // COPY and long reads have a cap of their own, and no statement timeout: a record may have millions of rows.
        _bulk = Build(connectionString, session, maxPoolSize: 8, statementTimeout: TimeSpan.Zero);
    }

    /// <summary>The <c>application_name</c> of every session of this silo.</summary>
    public string Session { get; }

    /// <summary>One statement, or several that need no transaction. A batch is one: PostgreSQL commits all of it or nothing.</summary>
    /// <exception cref="OsaException">Unavailable or Aborted, for everything that PostgreSQL can answer.</exception>
    public Task<T> Run<T>(Func<NpgsqlConnection, Task<T>> work, CancellationToken cancellation) => Run(_short, work, cancellation);

    /// <summary>A query that somebody wrote, on a pool of its own.</summary>
    /// <exception cref="OsaException">Unavailable or Aborted, for everything that PostgreSQL can answer.</exception>
    public Task<T> Query<T>(Func<NpgsqlConnection, Task<T>> work, CancellationToken cancellation) => Run(_queries, work, cancellation);

    /// <summary>The first row of one statement that needs no transaction, or null; at busy moments together with those of others (<see cref="StatementGroup"/>).</summary>
    /// <param name="parameters">Its <c>$1</c>, <c>$2</c>, ...</param>
    /// <exception cref="OsaException">Unavailable or Aborted, for everything that PostgreSQL can answer.</exception>
    public Task<T?> FirstOrDefault<T>(string text, Func<NpgsqlDataReader, T> read, CancellationToken cancellation, params object?[] parameters)
        where T : class =>
        Translated(() => _group.FirstOrDefault(text, parameters, read, cancellation));

    /// <summary>All of it or nothing. The commit is not cancelled by <paramref name="cancellation"/>: its outcome would be unknown.</summary>
    /// <exception cref="OsaException">As the work throws; Unavailable or Aborted for everything that PostgreSQL can answer.</exception>
    public Task<T> Transaction<T>(Func<NpgsqlConnection, Task<T>> work, CancellationToken cancellation) => Transaction(_short, work, cancellation);

    /// <summary>A transaction that copies rows in bulk, on a pool of its own.</summary>
    public Task<T> BulkTransaction<T>(Func<NpgsqlConnection, Task<T>> work, CancellationToken cancellation) => Transaction(_bulk, work, cancellation);

    /// <summary>Reads at one moment of the database, however long it takes, on the pool for bulk work.</summary>
    public Task<T> Snapshot<T>(Func<NpgsqlConnection, Task<T>> work, CancellationToken cancellation) => Run(
        _bulk,
        async connection =>
        {
            await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync(System.Data.IsolationLevel.RepeatableRead, cancellation);
            return await work(connection);
        },
        cancellation);

    public async ValueTask DisposeAsync()
    {
        _group.Stop();
        await _together.DisposeAsync();
        await _short.DisposeAsync();
        await _queries.DisposeAsync();
        await _bulk.DisposeAsync();
    }

    private static Task<T> Transaction<T>(NpgsqlDataSource source, Func<NpgsqlConnection, Task<T>> work, CancellationToken cancellation) =>
        Run(
            source,
            async connection =>
            {
                await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync(cancellation);
                T result = await work(connection);
                await transaction.CommitAsync(CancellationToken.None);
                return result;
            },
            cancellation);

    private static Task<T> Run<T>(NpgsqlDataSource source, Func<NpgsqlConnection, Task<T>> work, CancellationToken cancellation) => Translated(async () =>
    {
        await using NpgsqlConnection connection = await source.OpenConnectionAsync(cancellation);
        return await work(connection);
    });

    private static async Task<T> Translated<T>(Func<Task<T>> work)
    {
        try
        {
            return await work();
        }
        catch (PostgresException e) when (e.SqlState is PostgresErrorCodes.LockNotAvailable or PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure)
        {
            throw new OsaException(ErrorCode.Aborted, "Another change of this is being committed; try again", null, e);
        }
        catch (PostgresException e) when (IsOutage(e))
        {
            throw OsaException.Unavailable($"The database cannot take this now: {e.MessageText}", e);
        }
        catch (NpgsqlException e) when (e is not PostgresException)
        {
            throw OsaException.Unavailable($"The database is away: {e.Message}", e);
        }
        catch (TimeoutException e)
        {
            throw OsaException.Unavailable("The database did not answer in time", e);
        }
    }

    // Classes 08 connection, 53 resources (disk full, too many connections), 57 operator intervention, 58 system error; 25006 read-only.
    private static bool IsOutage(PostgresException e) =>
        e.SqlState.StartsWith("08", StringComparison.Ordinal)
        || e.SqlState.StartsWith("53", StringComparison.Ordinal)
        || e.SqlState.StartsWith("57", StringComparison.Ordinal)
        || e.SqlState.StartsWith("58", StringComparison.Ordinal)
        || e.SqlState == PostgresErrorCodes.ReadOnlySqlTransaction;

    private static NpgsqlDataSource Build(string connectionString, string session, int maxPoolSize, TimeSpan statementTimeout, string lockTimeout = "2s")
    {
        var builder = new NpgsqlConnectionStringBuilder(connectionString)
        {
            ApplicationName = session,
            MaxPoolSize = maxPoolSize,
            Timeout = 10,
            CommandTimeout = 0,
            KeepAlive = 30,
            // Nothing here changes a session: no settings, no session locks, no temporary tables.
            NoResetOnClose = true,
            MaxAutoPrepare = 200,
            AutoPrepareMinUsages = 2,
            Options = string.Join(
                ' ',
                $"-c lock_timeout={lockTimeout}",
                "-c idle_in_transaction_session_timeout=60s",
                $"-c statement_timeout={(long)statementTimeout.TotalMilliseconds}",
                "-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3",
                // What is written as a literal relies on it.
                "-c timezone=UTC -c standard_conforming_strings=on"),
        };
        return new NpgsqlDataSourceBuilder(builder.ConnectionString).Build();
    }
}
