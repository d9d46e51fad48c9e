using System.Text.Json.Nodes;
using Osa.Testing;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>Sources that pull by themselves.</summary>
public sealed class SourceScheduleTests(SharedNode shared)
{
    private Archive Archive => shared.Archive;

    [Fact]
    public async Task A_source_pulls_when_its_minute_has_come()
    {
        string id = Documents.NewId("minutely");
        await RegisterAsync(Archive, id, "* * * * *", Pulls.Source(total: 3));
        Source source = await Archive.Admin.Sources.GetAsync(id);
        DateTime due = source.NextDue.ToDateTime();
        Assert.InRange(due - TimeProvider.System.GetUtcNow().UtcDateTime, TimeSpan.FromSeconds(-5), TimeSpan.FromSeconds(61));

        await Eventually.True(async () => (source = await Archive.Admin.Sources.GetAsync(id)).LastPull is not null, Archive.Patience, () => $"a pull by the schedule, but: {source}");
        await Archive.Admin.Sources.PauseAsync(id);
        Pull pull = await Archive.Admin.Sources.WaitAsync(source.LastPull.Id).WaitAsync(Archive.Patience);

        Assert.Equal(("schedule", PullStatus.Completed, 3), (pull.Cause, pull.Status, pull.Counts.Published));
        Assert.InRange(pull.CreatedAt.ToDateTime() - due, TimeSpan.Zero, TimeSpan.FromSeconds(45));
        Assert.Equal(pull.StartedAt, (await Archive.Admin.Sources.GetAsync(id)).Cursor);
    }

    [Fact]
    public async Task A_time_that_comes_during_a_pull_makes_no_second_one()
    {
        string id = Documents.NewId("during");
        await RegisterAsync(Archive, id, "0 0 1 1 *", Pulls.Source(total: 2, chunk: 1, seconds: 20));
        Pull pull = await Archive.Admin.Sources.RunAsync(id);

        await Archive.QueryAsync("update osa.sources set next_due = now() - interval '1 second' where convention_id = $1", id);
        await Eventually.True(
            async () => (await Archive.Admin.Sources.GetAsync(id)).NextDue.ToDateTime() > TimeProvider.System.GetUtcNow().UtcDateTime, Archive.Patience, "the time that came during the pull is not passed over");
        pull = await Archive.Admin.Sources.WaitAsync(pull.Id).WaitAsync(Archive.Patience);

        Assert.True(pull is { Status: PullStatus.Completed, Cause: "hand" }, pull.ToString());
        Assert.Equal([pull.Id], await Archive.Admin.Sources.ListPullsAsync(id).Select(p => p.Id).ToListAsync());
    }

    [Fact]
    public async Task The_first_pull_of_a_version_that_is_registered_during_a_pull_begins_at_its_end()
    {
        string id = Documents.NewId("owed");
        await Archive.RegisterAsync(Pulls.Convention(id, "1.0.0", Pulls.Source(total: 1, seconds: 200)));
        Pull open = await Archive.Admin.Sources.RunAsync(id);
        JsonObject next = Pulls.Source(total: 3);
        next["initial_run"] = new JsonObject { ["limit"] = 2 };
        await Archive.RegisterAsync(Pulls.Convention(id, "1.1.0", next));
        Assert.Equal(open.Id, (await Archive.Admin.Sources.GetAsync(id)).LastPull.Id);

        await Archive.Admin.Sources.CancelAsync(id);
        Source source = new();
        await Eventually.True(async () => (source = await Archive.Admin.Sources.GetAsync(id)).LastPull.Id != open.Id, Archive.Patience, () => $"a first pull, but: {source}");
        Pull first = await Archive.Admin.Sources.WaitAsync(source.LastPull.Id).WaitAsync(Archive.Patience);

        Assert.Equal(("initial", PullStatus.Completed, 2), (first.Cause, first.Status, first.Counts.Published));
        Assert.Equal([first.Id, open.Id], await Archive.Admin.Sources.ListPullsAsync(id).Select(p => p.Id).ToListAsync());
    }

    [Fact]
    public async Task What_a_node_could_not_pull_while_its_disk_was_full_or_it_was_down_it_makes_up_once()
    {
        using var data = new TempDirectory();
        string database = await PostgresServer.CreateDatabaseAsync();
        (string missed, string waiting) = (Documents.NewId("missed"), Documents.NewId("waiting"));
        Pull pull = new();
        await using (Archive full = await Archive.StartAsync(data.Path, database, engine: true, ("OSA_LIMITS__MinFreeDiskBytes", $"{1L << 60}")))
        {
            await RegisterAsync(full, missed, "0 * * * *", Pulls.Source(total: 2));
            await RegisterAsync(full, waiting, "0 0 1 1 *", Pulls.Source(total: 2));
            string begun = (await full.Admin.Sources.RunAsync(waiting)).Id;
            await Eventually.True(
                async () => (pull = await full.Admin.Sources.GetPullAsync(begun)).WaitingFor.Contains("free", StringComparison.Ordinal), Archive.Patience, () => $"a pull that waits for free disk, but: {pull}");
            await full.Node.TerminateAsync();
            await full.QueryAsync("update osa.sources set next_due = now() - interval '3 days' where convention_id = any ($1)", (object)new[] { missed, waiting });
        }

        await using Archive archive = await Archive.StartAsync(data.Path, database);
        foreach ((string id, string cause) in new[] { (missed, "schedule"), (waiting, "hand") })
        {
            Source source = new();
            await Eventually.True(async () => (source = await archive.Admin.Sources.GetAsync(id)).LastPull is { Settled: true }, Archive.Patience, () => $"a pull that has ended, but: {source}");
            Assert.True(source.LastPull is { Status: PullStatus.Completed, Counts.Published: 2 } && source.LastPull.Cause == cause, source.ToString());
            Assert.True(source.NextDue.ToDateTime() > TimeProvider.System.GetUtcNow().UtcDateTime, source.ToString());
            Assert.Single(await archive.Admin.Sources.ListPullsAsync(id).ToListAsync());
        }
    }

    private static async Task RegisterAsync(Archive archive, string id, string cron, JsonObject source)
    {
        source["schedule"] = new JsonObject { ["cron"] = cron };
        await archive.RegisterAsync(Pulls.Convention(id, "1.0.0", source));
    }
}
