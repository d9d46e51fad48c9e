using System.Text.Json.Nodes;
using Osa.Client.Depositions;
using Osa.Client.Features;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>What does not pass comes back, and may try again.</summary>
public sealed class RejectionTests(SharedNode shared)
{
    private Archive Archive => shared.Archive;

    [Fact]
    public async Task A_rejected_deposition_returns_to_draft_with_the_hooks_reason()
    {
        (DepositionHandle deposition, ValidationRun run) = await Archive.JudgeAsync(shared.Obedient, Documents.Reject("position 7: 'J' is no residue"));

        Assert.Equal(RunStatus.Rejected, run.Status);
        Assert.Equal($"rejected by {shared.ObedientHook}: position 7: 'J' is no residue", run.Summary);
        Assert.Equal((HookStatus.Rejected, "position 7: 'J' is no residue"), (run.Hooks[0].Status, run.Hooks[0].Reason));
        Assert.Equal("", run.RecordSrn);
        Deposition draft = await deposition.GetAsync();
        Assert.Equal(DepositionStatus.Draft, draft.Status);
        Assert.Equal([$"{shared.ObedientHook}: position 7: 'J' is no residue"], draft.Reasons);
        Assert.Equal("", draft.RecordSrn);
    }

    [Fact]
    public async Task A_rejection_by_its_older_name_and_one_without_words_count_too()
    {
        (_, ValidationRun older) = await Archive.JudgeAsync(shared.Obedient, Documents.Do("reject", ("reason", "said the older way")));
        (_, ValidationRun silent) = await Archive.JudgeAsync(shared.Obedient, Documents.Do("reject"));
        (_, ValidationRun nonZero) = await Archive.JudgeAsync(shared.Obedient, Documents.Do("reject", ("message", "wins over the exit code"), ("code", 3)));

        Assert.Equal((RunStatus.Rejected, "said the older way"), (older.Status, older.Hooks[0].Reason));
        Assert.Equal((RunStatus.Rejected, "The hook rejected the deposition and gave no reason."), (silent.Status, silent.Hooks[0].Reason));
        Assert.Equal((RunStatus.Rejected, "wins over the exit code", 3L), (nonZero.Status, nonZero.Hooks[0].Reason, nonZero.Hooks[0].ExitCode));
    }

    [Fact]
    public async Task A_resubmitted_deposition_passes_on_its_merits_and_sees_nothing_of_the_first_run()
    {
        string id = Documents.NewId("again");
        string table = Documents.NewTable("again");
        await Archive.RegisterAsync(Documents.Convention(id, "1.0.0", Documents.Hook(table, Surroundings.Columns)));
        DepositionHandle deposition = await Archive.DraftAsync(
            id, Documents.Steps(Documents.Emit("""[{"uid": "of the first run"}, {"uid": "and another"}]"""), Documents.Do("progress", ("count", 2)), Documents.Reject("not yet")));
        await Archive.UploadAsync(deposition, "first.txt", "first");
        await Archive.UploadAsync(deposition, "both.txt", "before");
        ValidationRun first = await Archive.VerdictAsync(await deposition.SubmitAsync());

        await deposition.SetMetadataAsync(Documents.Metadata(Documents.Do("echo"), "mended"));
        await deposition.DeleteFileAsync("first.txt");
        DepositionFile both = await Archive.UploadAsync(deposition, "both.txt", "after");
        ValidationRun second = await Archive.VerdictAsync(await deposition.SubmitAsync());

        Assert.Equal(RunStatus.Rejected, first.Status);
        Assert.True(second.Status == RunStatus.Passed, second.Summary);
        Assert.NotEqual(first.Srn, second.Srn);
        Assert.Empty(second.Hooks[0].Progress);
        var seen = new Surroundings(Assert.Single(await Archive.RowsAsync(table)));
        Assert.Equal(["both.txt"], seen.Files.Select(f => f.Key));
        Assert.Equal(both.Checksum, "sha256:" + (string?)seen.Files["both.txt"]);
        Assert.Equal("mended", (string?)JsonNode.Parse(seen.Document("record.json")!)!["metadata"]!["title"]);
        Assert.Equal(DepositionStatus.Accepted, (await deposition.GetAsync()).Status);
        Assert.Empty((await deposition.GetAsync()).Reasons);
    }

    [Fact]
    public async Task The_list_of_runs_shows_every_attempt_with_its_reason()
    {
        (DepositionHandle deposition, ValidationRun first) = await Archive.JudgeAsync(shared.Obedient, Documents.Reject("too short"));
        await deposition.SetMetadataAsync(Documents.Metadata(Documents.Do("exit", ("code", 4), ("log", "no such table"))));
        ValidationRun second = await Archive.VerdictAsync(await deposition.SubmitAsync());
        await deposition.SetMetadataAsync(Documents.Metadata(Documents.Rows(1)));
        ValidationRun third = await Archive.VerdictAsync(await deposition.SubmitAsync());

        IReadOnlyList<ValidationRun> runs = await Archive.Ada.Runs.ListAsync(deposition.Srn);

        Assert.Equal([third.Srn, second.Srn, first.Srn], runs.Select(r => r.Srn));
        Assert.Equal([RunStatus.Passed, RunStatus.Failed, RunStatus.Rejected], runs.Select(r => r.Status));
        Assert.Equal("too short", runs[2].Hooks[0].Reason);
        Expect.Says("no such table", runs[1].Hooks[0].Reason);
        Assert.Equal(third.RecordSrn, runs[0].RecordSrn);
        Assert.Equal("1", await Archive.ValueAsync("select count(*) from osa.records where deposition_id = $1", Archive.IdOf(deposition.Srn)));
    }

    [Theory]
    [InlineData("reject", HookStatus.Rejected)]
    [InlineData("exit", HookStatus.Failed)]
    public async Task Hooks_run_in_declared_order_and_none_after_the_one_that_does_not_pass(string behaviour, HookStatus status)
    {
        string id = Documents.NewId("order");
        // Declared against the order of their names.
        (string first, string second, string third) = (Documents.NewTable("c_first"), Documents.NewTable("b_second"), Documents.NewTable("a_third"));
        await Archive.RegisterAsync(Documents.Convention(
            id,
            "1.0.0",
            Documents.Hook(first, Documents.RowColumns, Documents.Rows(1)),
            Documents.Hook(second, Documents.RowColumns),
            Documents.Hook(third, Documents.RowColumns, Documents.Rows(1))));

        (DepositionHandle deposition, ValidationRun stopped) = await Archive.JudgeAsync(id, Documents.Do(behaviour, ("message", "no"), ("log", "no")));

        Assert.Equal([first, second, third], stopped.Hooks.Select(h => h.Hook));
        Assert.Equal([HookStatus.Passed, status, HookStatus.Skipped], stopped.Hooks.Select(h => h.Status));
        Assert.Equal((0, ""), (stopped.Hooks[2].Attempt, stopped.Hooks[2].Digest));
        Assert.Empty(await Archive.RowsAsync(first));

        await deposition.SetMetadataAsync(Documents.Metadata(Documents.Rows(2)));
        ValidationRun passed = await Archive.VerdictAsync(await deposition.SubmitAsync());

        Assert.Equal("passed: 3 hooks, 4 rows", passed.Summary);
        Assert.Equal([1L, 2L, 1L], passed.Hooks.Select(h => h.Rows));
        List<string?[]> units = await Archive.QueryAsync("select hook, claimed_at, finished_at from osa.run_units where run_id = $1 order by claimed_at", Archive.IdOf(passed.Srn));
        Assert.Equal([first, second, third], units.Select(u => u[0]));
        Assert.Single(await Archive.RowsAsync(first));
        Assert.All(await Expect.AllAsync(new[] { first, second, third }.Select(t => Archive.RowsAsync(t))), rows => Assert.All(rows, (TypedFeatureRow r) => Assert.Equal(passed.RecordSrn, r.RecordSrn)));
    }

    [Fact]
    public async Task A_later_hook_that_emits_nonsense_leaves_no_row_of_the_earlier_one()
    {
        string id = Documents.NewId("nothing");
        (string good, string bad) = (Documents.NewTable("good"), Documents.NewTable("bad"));
        await Archive.RegisterAsync(Documents.Convention(id, "1.0.0", Documents.Hook(good, Documents.RowColumns, Documents.Rows(50)), Documents.Hook(bad, Documents.RowColumns)));

        (_, ValidationRun run) = await Archive.JudgeAsync(id, Documents.Emit("""[{"position": "five"}]"""));

        Assert.Equal(RunStatus.Failed, run.Status);
        Expect.Says("features[0].position: expected integer, got string", run.Summary);
        Assert.Empty(await Archive.RowsAsync(good));
        Assert.Empty(await Archive.Admin.Records.ListAsync(id).ToListAsync());
    }
}
