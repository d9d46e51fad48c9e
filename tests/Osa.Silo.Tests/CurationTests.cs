using System.Text.Json.Nodes;
using Grpc.Core;
using Osa.Client.Depositions;
using Osa.Client.Runs;
using Osa.Testing;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>What a curator decides before it is published.</summary>
public sealed class CurationTests(SharedNode shared)
{
    private Archive Archive => shared.Archive;

    [Fact]
    public async Task What_passed_waits_for_a_curator_who_sees_the_rows_that_would_be_published_and_approves()
    {
        (string id, string table) = await CuratedAsync();
        var cleo = new Door(Archive, "curator", "cleo");
        (DepositionHandle first, ValidationRun waiting) = await Archive.JudgeAsync(id, Documents.Rows(3));
        (DepositionHandle second, _) = await Archive.JudgeAsync(id, Documents.Rows(1));

        Assert.Equal((RunStatus.Running, true, "waiting"), (waiting.Status, waiting.InReview, Assert.Single(waiting.Depositions).Review));
        Assert.Equal(DepositionStatus.InReview, (await first.GetAsync()).Status);
        Assert.Empty(await Archive.RowsAsync(table));
        CurationQueue queue = await cleo.Curation.QueueAsync(new CurationQueueRequest { Convention = id, PageSize = 1 });
        CurationQueue rest = await cleo.Curation.QueueAsync(new CurationQueueRequest { Convention = id, PageSize = 1, Cursor = queue.NextCursor });
        Assert.Equal([first.Srn, second.Srn], queue.Waiting.Concat(rest.Waiting).Select(w => w.DepositionSrn));
        Assert.Equal("", rest.NextCursor);
        FeatureRows rows = await cleo.Runs.FeaturesAsync(new RunFeaturesRequest { Srn = waiting.Srn, Hook = table, PageSize = 2 });
        FeatureRows more = await cleo.Runs.FeaturesAsync(new RunFeaturesRequest { Srn = waiting.Srn, Hook = table, PageSize = 2, Cursor = rows.NextCursor });
        List<FeatureRow> shown = [.. rows.Rows, .. more.Rows];
        Assert.Equal((3, ""), (shown.Count, more.NextCursor));

        ReviewDecision decision = await cleo.Curation.ApproveAsync(new ApproveRequest { DepositionSrns = { first.Srn } });

        Assert.Equal([waiting.Srn], decision.RunSrns);
        Deposition accepted = await SettledAsync(first, DepositionStatus.Accepted);
        FeatureRows published = await cleo.Features.RowsAsync(new FeatureRowsRequest { Table = table, RecordSrn = accepted.RecordSrn });
        // PostgreSQL spells JSON in its own way.
        Assert.Equal(shown.Select(r => r.Values.SkipLast(1)), published.Rows.Select(r => r.Values.SkipLast(1)));
        Assert.All(shown.Zip(published.Rows), pair => Assert.True(JsonNode.DeepEquals(JsonNode.Parse(pair.First.Values[^1].Json), JsonNode.Parse(pair.Second.Values[^1].Json))));
        Assert.Equal(RunStatus.Passed, (await Archive.VerdictAsync(Archive.Ada.Runs.Handle(waiting.Srn))).Status);
        Assert.Equal(DepositionStatus.InReview, (await second.GetAsync()).Status);
        string late = await Door.RefusedAsync(StatusCode.FailedPrecondition, () => cleo.Curation.ReturnAsync(new ReturnRequest { DepositionSrn = first.Srn, Reason = "too late" }).ResponseAsync);
        Expect.Says("was approved by curator", late);
        Expect.Says(accepted.RecordSrn, late);
    }

    [Fact]
    public async Task Returning_one_deposition_of_a_run_takes_only_its_own_rows_along()
    {
        (string id, string table) = await CuratedAsync();
        var cleo = new Door(Archive, "curator", "cleo");
        var ada = new Door(Archive, "depositor", "ada");
        List<DepositionHandle> drafts = [.. await Expect.AllAsync(Enumerable.Range(0, 3).Select(i => Archive.DraftAsync(id, Documents.Rows(i + 1))))];
        string run = (await ada.Depositions.SubmitManyAsync(new SubmitDepositionsRequest { Srns = { drafts.Select(d => d.Srn) } })).RunSrn;
        await Eventually.True(
            async () => (await cleo.Curation.QueueAsync(new CurationQueueRequest { Convention = id })).Waiting.Count == 3, Archive.Patience, "three that wait for a curator");

        await cleo.Curation.ReturnAsync(new ReturnRequest { DepositionSrn = drafts[1].Srn, Reason = "the title says nothing" });
        Deposition returned = await SettledAsync(drafts[1], DepositionStatus.Draft);
        await cleo.Curation.ApproveAsync(new ApproveRequest { DepositionSrns = { drafts[0].Srn, drafts[2].Srn } });
        Deposition[] accepted = await Expect.AllAsync(new[] { drafts[0], drafts[2] }.Select(d => SettledAsync(d, DepositionStatus.Accepted)));

        Assert.Equal(["the title says nothing"], returned.Reasons);
        Assert.Equal(4, (await Archive.RowsAsync(table)).Count);
        int[] counts = await Expect.AllAsync(accepted.Select(async a => (await Archive.RowsAsync(table, a.RecordSrn)).Count));
        Assert.Equal([1, 3], counts);
        ValidationRun ended = await Archive.VerdictAsync(Archive.Ada.Runs.Handle(run));
        Assert.Equal((RunStatus.Passed, "2 passed, 1 returned"), (ended.Status, ended.Summary));
        Assert.Equal(["passed", "returned", "passed"], ended.Depositions.Select(d => d.Status));

        // Mended and submitted again it passes on its merits.
        RunHandle again = await drafts[1].SubmitAsync();
        await Archive.VerdictAsync(again);
        await cleo.Curation.ApproveAsync(new ApproveRequest { DepositionSrns = { drafts[1].Srn } });
        await SettledAsync(drafts[1], DepositionStatus.Accepted);
        Assert.Equal(6, (await Archive.RowsAsync(table)).Count);
    }

    [Fact]
    public async Task Of_two_curators_at_once_one_wins_and_the_other_is_told()
    {
        (string id, string table) = await CuratedAsync();
        (DepositionHandle deposition, _) = await Archive.JudgeAsync(id, Documents.Rows(2));
        Door[] curators = [.. Enumerable.Range(0, 6).Select(i => new Door(Archive, "curator", $"curator-{i}"))];

        RpcException?[] refusals = await Expect.AllAsync(curators.Select(async (curator, i) =>
        {
            try
            {
                await (i % 2 == 0
                    ? curator.Curation.ApproveAsync(new ApproveRequest { DepositionSrns = { deposition.Srn } })
                    : curator.Curation.ReturnAsync(new ReturnRequest { DepositionSrn = deposition.Srn, Reason = "no" }));
                return null;
            }
            catch (RpcException refusal)
            {
                return refusal;
            }
        }));

        Assert.Single(refusals, r => r is null);
        Assert.All(refusals.OfType<RpcException>(), r => Assert.True(r.StatusCode is StatusCode.FailedPrecondition, r.ToString()));
        bool approved = Array.FindIndex(refusals, r => r is null) % 2 == 0;
        await SettledAsync(deposition, approved ? DepositionStatus.Accepted : DepositionStatus.Draft);
        Assert.Equal(approved ? 2 : 0, (await Archive.RowsAsync(table)).Count);
        Assert.Contains(refusals.OfType<RpcException>(), r => r.Status.Detail.Contains(approved ? "was approved by curator" : "returned by curator", StringComparison.Ordinal)
            || r.Status.Detail.Contains("does not wait for a curator", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_is_in_review_can_be_withdrawn_and_is_never_published()
    {
        (string id, string table) = await CuratedAsync();
        (DepositionHandle deposition, ValidationRun run) = await Archive.JudgeAsync(id, Documents.Rows(2));
        var ada = new Door(Archive, "depositor", "ada");

        Deposition withdrawn = await ada.Depositions.WithdrawAsync(new WithdrawDepositionRequest { Srn = deposition.Srn, Reason = "a mistake" });

        Assert.Equal(DepositionStatus.Withdrawn, withdrawn.Status);
        var cleo = new Door(Archive, "curator", "cleo");
        string refusal = await Door.RefusedAsync(StatusCode.FailedPrecondition, () => cleo.Curation.ApproveAsync(new ApproveRequest { DepositionSrns = { deposition.Srn } }).ResponseAsync);
        Expect.Says("is withdrawn", refusal);
        ValidationRun ended = await Archive.VerdictAsync(Archive.Ada.Runs.Handle(run.Srn));
        Assert.Equal(RunStatus.Cancelled, ended.Status);
        Assert.Empty(await Archive.RowsAsync(table));
        Assert.Empty((await cleo.Curation.QueueAsync(new CurationQueueRequest { Convention = id })).Waiting);
        await Door.RefusedAsync(StatusCode.FailedPrecondition, () => ada.Depositions.SubmitAsync(new SubmitDepositionRequest { Srn = deposition.Srn }).ResponseAsync);
    }

    [Fact]
    public async Task Only_curators_curate()
    {
        (string id, _) = await CuratedAsync();
        (DepositionHandle deposition, _) = await Archive.JudgeAsync(id, Documents.Rows(1));
        var ada = new Door(Archive, "depositor", "ada");

        await Door.RefusedAsync(StatusCode.PermissionDenied, () => ada.Curation.ApproveAsync(new ApproveRequest { DepositionSrns = { deposition.Srn } }).ResponseAsync);
        await Door.RefusedAsync(StatusCode.PermissionDenied, () => ada.Curation.QueueAsync(new CurationQueueRequest()).ResponseAsync);
        string empty = await Door.RefusedAsync(
            StatusCode.InvalidArgument, () => new Door(Archive, "curator", "cleo").Curation.ReturnAsync(new ReturnRequest { DepositionSrn = deposition.Srn }).ResponseAsync);
        Expect.Says("reason", empty);
    }

    private async Task<(string Id, string Table)> CuratedAsync()
    {
        (string id, string table) = (Documents.NewId("curated"), Documents.NewTable("curated"));
        JsonObject document = Documents.Convention(id, "1.0.0", Documents.Hook(table, Documents.RowColumns));
        document["curation"] = "curator";
        Assert.Equal("curator", (await Archive.RegisterAsync(document)).Convention.Curation);
        return (id, table);
    }

    private static async Task<Deposition> SettledAsync(DepositionHandle deposition, DepositionStatus status) =>
        await Eventually.Value(async () => await deposition.GetAsync() is { } now && now.Status == status ? now : null, Archive.Patience, () => $"{deposition.Srn} as {status}");
}
