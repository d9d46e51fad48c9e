using Npgsql;
using Osa.Domain.Errors;
using Osa.Testing;

namespace Osa.Storage.Tests.Statements;

/// <summary>Statements of many callers that go together: each has its own answer, and none suffers from another.</summary>
// How long others wait is measured here.
[TestClass(DisableParallelization = true)]
public sealed class StatementGroupTests : IAsyncLifetime
{
    private const int Many = 300;
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(20);

    private NpgsqlDataSource _connections = null!;
    private Database _database = null!;

    public async ValueTask InitializeAsync()
    {
        string connectionString = await PostgresServer.CreateDatabaseAsync();
        _connections = NpgsqlDataSource.Create(connectionString);
        _database = new Database(connectionString, "osa/tests");
        await using NpgsqlCommand create = _connections.CreateCommand("create table kept (id int primary key, n int not null)");
        await create.ExecuteNonQueryAsync();
    }

    public async ValueTask DisposeAsync()
    {
        await _database.DisposeAsync();
        await _connections.DisposeAsync();
    }

    [Fact]
    public async Task Each_has_its_own_answer_and_what_it_wrote_is_there()
    {
        string?[] answers = await Task.WhenAll(Enumerable.Range(0, Many).Select(i => InsertAsync(i)));

        Assert.Equal(Enumerable.Range(0, Many).Select(i => $"{i}"), answers);
        Assert.Equal(Many, await CountAsync("select count(*) from kept"));
        // Else the tests here show nothing.
        Assert.InRange(await CountAsync("select count(distinct xmin::text) from kept"), 1, Many / 2);
    }

    [Fact]
    public async Task One_without_a_row_has_none()
    {
        string?[] answers = await Task.WhenAll(Enumerable.Range(0, Many).Select(i => _database.FirstOrDefault("select $1::text where $1 % 3 = 0", r => r.GetString(0), CancellationToken.None, i)));

        Assert.Equal(Enumerable.Range(0, Many).Select(i => i % 3 == 0 ? $"{i}" : null), answers);
    }

    [Fact]
    public async Task One_that_is_refused_is_refused_alone()
    {
        await InsertAsync(100);
        Task<string?>[] all = [.. Enumerable.Range(0, Many).Select(i => InsertAsync(i))];

        PostgresException refused = await Assert.ThrowsAsync<PostgresException>(() => all[100]);
        Assert.Equal(PostgresErrorCodes.UniqueViolation, refused.SqlState);
        await Task.WhenAll(all.Where((_, i) => i != 100));
        Assert.Equal(Many, await CountAsync("select count(*) from kept"));
    }

    [Fact]
    public async Task An_answer_that_cannot_be_read_is_nobody_elses()
    {
        Task<string?>[] all = [.. Enumerable.Range(0, Many).Select(i => _database.FirstOrDefault("select $1::int", r => i == 100 ? r.GetString(0) : $"{r.GetInt32(0)}", CancellationToken.None, i))];

        await Assert.ThrowsAsync<InvalidCastException>(() => all[100]);
        Assert.Equal(Enumerable.Range(0, Many).Where(i => i != 100).Select(i => $"{i}"), await Task.WhenAll(all.Where((_, i) => i != 100)));
    }

    [Fact]
    public async Task One_that_waits_for_a_lock_keeps_no_other_waiting()
    {
        await using NpgsqlConnection other = await _connections.OpenConnectionAsync();
        await using NpgsqlTransaction transaction = await TakeRowAsync(other);

        Task<string?> waiting = AddAsync();
        await Task.WhenAll(Enumerable.Range(1, Many).Select(i => InsertAsync(i))).WaitAsync(TimeSpan.FromSeconds(1.5));
        Assert.False(waiting.IsCompleted);

        await transaction.CommitAsync();
        Assert.Equal("2", await waiting.WaitAsync(Deadline));
    }

    [Fact]
    public async Task A_lock_that_is_held_for_too_long_is_said()
    {
        await using NpgsqlConnection other = await _connections.OpenConnectionAsync();
        await using NpgsqlTransaction transaction = await TakeRowAsync(other);

        OsaException refused = await Assert.ThrowsAsync<OsaException>(() => AddAsync().WaitAsync(Deadline));
        Assert.Equal(ErrorCode.Aborted, refused.Code);
    }

    [Fact]
    public async Task A_lost_connection_is_told_to_everybody_and_the_next_one_has_a_new_one()
    {
        await InsertAsync(0);
        Task<string?>[] all = [.. Enumerable.Range(1, 20).Select(i => _database.FirstOrDefault("select pg_sleep(60)::text, $1::int", r => r.GetString(0), CancellationToken.None, i))];
        Task ended = Task.WhenAll(all).WaitAsync(Deadline);
        while (!ended.IsCompleted)
        {
            await CountAsync("select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = current_database() and application_name = 'osa/tests' and wait_event = 'PgSleep'");
        }

        Assert.All(all, s => Assert.Equal(ErrorCode.Unavailable, Assert.IsType<OsaException>(s.Exception?.InnerException).Code));
        Assert.Equal("1", await InsertAsync(1));
    }

    [Fact]
    public async Task Nobody_who_has_given_up_is_waited_for()
    {
        using var gone = new CancellationTokenSource();
        Task<string?> given = _database.FirstOrDefault("select pg_sleep(60)::text", r => r.GetString(0), gone.Token);
        await gone.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => given.WaitAsync(Deadline));
    }

    /// <summary>A transaction that holds row 0, in which it has set 1.</summary>
    private async Task<NpgsqlTransaction> TakeRowAsync(NpgsqlConnection connection)
    {
        await InsertAsync(0);
        NpgsqlTransaction transaction = await connection.BeginTransactionAsync();
        await using var take = new NpgsqlCommand("update kept set n = 1 where id = 0", connection);
        await take.ExecuteNonQueryAsync();
        return transaction;
    }

    private Task<string?> AddAsync() =>
        _database.FirstOrDefault("update kept set n = n + 1 where id = 0 returning n::text", r => r.GetString(0), CancellationToken.None);

    private Task<string?> InsertAsync(int id) =>
        _database.FirstOrDefault("insert into kept (id, n) values ($1, 0) returning id::text", r => r.GetString(0), CancellationToken.None, id);

    private async Task<long> CountAsync(string sql)
    {
        await using NpgsqlCommand command = _connections.CreateCommand(sql);
        return (long)(await command.ExecuteScalarAsync())!;
    }
}
