using System.Diagnostics;
using System.Text.Json.Nodes;
using Grpc.Core;
using Osa.Client.Depositions;
using Osa.Client.Runs;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>Runs that people cancel, look into, drive again or only try.</summary>
public sealed class RunsInHandTests(SharedNode shared)
{
    // Says once that it runs, and goes on.
    private static readonly JsonObject Long = Documents.Steps(Documents.Do("exit", ("code", 0), ("log", "it has begun")), Documents.Do("progress", ("count", 1)), Documents.Sleep(120), Documents.Rows(3));

    private Archive Archive => shared.Archive;

    private Door Ada => new(Archive, "depositor", "ada");

    [Fact]
    public async Task A_cancelled_run_has_ended_when_its_container_is_gone_and_its_deposition_is_a_draft_again()
    {
        (DepositionHandle deposition, RunHandle run) = await Archive.SubmitAsync(shared.Obedient, (JsonObject)Long.DeepClone());
        await Archive.WaitUntilTheHookRunsAsync(run);
        Assert.Single(await Archive.ContainersOfAsync(run.Srn));
        var cancelled = Stopwatch.StartNew();

        ValidationRun wished = await Ada.Runs.CancelAsync(new CancelRunRequest { Srn = run.Srn, Reason = "wrong file" });
        ValidationRun ended = await Archive.VerdictAsync(run);

        Assert.Empty(await Archive.ContainersOfAsync(run.Srn));
        Assert.Equal("cancelled: wrong file", wished.CancelReason);
        Assert.Equal((RunStatus.Cancelled, HookStatus.Cancelled), (ended.Status, ended.Hooks[0].Status));
        Assert.True(cancelled.Elapsed < TimeSpan.FromSeconds(30), $"it took {cancelled.Elapsed}");
        Deposition draft = await deposition.GetAsync();
        Assert.Equal(DepositionStatus.Draft, draft.Status);
        Assert.Equal(["cancelled: wrong file"], draft.Reasons);
        string again = await Door.RefusedAsync(StatusCode.FailedPrecondition, () => Ada.Runs.CancelAsync(new CancelRunRequest { Srn = run.Srn }).ResponseAsync);
        Expect.Says("has ended (cancelled)", again);
        await deposition.SetMetadataAsync(Documents.Metadata(Documents.Rows(1)));
        Assert.Equal(RunStatus.Passed, (await Archive.VerdictAsync(await deposition.SubmitAsync())).Status);
        await Cleanup.IsDoneAsync(Archive, run.Srn);
    }

    [Fact]
    public async Task An_owner_takes_one_deposition_out_of_a_running_run_and_the_others_go_on()
    {
        string id = Documents.NewId("leave");
        string table = Documents.NewTable("leave");
        await Archive.RegisterAsync(Documents.Convention(id, "1.0.0", Documents.Hook(table, Documents.RowColumns)));
        DepositionHandle[] drafts = await Expect.AllAsync(
        [
            Archive.DraftAsync(id, Documents.Steps(Documents.Do("progress", ("count", 1)), Documents.Sleep(3), Documents.Rows(1))),
            Archive.DraftAsync(id, Documents.Steps(Documents.Sleep(3), Documents.Rows(1))), Archive.DraftAsync(id, Documents.Steps(Documents.Sleep(3), Documents.Rows(1))),
        ]);
        string run = (await Ada.Depositions.SubmitManyAsync(new SubmitDepositionsRequest { Srns = { drafts.Select(d => d.Srn) } })).RunSrn;

        Deposition draft = await Ada.Depositions.CancelAsync(new CancelDepositionRequest { Srn = drafts[0].Srn, Reason = "second thoughts" });
        Deposition withdrawn = await Ada.Depositions.WithdrawAsync(new WithdrawDepositionRequest { Srn = drafts[1].Srn });
        // Edited while the run that it was in still goes on: it is the owner's again at once.
        await drafts[0].SetMetadataAsync(Documents.Metadata(Documents.Reject("edited")));
        ValidationRun ended = await Archive.VerdictAsync(Archive.Ada.Runs.Handle(run));

        Assert.Equal((DepositionStatus.Draft, DepositionStatus.Withdrawn), (draft.Status, withdrawn.Status));
        Assert.Equal(["left_out", "left_out", "passed"], ended.Depositions.Select(d => d.Status));
        Assert.Equal(RunStatus.Passed, ended.Status);
        Assert.Single(await Archive.RowsAsync(table));
        Assert.Equal(DepositionStatus.Draft, (await drafts[0].GetAsync()).Status);
        Assert.Equal(DepositionStatus.Withdrawn, (await drafts[1].GetAsync()).Status);
    }

    [Fact]
    public async Task A_log_can_be_read_while_it_grows_and_when_it_has_ended()
    {
        (_, RunHandle run) = await Archive.SubmitAsync(shared.Obedient, Documents.Steps(
            Documents.Do("exit", ("code", 0), ("log", "it has begun")), Documents.Do("progress", ("count", 1)), Documents.Sleep(12), Documents.Do("exit", ("code", 0), ("log", "and ended"))));
        await Archive.WaitUntilTheHookRunsAsync(run);

        string now = await LogAsync(run, follow: false);
        string whole = await LogAsync(run, follow: true);
        await Archive.VerdictAsync(run);

        Assert.Equal("it has begun\n", now);
        Assert.Equal("it has begun\nand ended\n", whole);
        Assert.Equal(whole, await LogAsync(run, follow: false));
        var eve = new Door(Archive, "depositor", "eve");
        using AsyncServerStreamingCall<LogPart> hers = eve.Runs.Logs(new RunLogsRequest { Srn = run.Srn });
        await Door.RefusedAsync(StatusCode.NotFound, () => hers.ResponseStream.MoveNext(default));
    }

    [Fact]
    public async Task What_came_to_nothing_is_driven_again_by_one_call()
    {
        string id = Documents.NewId("redrive");
        string table = Documents.NewTable("redrive");
        await Archive.RegisterAsync(Documents.Convention(id, "1.0.0", Documents.Hook(table, Documents.RowColumns)));
        DepositionHandle[] drafts = await Expect.AllAsync(
            [Archive.DraftAsync(id, Documents.Rows(1)), Archive.DraftAsync(id, Documents.Do("exit", ("code", 3))), Archive.DraftAsync(id, Documents.Reject("no"))]);
        string run = (await Ada.Depositions.SubmitManyAsync(new SubmitDepositionsRequest { Srns = { drafts.Select(d => d.Srn) }, IdempotencyKey = Documents.NewId("key") })).RunSrn;
        ValidationRun first = await Archive.VerdictAsync(Archive.Ada.Runs.Handle(run));
        await drafts[1].SetMetadataAsync(Documents.Metadata(Documents.Rows(2)));

        RedriveRunResponse again = await Ada.Runs.RedriveAsync(new RedriveRunRequest { Srn = run });
        ValidationRun second = await Archive.VerdictAsync(Archive.Ada.Runs.Handle(again.RunSrn));

        Assert.Equal("1 passed, 1 rejected, 1 failed", first.Summary);
        Assert.Equal(2, again.Depositions);
        Assert.Equal(["passed", "rejected"], second.Depositions.Select(d => d.Status));
        Assert.Equal(3, (await Archive.RowsAsync(table)).Count);
        await new Door(Archive, "curator", "cleo").Runs.RedriveAsync(new RedriveRunRequest { Srn = again.RunSrn });
        string none = await Door.RefusedAsync(StatusCode.FailedPrecondition, () => Ada.Runs.RedriveAsync(new RedriveRunRequest { Srn = run }).ResponseAsync);
        Expect.Says("None of its depositions", none);
    }

    [Fact]
    public async Task A_hook_tried_out_judges_and_shows_its_rows_and_changes_nothing()
    {
        string id = Documents.NewId("try");
        string table = Documents.NewTable("try");
        await Archive.RegisterAsync(Documents.Convention(id, "1.0.0", Documents.Hook(table, Documents.RowColumns)));
        (DepositionHandle deposition, ValidationRun passed) = await Archive.JudgeAsync(id, Documents.Rows(2));
        long events = long.Parse((await Archive.ValueAsync("select count(*) from osa.events where subject = $1", deposition.Srn))!);
        var admin = new Door(Archive, "admin", "tom");

        ValidationRun trial = await admin.Runs.TryAsync(new TryHookRequest { DepositionSrn = deposition.Srn, Image = TestHooks.Support.StaticPrograms.TestHooksReference, Digest = Documents.HooksDigest });
        ValidationRun tried = await Archive.VerdictAsync(Archive.Admin.Runs.Handle(trial.Srn));
        FeatureRows rows = await admin.Runs.FeaturesAsync(new RunFeaturesRequest { Srn = trial.Srn, Hook = table });

        Assert.True(trial.Trial);
        Assert.True(tried.Status == RunStatus.Passed, tried.Summary);
        Assert.Equal((2, ""), (rows.Rows.Count, tried.RecordSrn));
        Assert.Equal(2, (await Archive.RowsAsync(table)).Count);
        Deposition unchanged = await deposition.GetAsync();
        Assert.Equal((DepositionStatus.Accepted, passed.Srn), (unchanged.Status, unchanged.RunSrn));
        Assert.Equal(events.ToString(), await Archive.ValueAsync("select count(*) from osa.events where subject = $1", deposition.Srn));
        await Door.RefusedAsync(
            StatusCode.PermissionDenied, () => Ada.Runs.TryAsync(new TryHookRequest { DepositionSrn = deposition.Srn, Image = TestHooks.Support.StaticPrograms.TestHooksReference }).ResponseAsync);
        string unknown = await Door.RefusedAsync(StatusCode.InvalidArgument, () => admin.Runs.TryAsync(new TryHookRequest { DepositionSrn = deposition.Srn, Hook = "other", Image = "x" }).ResponseAsync);
        Expect.Says(table, unknown);
    }

    [Fact]
    public async Task A_retired_convention_takes_no_new_depositions_and_tells_drafts()
    {
        string id = Documents.NewId("retired");
        await Archive.RegisterAsync(Documents.Convention(id, "1.0.0"));
        DepositionHandle draft = await Archive.DraftAsync(id);
        var admin = new Door(Archive, "admin", "tom");

        Convention retired = await admin.Conventions.RetireAsync(new RetireConventionRequest { Srn = id, Reason = "use version 2" });

        Assert.Equal("use version 2", retired.RetiredBecause);
        Assert.Equal(retired, await admin.Conventions.GetAsync(new GetConventionRequest { Srn = id }));
        string refusal = await Door.RefusedAsync(StatusCode.FailedPrecondition, () => Ada.Depositions.CreateAsync(new CreateDepositionRequest { Convention = id }).ResponseAsync);
        Expect.Says("use version 2", refusal);
        Expect.Says("use version 2", (await draft.GetAsync()).Notice);
        Assert.Equal(RunStatus.Passed, (await Archive.VerdictAsync(await draft.SubmitAsync())).Status);
        await Door.RefusedAsync(StatusCode.FailedPrecondition, () => admin.Conventions.RetireAsync(new RetireConventionRequest { Srn = id, Reason = "again" }).ResponseAsync);
        // Versions stand side by side: a newer one is open.
        await Archive.RegisterAsync(Documents.Convention(id, "2.0.0"));
        Assert.Equal("", (await (await Archive.DraftAsync(id)).GetAsync()).Notice);
    }

    [Fact]
    public async Task Everything_that_runs_for_a_convention_is_stopped_by_one_call()
    {
        string id = Documents.NewId("stopped");
        await Archive.RegisterAsync(Documents.Convention(id, "1.0.0", Documents.Hook(Documents.NewTable("stopped"), Documents.RowColumns, memory: "16m")));
        (DepositionHandle Deposition, RunHandle Run)[] runs = await Expect.AllAsync(Enumerable.Range(0, 12).Select(_ => Archive.SubmitAsync(id, (JsonObject)Long.DeepClone())));
        await Task.WhenAny(runs.Select(r => Archive.WaitUntilTheHookRunsAsync(r.Run))).Unwrap();

        StopRunsResponse stopped = await new Door(Archive, "admin", "tom").Conventions.StopRunsAsync(new StopRunsRequest { Srn = id, Reason = "the disk is full" });
        ValidationRun[] ended = await Expect.AllAsync(runs.Select(r => Archive.VerdictAsync(r.Run)));

        Assert.Equal(runs.Select(r => r.Run.Srn).Order(), stopped.RunSrns.Order());
        Assert.All(ended, r => Assert.Equal(RunStatus.Cancelled, r.Status));
        foreach ((DepositionHandle deposition, RunHandle run) in runs)
        {
            Assert.Equal(["stopped by the archive: the disk is full"], (await deposition.GetAsync()).Reasons);
            Assert.Empty(await Archive.ContainersOfAsync(run.Srn));
        }
    }

    [Fact]
    public async Task Many_are_submitted_together_or_not_at_all()
    {
        DepositionHandle[] drafts = await Expect.AllAsync(Enumerable.Range(0, 3).Select(_ => Archive.DraftAsync(shared.Obedient, Documents.Rows(1))));
        await drafts[1].SetMetadataAsync(new JsonObject { ["title"] = 5, ["unknown"] = "x" });
        var many = new SubmitDepositionsRequest { Srns = { drafts.Select(d => d.Srn) }, IdempotencyKey = Documents.NewId("key") };

        RpcException refusal = await Assert.ThrowsAsync<RpcException>(() => Ada.Depositions.SubmitManyAsync(many).ResponseAsync);

        Assert.Equal(StatusCode.InvalidArgument, refusal.StatusCode);
        Assert.Contains("depositions[1].metadata.title", refusal.GetRpcStatus()!.ToString(), StringComparison.Ordinal);
        Assert.Equal(DepositionStatus.Draft, (await drafts[0].GetAsync()).Status);
        await drafts[1].SetMetadataAsync(Documents.Metadata(Documents.Rows(1)));
        string run = (await Ada.Depositions.SubmitManyAsync(many)).RunSrn;
        Assert.Equal(run, (await Ada.Depositions.SubmitManyAsync(many)).RunSrn);
        Assert.Equal(RunStatus.Passed, (await Archive.VerdictAsync(Archive.Ada.Runs.Handle(run))).Status);
        Assert.Equal(run, (await Ada.Depositions.SubmitManyAsync(many)).RunSrn);
        await Door.RefusedAsync(StatusCode.InvalidArgument, () => Ada.Depositions.SubmitManyAsync(new SubmitDepositionsRequest()).ResponseAsync);
        string other = await Door.RefusedAsync(StatusCode.NotFound, () => new Door(Archive, "depositor", "eve").Depositions.SubmitManyAsync(new SubmitDepositionsRequest { Srns = { drafts[0].Srn } }).ResponseAsync);
        Expect.Says(drafts[0].Srn, other);
    }

    private async Task<string> LogAsync(RunHandle run, bool follow)
    {
        using AsyncServerStreamingCall<LogPart> call = Ada.Runs.Logs(new RunLogsRequest { Srn = run.Srn, Follow = follow }, deadline: (TimeProvider.System.GetUtcNow() + Archive.Patience).UtcDateTime);
        return string.Concat(await call.ResponseStream.ReadAllAsync().Select(p => p.Text).ToListAsync());
    }
}
