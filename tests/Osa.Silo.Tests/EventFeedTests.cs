using System.Collections.Concurrent;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Osa.Domain.Access;
using Osa.Storage;
using Osa.Storage.Events;
using Osa.Storage.Migrations;
using Osa.Testing;

namespace Osa.Silo.Tests;

/// <summary>The feed: numbered after commit.</summary>
public sealed class EventFeedTests
{
    [Fact]
    public async Task A_paging_reader_misses_and_repeats_nothing_however_late_a_transaction_commits_and_no_writer_waits()
    {
        const int Writers = 8;
        const int EventsOfEach = 60;
        string connectionString = await NewFeedAsync();
        await using var database = new Database(connectionString, "osa/test");
        var feed = new EventLog(database);

        // Takes its place in the sequence first and commits last.
        await using var late = new NpgsqlConnection(connectionString);
        await late.OpenAsync();
        await using NpgsqlTransaction open = await late.BeginTransactionAsync();
        await InsertAsync(late, "late");

        using var done = new CancellationTokenSource();
        Task<List<FeedEvent>>[] readers = [.. Enumerable.Range(0, 3).Select(i => Task.Run(() => ReadAsync(feed, 7 + i, done.Token)))];
        var rolledBack = new ConcurrentBag<string>();
        Task[] writers = [.. Enumerable.Range(0, Writers).Select(w => Task.Run(async () =>
        {
            await using var connection = new NpgsqlConnection(connectionString);
            await connection.OpenAsync();
            for (int i = 0; i < EventsOfEach; i++)
            {
                await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync();
                await InsertAsync(connection, $"{w}:{i}");
                if (i % 10 == 9)
                {
                    // Leaves a hole in the sequence, but none in the feed.
                    rolledBack.Add($"{w}:{i}");
                    await transaction.RollbackAsync();
                }
                else
                {
                    await transaction.CommitAsync();
                }
            }
        }))];

        // All of them end while the first is still open.
        await Task.WhenAll(writers).WaitAsync(TimeSpan.FromSeconds(60));
        int committed = (Writers * EventsOfEach) - rolledBack.Count;
        await Eventually.True(async () => (await feed.ReadAsync(committed - 1, 10, CancellationToken.None)).Count == 1, TimeSpan.FromSeconds(30), "the committed events have no positions");
        await open.CommitAsync();
        await Eventually.True(async () => (await feed.ReadAsync(committed, 10, CancellationToken.None)).Count == 1, TimeSpan.FromSeconds(30), "the late event never came");
        await done.CancelAsync();

        foreach (List<FeedEvent> seen in await Task.WhenAll(readers))
        {
            Assert.Equal(Enumerable.Range(1, committed + 1).Select(p => (long)p), seen.Select(e => e.Position));
            Assert.Equal(committed + 1, seen.Select(e => e.Subject).Distinct().Count());
            Assert.Equal("late", seen[^1].Subject);
            Assert.DoesNotContain(seen, e => rolledBack.Contains(e.Subject));
            for (int w = 0; w < Writers; w++)
            {
                int[] order = [.. seen.Where(e => e.Subject.StartsWith($"{w}:", StringComparison.Ordinal)).Select(e => int.Parse(e.Subject.Split(':')[1]))];
                Assert.Equal(order.Order(), order);
            }
        }
    }

    [Fact]
    public async Task Many_that_number_at_once_give_each_event_one_position()
    {
        string connectionString = await NewFeedAsync();
        await using var database = new Database(connectionString, "osa/test");
        var feed = new EventLog(database);
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync();
        for (int i = 0; i < 200; i++)
        {
            await InsertAsync(connection, $"{i}");
        }

        int[] numbered = await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => feed.NumberAsync(CancellationToken.None)));

        Assert.Equal(200, numbered.Sum());
        Assert.Equal(Enumerable.Range(0, 200).Select(i => $"{i}"), (await feed.ReadAsync(0, 1000, CancellationToken.None)).Select(e => e.Subject));
    }

    [Fact]
    public async Task Whoever_looks_for_what_is_rare_gets_on_page_by_page_and_finds_it()
    {
        string connectionString = await NewFeedAsync();
        await using var database = new Database(connectionString, "osa/test");
        var feed = new EventLog(database);
        await using var connection = new NpgsqlConnection(connectionString);
        await connection.OpenAsync();
        await using var others = new NpgsqlCommand(
            $"insert into osa.events (position, type, subject, audience, payload) select i, 'Test', 'other', 'public', '{{}}' from generate_series(1, {EventLog.LongestLook + 10}) i", connection);
        await others.ExecuteNonQueryAsync();
        await InsertAsync(connection, "rare");
        var rare = new EventView(Caller.Anonymous, new HashSet<string>(), "rare");

        FeedPage first = await feed.PageAsync(rare, 0, 10, CancellationToken.None);
        FeedPage second = await feed.PageAsync(rare, first.Position, 10, CancellationToken.None);

        Assert.Empty(first.Events);
        Assert.True(first.More);
        Assert.Equal(EventLog.LongestLook, first.Position);
        Assert.Equal(EventLog.LongestLook + 11, Assert.Single(second.Events).Position);
        Assert.False(second.More);
        Assert.Equal(second.Head, second.Position);
    }

    private static async Task<string> NewFeedAsync()
    {
        string connectionString = await PostgresServer.CreateDatabaseAsync();
        await Migrator.MigrateAsync(connectionString, NullLogger.Instance, TimeProvider.System, CancellationToken.None);
        return connectionString;
    }

    // Reads to the end again and again, page by page, remembering only its position.
    private static async Task<List<FeedEvent>> ReadAsync(EventLog feed, int page, CancellationToken done)
    {
        var seen = new List<FeedEvent>();
        while (true)
        {
            bool last = done.IsCancellationRequested;
            IReadOnlyList<FeedEvent> next = await feed.ReadAsync(seen.Count == 0 ? 0 : seen[^1].Position, page, CancellationToken.None);
            seen.AddRange(next);
            if (last && next.Count == 0)
            {
                return seen;
            }
        }
    }

    private static async Task InsertAsync(NpgsqlConnection connection, string subject)
    {
        await using var command = new NpgsqlCommand("insert into osa.events (type, subject, audience, payload) values ('Test', $1, 'public', '{}')", connection);
        command.Parameters.Add(new NpgsqlParameter { Value = subject });
        await command.ExecuteNonQueryAsync();
    }
}
