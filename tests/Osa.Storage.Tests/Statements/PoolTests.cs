using Npgsql;
using Osa.Testing;

namespace Osa.Storage.Tests.Statements;

/// <summary>What people ask for and what the node does wait for connections apart.</summary>
public sealed class PoolTests
{
    private const int Many = 200;

    [Fact]
    public async Task Slow_queries_do_not_delay_the_node_itself()
    {
        await using var database = new Database(await PostgresServer.CreateDatabaseAsync(), "osa/tests");
        using var asked = new CancellationTokenSource();
        Task<int>[] queries = [.. Enumerable.Range(0, Many).Select(_ => database.Query(c => ExecuteAsync(c, "select pg_sleep(600)", asked.Token), asked.Token))];
        await Eventually.True(
            async () => await database.FirstOrDefault("select 'yes' from pg_stat_activity where datname = current_database() and query = 'select pg_sleep(600)' having count(*) >= 8", r => r.GetString(0), CancellationToken.None) is not null,
            TimeSpan.FromSeconds(20),
            "the queries do not run");

        await database.Transaction(c => ExecuteAsync(c, "create table kept (id int)", CancellationToken.None), CancellationToken.None);

        Assert.DoesNotContain(queries, q => q.IsCompleted);
        await asked.CancelAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => Task.WhenAll(queries));
    }

    private static async Task<int> ExecuteAsync(NpgsqlConnection connection, string statement, CancellationToken cancellation)
    {
        await using var command = new NpgsqlCommand(statement, connection);
        return await command.ExecuteNonQueryAsync(cancellation);
    }
}
