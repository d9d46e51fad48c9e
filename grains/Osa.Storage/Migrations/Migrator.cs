using System.Reflection;
using DbUp;
using DbUp.Engine;
using DbUp.Engine.Output;
using Microsoft.Extensions.Logging;
using Npgsql;
using Osa.Domain.Errors;

namespace Osa.Storage.Migrations;

/// <summary>Brings a database to this release's tables. Safe when several silos start at once.</summary>
public static partial class Migrator
{
    // Any fixed number; "osa" and a 1 in ASCII.
    private const long LockKey = 0x6F736131;

    /// <summary>Runs the migrations that are still missing, one silo at a time.</summary>
    /// <exception cref="OsaException">Unavailable: the database is away, too old, or another silo did not finish within five minutes.</exception>
    public static async Task MigrateAsync(string connectionString, ILogger logger, TimeProvider time, CancellationToken cancellation)
    {
        string own = new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false, ApplicationName = "osa/migrations" }.ConnectionString;
        await using var connection = new NpgsqlConnection(own);
        try
        {
            await connection.OpenAsync(cancellation);
            if (connection.PostgreSqlVersion.Major < 15)
            {
                throw OsaException.Unavailable($"PostgreSQL {connection.PostgreSqlVersion} is too old: 15 or newer is needed");
            }

            await LockAsync(connection, time, cancellation);
            await using (var schemas = new NpgsqlCommand("create schema if not exists osa; create schema if not exists orleans; create schema if not exists features;", connection))
            {
                await schemas.ExecuteNonQueryAsync(cancellation);
            }

            UpgradeEngine engine = DeployChanges.To
                .PostgresqlDatabase(own)
                .JournalToPostgresqlTable("osa", "migrations")
                .WithScriptsEmbeddedInAssembly(Assembly.GetExecutingAssembly(), name => name.EndsWith(".sql", StringComparison.Ordinal))
                .WithTransactionPerScript()
                .WithVariablesDisabled()
                .LogTo(new UpgradeLog(logger))
                .Build();
            DatabaseUpgradeResult result = engine.PerformUpgrade();
            if (!result.Successful)
            {
                throw OsaException.Unavailable($"Migration {result.ErrorScript?.Name} failed: {result.Error.Message}", result.Error);
            }
        }
        catch (NpgsqlException e)
        {
            throw OsaException.Unavailable($"The database cannot be migrated: {e.Message}", e);
        }
    }

    // Try and poll: waiting inside a blocking lock would deadlock with "create index concurrently" of the holder.
    private static async Task LockAsync(NpgsqlConnection connection, TimeProvider time, CancellationToken cancellation)
    {
        for (int i = 0; i < 1_500; i++)
        {
            await using var tryLock = new NpgsqlCommand("select pg_try_advisory_lock($1)", connection) { Parameters = { new() { Value = LockKey } } };
            if (await tryLock.ExecuteScalarAsync(cancellation) is true)
            {
                return;
            }

            await Task.Delay(TimeSpan.FromMilliseconds(200), time, cancellation);
        }

        throw OsaException.Unavailable("Another silo has been migrating the database for five minutes");
    }

    private sealed partial class UpgradeLog(ILogger logger) : IUpgradeLog
    {
        public void LogTrace(string format, params object[] args) => Detail(logger, string.Format(format, args));

        public void LogDebug(string format, params object[] args) => Detail(logger, string.Format(format, args));

        public void LogInformation(string format, params object[] args) => Detail(logger, string.Format(format, args));

        public void LogWarning(string format, params object[] args) => Warning(logger, string.Format(format, args));

        public void LogError(string format, params object[] args) => Warning(logger, string.Format(format, args));

        public void LogError(Exception ex, string format, params object[] args) => Warning(logger, string.Format(format, args) + ": " + ex.Message);

        [LoggerMessage(2001, LogLevel.Debug, "Migration: {Text}")]
        private static partial void Detail(ILogger logger, string text);

        [LoggerMessage(2002, LogLevel.Warning, "Migration: {Text}")]
        private static partial void Warning(ILogger logger, string text);
    }
}
