using System.Text.Json.Nodes;
using Grpc.Core;
using Osa.Client.Sources;
using Osa.Testing;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>Records that a convention's source pulls: what they become, how often, and what a second pull makes of them.</summary>
public sealed class SourceTests(SharedNode shared)
{
    private Archive Archive => shared.Archive;

    private SourcesClient Sources => Archive.Admin.Sources;

    [Fact]
    public async Task What_is_pulled_is_judged_and_published_and_pulled_again_it_is_passed_over()
    {
        (string id, string table) = (Documents.NewId("pulled"), Documents.NewTable("pulled"));
        JsonObject source = Pulls.Source(total: 25, chunk: 10, fileBytes: 300, behaviours: new JsonObject { ["r3"] = Documents.Reject("too short"), ["r7"] = Documents.Do("exit", ("code", 3)), ["r9"] = Documents.Rows(2) });
        source["initial_run"] = new JsonObject();
        source["schedule"] = new JsonObject { ["cron"] = "0 3 1 1 *" };
        await Archive.RegisterAsync(Pulls.Convention(id, "1.0.0", source, Documents.Hook(table, Documents.RowColumns, Documents.Do("as-metadata-says"), contract: "batch")));

        Pull pull = await FirstAsync(id);
        Assert.True(pull.Status == PullStatus.Completed, pull.ToString());
        Assert.Equal((25, 25, 0, 0, 3), (pull.Counts.Pulled, pull.Counts.Taken, pull.Counts.Unchanged, pull.Counts.Quarantined, pull.Chunk));
        Assert.Equal((23, 1, 1), (pull.Counts.Published, pull.Counts.Rejected, pull.Counts.Failed));
        List<Record> records = await Archive.Admin.Records.ListAsync(id).ToListAsync();
        Assert.Equal(23, records.Count);
        RecordFile file = Assert.Single((await Archive.Admin.Records.GetAsync(records[0].Srn)).Files);
        Assert.Equal(("data.txt", 300), (file.Name, file.Size));
        Assert.Equal(24, (await Archive.RowsAsync(table)).Count);
        Assert.Equal("23", await Archive.ValueAsync("select count(*) from osa.source_items where convention_id = $1 and published_sequence = 1", id));
        await Cleanup.IsDoneAsync(Archive, Pulls.Named(pull));
        Source state = await Sources.GetAsync(id);
        Assert.Equal(pull.StartedAt, state.Cursor);
        Assert.NotNull(state.NextDue);

        Pull again = await Sources.WaitAsync((await Sources.RunAsync(id)).Id).WaitAsync(Archive.Patience);
        Assert.Equal((25, 0, 25), (again.Counts.Pulled, again.Counts.Taken, again.Counts.Unchanged));
        Expect.Says($"since {pull.StartedAt.ToDateTime():yyyy-MM-dd}", (await Sources.ContainersAsync(again.Id))[0].Log);
        Assert.Equal(23, await Archive.Admin.Records.ListAsync(id).CountAsync());
    }

    [Fact]
    public async Task Changed_content_becomes_the_next_version_and_what_was_withdrawn_stays_away_until_a_curator_lets_it_in()
    {
        string id = Documents.NewId("changed");
        await Archive.RegisterAsync(Pulls.Convention(id, "1.0.0", Pulls.Source(total: 3, content: "a")));
        Pull first = await RunAsync(id);
        Assert.Equal(3, first.Counts.Published);
        string withdrawn = (await Archive.Admin.Records.ListAsync(id).ToListAsync()).Single(r => r.MetadataJson.Contains("r1 a", StringComparison.Ordinal)).Srn;
        await Archive.Admin.Curation.WithdrawRecordAsync(withdrawn, "wrong organism");

        await Archive.RegisterAsync(Pulls.Convention(id, "1.1.0", Pulls.Source(total: 3, content: "b")));
        Pull second = await RunAsync(id);

        Assert.Equal((2, 1, 2), (second.Counts.Taken, second.Counts.Blocked, second.Counts.Published));
        List<Record> current = await Archive.Admin.Records.ListAsync(id).ToListAsync();
        Assert.Equal(["@2", "@2"], current.Where(r => r.WithdrawnAt is null).Select(r => r.Srn[^2..]));
        Assert.All(current.Where(r => r.WithdrawnAt is null), r => Expect.Says(" b ", r.MetadataJson));

        await Sources.UnblockAsync(id, "r1");
        Pull third = await RunAsync(id);
        Assert.Equal((1, 2, 1), (third.Counts.Taken, third.Counts.Unchanged, third.Counts.Published));
        await Expect.RefusedAsync(StatusCode.FailedPrecondition, () => Sources.UnblockAsync(id, "r1"));
    }

    [Fact]
    public async Task What_was_ingested_last_stays_whatever_is_judged_first()
    {
        (string id, string table) = (Documents.NewId("aba"), Documents.NewTable("aba"));
        JsonObject Version(string version, string content, JsonObject? behaviour) => Pulls.Convention(
            id, version, Pulls.Source(total: 1, content: content, behaviours: behaviour is null ? null : new JsonObject { ["r0"] = behaviour }), Documents.Hook(table, Documents.RowColumns, Documents.Do("as-metadata-says"), contract: "batch"));
        await Archive.RegisterAsync(Version("1.0.0", "a", null));
        Assert.Equal(1, (await RunAsync(id)).Counts.Published);

        await Archive.RegisterAsync(Version("1.1.0", "b", Documents.Steps(Documents.Sleep(10), Documents.Rows(1))));
        string slow = (await Sources.RunAsync(id)).Id;
        string hook = await Eventually.Value(
            async () => await Archive.QueryAsync("select u.container_name from osa.run_units u join osa.validation_runs r on r.id = u.run_id where r.pull_id::text = $1", slow) is [[{ } name]]
                && (await Unprivileged.RunAsync("docker", "pause", name)).ExitCode == 0 ? name : null,
            Archive.Patience,
            () => "the hook that judges B does not run");
        await Eventually.True(async () => (await Sources.GetPullAsync(slow)).Status == PullStatus.Completed, Archive.Patience, "the pull of B does not end while B is judged");
        await Archive.RegisterAsync(Version("1.2.0", "a", null));
        Pull back = await RunAsync(id);
        Assert.Equal(1, back.Counts.Published);
        Assert.Equal(0, (await Unprivileged.RunAsync("docker", "unpause", hook)).ExitCode);
        Pull late = await Sources.WaitAsync(slow).WaitAsync(Archive.Patience);

        Assert.Equal((0, 1), (late.Counts.Published, late.Counts.Superseded));
        List<Record> records = await Archive.Admin.Records.ListAsync(id, allVersions: true).ToListAsync();
        Assert.Equal(2, records.Count);
        Expect.Says("r0 a", (await Archive.Admin.Records.ListAsync(id).SingleAsync()).MetadataJson);
    }

    [Fact]
    public async Task One_poisoned_record_of_a_batch_fails_alone()
    {
        (string id, string table) = (Documents.NewId("poison"), Documents.NewTable("poison"));
        await Archive.RegisterAsync(Pulls.Convention(
            id, "1.0.0", Pulls.Source(total: 500, behaviours: new JsonObject { ["r217"] = Documents.Do("exit", ("code", 139), ("log", "segmentation fault")) }), Documents.Hook(table, Documents.RowColumns, contract: "batch")));

        Pull pull = await RunAsync(id);

        Assert.Equal((499, 1), (pull.Counts.Published, pull.Counts.Failed));
        Assert.Equal("r217", await Archive.ValueAsync("select source_id from osa.depositions where convention_id = $1 and status = 'failed'", id));
        Expect.Says("segmentation fault", (await Archive.ValueAsync("select reasons[1] from osa.depositions where convention_id = $1 and status = 'failed'", id))!);
    }

    [Fact]
    public async Task A_source_pulls_once_at_a_time_and_can_be_paused_cancelled_and_begun_anew()
    {
        string id = Documents.NewId("onepull");
        JsonObject source = Pulls.Source(total: 4, chunk: 2, seconds: 240);
        source["schedule"] = new JsonObject { ["cron"] = "*/5 * * * *" };
        await Archive.RegisterAsync(Pulls.Convention(id, "1.0.0", source));

        Task<Pull>[] begun = [.. Enumerable.Range(0, 4).Select(_ => Sources.RunAsync(id))];
        await Task.WhenAll(begun.Select(b => b.ContinueWith(_ => { }, TaskScheduler.Default)));
        Pull one = await Assert.Single(begun, b => b.IsCompletedSuccessfully);
        Assert.All(begun.Where(b => b.IsFaulted), b => Expect.Says(one.Id, b.Exception!.InnerException!.Message));
        await Eventually.True(async () => (await Archive.ContainersOfAsync(Pulls.Named(one))).Length > 0, Archive.Patience, "no container runs");

        Source paused = await Sources.PauseAsync(id, "upstream asks for it");
        Assert.Equal((null, "upstream asks for it"), (paused.NextDue, paused.PausedBecause));
        await Expect.RefusedAsync(StatusCode.FailedPrecondition, () => Sources.ResetAsync(id));
        await Sources.CancelAsync(id, "not today");
        Pull cancelled = await Sources.WaitAsync(one.Id).WaitAsync(Archive.Patience);
        Assert.Equal((PullStatus.Cancelled, "cancelled: not today"), (cancelled.Status, cancelled.Summary));
        await Cleanup.IsDoneAsync(Archive, Pulls.Named(one));

        Assert.NotNull((await Sources.ResumeAsync(id)).NextDue);
        Assert.Null((await Sources.ResetAsync(id)).Cursor);
    }

    [Fact]
    public async Task A_limit_over_all_chunks_holds_and_the_next_pull_of_the_schedule_goes_on_behind_it()
    {
        string id = Documents.NewId("limited");
        await Archive.RegisterAsync(Pulls.Convention(id, "1.0.0", Pulls.Source(total: 10, chunk: 3)));
        Pull first = await RunAsync(id, limit: 5, moves: true);
        Assert.Equal((5, 5), (first.Counts.Pulled, first.Counts.Published));
        Assert.Null((await Sources.GetAsync(id)).Cursor);

        Pull second = await RunAsync(id, moves: true);

        Assert.Equal((5, 5, 0), (second.Counts.Pulled, second.Counts.Taken, second.Counts.Unchanged));
        Assert.Equal(first.StartedAt, (await Sources.GetAsync(id)).Cursor);
    }

    [Fact]
    public async Task Of_a_source_that_does_not_keep_to_its_limit_nothing_is_lost()
    {
        string id = Documents.NewId("greedy");
        JsonObject source = Pulls.Source(total: 6, chunk: 3);
        source["config"]!["source"]!["greedy"] = true;
        await Archive.RegisterAsync(Pulls.Convention(id, "1.0.0", source));
        Assert.Equal(2, (await RunAsync(id, limit: 2, moves: true)).Counts.Pulled);

        Pull second = await RunAsync(id, moves: true);

        Assert.Equal((6, 4, 2), (second.Counts.Pulled, second.Counts.Taken, second.Counts.Unchanged));
    }

    [Theory]
    [InlineData("every day", "cron")]
    [InlineData("0 0 30 2 *", "no time that ever comes")]
    [InlineData("* * * * * *", "five fields")]
    public async Task A_schedule_that_cannot_be_is_refused_at_registration(string cron, string said)
    {
        JsonObject source = Pulls.Source(total: 1);
        source["schedule"] = new JsonObject { ["cron"] = cron };
        string id = Documents.NewId("badcron");
        Expect.Says(said, (await Expect.RefusedAsync(StatusCode.InvalidArgument, () => Archive.RegisterAsync(Pulls.Convention(id, "1.0.0", source)))).ToString());
        await Expect.RefusedAsync(StatusCode.NotFound, () => Sources.GetAsync(id));
    }

    private async Task<Pull> FirstAsync(string convention) => await Sources.WaitAsync((await Sources.GetAsync(convention)).LastPull.Id).WaitAsync(Archive.Patience);

    private async Task<Pull> RunAsync(string convention, long? limit = null, bool moves = false)
    {
        Pull pull = await Sources.WaitAsync((await Sources.RunAsync(convention, limit: limit, movesCursor: moves)).Id).WaitAsync(Archive.Patience);
        Assert.True(pull.Status == PullStatus.Completed, pull.ToString());
        return pull;
    }
}
