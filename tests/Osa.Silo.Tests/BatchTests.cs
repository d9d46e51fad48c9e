using System.Text.Json.Nodes;
using Osa.Client.Depositions;
using Osa.Client.Runs;
using Osa.Testing;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>Runs of many, by hooks that take many at once.</summary>
public sealed class BatchTests(SharedNode shared)
{
    private Archive Archive => shared.Archive;

    private Door Ada => new(Archive, "depositor", "ada");

    [Fact]
    public async Task Of_a_thousand_depositions_each_gets_its_own_verdict_whatever_the_others_do_to_the_hook()
    {
        // In the short form a tenth of them, with fewer of each kind.
        bool isLong = TestLength.IsLong;
        (int all, int size, int rejected, int crashing, int hanging) = isLong ? (1_000, 100, 37, 5, 3) : (120, 40, 6, 2, 1);
        string id = Documents.NewId("thousand");
        string table = Documents.NewTable("thousand");
        await Archive.RegisterAsync(Documents.Convention(id, "1.0.0", Documents.Hook(table, Documents.RowColumns, timeoutSeconds: 5, contract: "batch")));
        int[] order = [.. Enumerable.Range(0, all)];
        new Random(20261126).Shuffle(order);
        var behaviours = new JsonObject[all];
        for (int i = 0; i < all; i++)
        {
            behaviours[order[i]] = i < rejected ? Documents.Reject($"no {i}")
                : i < rejected + crashing ? Documents.Do("exit", ("code", 3), ("log", $"crash {i}"))
                : i < rejected + crashing + hanging ? Documents.Do("hang")
                : Documents.Rows(2);
        }

        var drafts = new DepositionHandle[all];
        await Parallel.ForAsync(0, all, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (i, _) => drafts[i] = await Archive.DraftAsync(id, behaviours[i]));

        string[] runs = await Expect.AllAsync(drafts.Chunk(size).Select(async part => (await Ada.Depositions.SubmitManyAsync(new SubmitDepositionsRequest { Srns = { part.Select(d => d.Srn) } })).RunSrn));
        ValidationRun[] ended = await Expect.AllAsync(runs.Select(r => Archive.Ada.Runs.Handle(r).WaitAsync().WaitAsync(TimeSpan.FromMinutes(isLong ? 10 : 3))));

        Dictionary<string, DepositionVerdict> verdicts = ended.SelectMany(r => r.Depositions).ToDictionary(d => d.DepositionSrn);
        for (int i = 0; i < all; i++)
        {
            DepositionVerdict verdict = verdicts[drafts[i].Srn];
            string expected = (string?)behaviours[i]["do"] switch { "rows" => "passed", "reject" => "rejected", _ => "failed" };
            Assert.True(verdict.Status == expected, $"{behaviours[i].ToJsonString()}: {verdict}");
            Expect.Says((string?)behaviours[i]["do"] switch { "rows" => "", "reject" => (string)behaviours[i]["message"]!, "exit" => (string)behaviours[i]["log"]!, _ => "5 s" }, verdict.Reason);
        }

        int passed = all - rejected - crashing - hanging;
        Assert.Equal(2 * passed, int.Parse((await Archive.ValueAsync($"select count(*) from features.\"{table}\""))!));
        Assert.Equal($"{passed}", await Archive.ValueAsync("select count(*) from osa.records where convention_id = $1", id));
        Assert.Equal($"{passed}", await Archive.ValueAsync($"select count(distinct record_srn) from features.\"{table}\""));
        Assert.Equal($"{all - passed}", await Archive.ValueAsync("select count(*) from osa.depositions where convention_id = $1 and status = 'draft' and cardinality(reasons) = 1", id));
        // The curator sees what broke the containers, and how many there were: far fewer than one for each.
        ValidationRun whole = await Archive.Admin.Runs.Handle(runs[0]).GetAsync();
        Assert.InRange(whole.Containers.Count, 1, size);
    }

    [Fact]
    public async Task Hooks_of_either_contract_work_in_one_convention_and_who_fails_one_goes_to_no_later_one()
    {
        string id = Documents.NewId("mixed");
        (string one, string many) = (Documents.NewTable("one"), Documents.NewTable("many"));
        await Archive.RegisterAsync(Documents.Convention(
            id, "1.0.0", Documents.Hook(many, Documents.RowColumns, contract: "batch", batchSize: 2), Documents.Hook(one, Documents.RowColumns, Documents.Rows(1))));
        Assert.Equal(["batch", "record"], (await Archive.Admin.Conventions.GetAsync(id)).Hooks.Select(h => h.Contract));
        DepositionHandle[] drafts = await Expect.AllAsync(new[]
        {
            Documents.Rows(3), Documents.Reject("too short"), Documents.Do("error", ("message", "division by zero")), Documents.Do("twice"), Documents.Do("silent"),
            Documents.Emit("[null]"), Documents.Emit("[3]"), Documents.Emit("""[{"position": "five"}]"""), Documents.Do("files"),
        }.Select(b => Archive.DraftAsync(id, b)));
        await Archive.UploadAsync(drafts[^1], "a b.txt", "hello");

        ValidationRun run = await Archive.VerdictAsync(Archive.Ada.Runs.Handle((await Ada.Depositions.SubmitManyAsync(new SubmitDepositionsRequest { Srns = { drafts.Select(d => d.Srn) } })).RunSrn));

        Assert.Equal(["passed", "rejected", "failed", "failed", "failed", "passed", "passed", "failed", "passed"], run.Depositions.Select(d => d.Status));
        Assert.Equal("4 passed, 1 rejected, 4 failed", run.Summary);
        string[] reasons = [.. run.Depositions.Select(d => d.Reason)];
        Assert.Equal(($"{many}: too short", $"{many}: division by zero"), (reasons[1], reasons[2]));
        Expect.Says("more than one outcome", reasons[3]);
        Expect.Says("no outcome", reasons[4]);
        Expect.Says("features[0].position: expected integer, got string", reasons[7]);
        Assert.Equal((4, 4), ((await Archive.RowsAsync(many)).Count, (await Archive.RowsAsync(one)).Count));
        Assert.Equal("a b.txt=hello", (await Archive.RowsAsync(many, run.Depositions[8].RecordSrn))[0]["label"]);
    }

    [Fact]
    public async Task A_container_that_writes_about_somebody_else_is_not_believed_and_the_guilty_is_found()
    {
        string id = Documents.NewId("forged");
        string table = Documents.NewTable("forged");
        await Archive.RegisterAsync(Documents.Convention(id, "1.0.0", Documents.Hook(table, Documents.RowColumns, contract: "batch")));
        DepositionHandle[] drafts = await Expect.AllAsync(Enumerable.Range(0, 6).Select(i => Archive.DraftAsync(id, i == 3 ? Documents.Do("unknown") : Documents.Rows(1))));

        ValidationRun run = await Archive.VerdictAsync(Archive.Ada.Runs.Handle((await Ada.Depositions.SubmitManyAsync(new SubmitDepositionsRequest { Srns = { drafts.Select(d => d.Srn) } })).RunSrn));

        Assert.Equal(["passed", "passed", "passed", "failed", "passed", "passed"], run.Depositions.Select(d => d.Status));
        Expect.Says("somebody-else", run.Depositions[3].Reason);
        Assert.Equal(5, (await Archive.RowsAsync(table)).Count);
    }

    [Fact]
    public async Task A_batch_of_one_is_judged_like_a_record_and_may_answer_like_one()
    {
        string id = Documents.NewId("single");
        string table = Documents.NewTable("single");
        await Archive.RegisterAsync(Documents.Convention(id, "1.0.0", Documents.Hook(table, Documents.RowColumns, contract: "batch")));

        (_, ValidationRun passed) = await Archive.JudgeAsync(id, Documents.Rows(2));
        (_, ValidationRun legacy) = await Archive.JudgeAsync(id, Documents.Steps(Documents.Rows(3)));
        (_, ValidationRun rejected) = await Archive.JudgeAsync(id, Documents.Steps(Documents.Reject("the older way")));
        (_, ValidationRun memory) = await Archive.JudgeAsync(id, Documents.Do("oom"));

        Assert.True(passed.Status == RunStatus.Passed, passed.Summary);
        Assert.True(legacy.Status == RunStatus.Passed, legacy.Summary);
        Assert.Equal(5, (await Archive.RowsAsync(table)).Count);
        Assert.Equal((RunStatus.Rejected, "the older way"), (rejected.Status, rejected.Hooks[0].Reason));
        Assert.Equal(RunStatus.Failed, memory.Status);
        Expect.Says("memory", memory.Summary);
    }

    [Fact]
    public async Task Submissions_of_the_same_moment_share_a_container_where_the_convention_lets_them_and_see_only_their_own()
    {
        string id = Documents.NewId("share");
        string table = Documents.NewTable("share");
        JsonObject document = Documents.Convention(id, "1.0.0", Documents.Hook(table, Documents.RowColumns, contract: "batch"));
        document["share"] = true;
        await Archive.RegisterAsync(document);
        (string User, DepositionHandle Draft)[] drafts = await Expect.AllAsync(Enumerable.Range(0, 24).Select(async i =>
        {
            string user = i % 2 == 0 ? "ada" : "bob";
            return (user, await Archive.Node.Client("depositor", user).Depositions.CreateAsync(id, Documents.Metadata(i == 5 ? Documents.Reject("only this one") : Documents.Rows(1))));
        }));

        RunHandle[] runs = await Expect.AllAsync(drafts.Select(d => d.Draft.SubmitAsync()));
        ValidationRun[] verdicts = await Expect.AllAsync(drafts.Select(async (d, i) => await Archive.Node.Client("curator", "cleo").Runs.Handle(runs[i].Srn).WaitAsync().WaitAsync(Archive.Patience)));

        int containers = runs.Select(r => r.Srn).Distinct().Count();
        Assert.InRange(containers, 1, 12);
        Dictionary<string, string> outcomes = verdicts.SelectMany(v => v.Depositions).DistinctBy(d => d.DepositionSrn).ToDictionary(d => d.DepositionSrn, d => d.Status);
        Assert.All(drafts.Select((d, i) => (d.Draft.Srn, i)), x => Assert.Equal(x.i == 5 ? "rejected" : "passed", outcomes[x.Srn]));
        Assert.Equal(23, (await Archive.RowsAsync(table)).Count);
        string busiest = runs.GroupBy(r => r.Srn).MaxBy(g => g.Count())!.Key;
        // Not Ada, who has registered the convention and sees all of it.
        ValidationRun bobs = await Archive.Node.Client("depositor", "bob").Runs.Handle(busiest).GetAsync();
        Assert.All(bobs.Depositions, d => Assert.Contains(drafts, x => x.User == "bob" && x.Draft.Srn == d.DepositionSrn));
        Assert.Empty(bobs.Containers);
    }
}
