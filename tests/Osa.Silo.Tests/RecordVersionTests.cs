using System.Text.Json.Nodes;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Osa.Client.Depositions;
using Osa.Testing;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>Versions of a record, its embargo, and its withdrawal.</summary>
public sealed class RecordVersionTests(SharedNode shared)
{
    private Archive Archive => shared.Archive;

    private Door Ada => new(Archive, "depositor", "ada");

    private Door Cleo => new(Archive, "curator", "cleo");

    [Fact]
    public async Task A_new_version_starts_from_the_old_one_and_becomes_its_successor_when_it_has_passed()
    {
        DepositionHandle first = await Archive.DraftAsync(shared.Obedient, Documents.Rows(2));
        await Archive.UploadAsync(first, "data.txt", "the same bytes");
        string old = (await Archive.VerdictAsync(await first.SubmitAsync())).RecordSrn;

        Deposition draft = await Ada.Depositions.NewVersionAsync(new NewVersionRequest { RecordSrn = old });
        Deposition same = await Ada.Depositions.NewVersionAsync(new NewVersionRequest { RecordSrn = old });

        Assert.Equal(draft.Srn, same.Srn);
        Assert.Equal(old.Split('@')[0], draft.RevisesSrn);
        Assert.Equal(((await first.GetAsync()).MetadataJson, "data.txt"), (draft.MetadataJson, Assert.Single(draft.Files).Name));
        DepositionHandle second = Archive.Ada.Depositions.Handle(draft.Srn);
        await second.SetMetadataAsync(Documents.Metadata(Documents.Rows(3), "second"));
        string @new = (await Archive.VerdictAsync(await second.SubmitAsync())).RecordSrn;
        Assert.Equal((old, old.Split('@')[0] + "@2"), (old.Split('@')[0] + "@1", @new));
        Assert.Equal("data.txt", Assert.Single((await Archive.Admin.Records.GetAsync(@new)).Files).Name);
        Assert.Equal("a test", (string?)JsonNode.Parse((await Archive.Admin.Records.GetAsync(old)).MetadataJson)!["title"]);
        int[] rows = await Expect.AllAsync(new[] { old, @new }.Select(async r => (await Archive.RowsAsync(shared.ObedientHook, r)).Count));
        Assert.Equal([2, 3], rows);
        Assert.Equal(["False", "True"], (await Archive.QueryAsync("select is_current from osa.records where id = $1 order by version", Archive.IdOf(old))).Select(r => r[0]));
        Record superseded = await Archive.Admin.Records.GetAsync(old);
        Assert.Equal((@new, ""), (superseded.CurrentSrn, (await Archive.Admin.Records.GetAsync(@new)).CurrentSrn));
        string[] current = await Archive.Ada.Records.ListAsync(shared.Obedient).Select(r => r.Srn).ToArrayAsync();
        Assert.Contains(@new, current);
        Assert.DoesNotContain(old, current);
        Assert.Contains(old, await Archive.Ada.Records.ListAsync(shared.Obedient, allVersions: true).Select(r => r.Srn).ToListAsync());
        Assert.DoesNotContain(await Archive.RowsAsync(shared.ObedientHook), r => r.RecordSrn == old);
        var eve = new Door(Archive, "depositor", "eve");
        await Door.RefusedAsync(StatusCode.PermissionDenied, () => eve.Depositions.NewVersionAsync(new NewVersionRequest { RecordSrn = old }).ResponseAsync);
    }

    [Fact]
    public async Task A_rejected_new_version_leaves_the_old_one_current()
    {
        string old = (await Archive.PublishAsync(shared.Obedient, Documents.Rows(1))).Srn;
        Deposition draft = await Ada.Depositions.NewVersionAsync(new NewVersionRequest { RecordSrn = old });
        DepositionHandle second = Archive.Ada.Depositions.Handle(draft.Srn);
        await second.SetMetadataAsync(Documents.Metadata(Documents.Reject("worse than before")));

        Assert.Equal(RunStatus.Rejected, (await Archive.VerdictAsync(await second.SubmitAsync())).Status);

        Assert.Equal("1", await Archive.ValueAsync("select count(*) from osa.records where id = $1 and is_current", Archive.IdOf(old)));
        Assert.Single(await Archive.RowsAsync(shared.ObedientHook, old));
    }

    [Fact]
    public async Task A_withdrawn_record_leaves_a_tombstone_and_its_rows_leave_the_tables()
    {
        string id = Documents.NewId("withdrawn");
        string table = Documents.NewTable("withdrawn");
        await Archive.RegisterAsync(Documents.Convention(id, "1.0.0", Documents.Hook(table, Documents.RowColumns)));
        Record kept = await Archive.PublishAsync(id, Documents.Rows(2));
        Record taken = await Archive.PublishAsync(id, Documents.Rows(3));

        await Door.RefusedAsync(StatusCode.PermissionDenied, () => Ada.Curation.WithdrawRecordAsync(new WithdrawRecordRequest { RecordSrn = taken.Srn, Reason = "mine" }).ResponseAsync);
        await Door.RefusedAsync(StatusCode.InvalidArgument, () => Cleo.Curation.WithdrawRecordAsync(new WithdrawRecordRequest { RecordSrn = taken.Srn }).ResponseAsync);
        WithdrawRecordResponse withdrawn = await Cleo.Curation.WithdrawRecordAsync(new WithdrawRecordRequest { RecordSrn = taken.Srn, Reason = "fabricated data" });

        Assert.Equal(3, withdrawn.Rows);
        Record tombstone = await Archive.Ada.Records.GetAsync(taken.Srn);
        Assert.Equal((withdrawn.WithdrawnAt, "fabricated data", "{}"), (tombstone.WithdrawnAt, tombstone.WithdrawnBecause, tombstone.MetadataJson));
        Assert.Empty(tombstone.Files);
        using AsyncServerStreamingCall<FileChunk> download = Ada.Records.Download(new DownloadRecordFileRequest { RecordSrn = taken.Srn, Name = "data.txt" });
        Expect.Says("fabricated data", await Door.RefusedAsync(StatusCode.FailedPrecondition, () => download.ResponseStream.MoveNext(default)));
        Assert.Equal([kept.Srn], await Archive.Ada.Records.ListAsync(id).Select(r => r.Srn).ToListAsync());
        Assert.Equal(2, (await Archive.RowsAsync(table)).Count);
        Assert.Equal("1", await Archive.ValueAsync("select count(*) from osa.events where subject = $1 and payload ->> 'reason' = 'fabricated data'", taken.Srn));
        string again = await Door.RefusedAsync(StatusCode.FailedPrecondition, () => Cleo.Curation.WithdrawRecordAsync(new WithdrawRecordRequest { RecordSrn = taken.Srn, Reason = "again" }).ResponseAsync);
        Expect.Says("fabricated data", again);
        await Door.RefusedAsync(StatusCode.FailedPrecondition, () => Ada.Depositions.NewVersionAsync(new NewVersionRequest { RecordSrn = taken.Srn }).ResponseAsync);
        Assert.Equal(2, (await Archive.RowsAsync(table, kept.Srn)).Count);
    }

    [Fact]
    public async Task An_embargo_is_set_on_a_draft_and_ends_by_its_date_or_by_a_release()
    {
        DepositionHandle held = await Archive.DraftAsync(shared.Obedient, Documents.Rows(1));
        DepositionHandle dated = await Archive.DraftAsync(shared.Obedient, Documents.Rows(1));
        Deposition until = await Ada.Depositions.SetEmbargoAsync(new SetEmbargoRequest { Srn = held.Srn, Embargo = new Embargo { UntilReleased = true } });
        var end = Timestamp.FromDateTimeOffset(TimeProvider.System.GetUtcNow().AddSeconds(4));
        Assert.Equal(end.ToDateTime(), (await Ada.Depositions.SetEmbargoAsync(new SetEmbargoRequest { Srn = dated.Srn, Embargo = new Embargo { Until = end } })).Embargo.Until.ToDateTime(), TimeSpan.FromMilliseconds(1));
        Assert.True(until.Embargo.UntilReleased);
        string over = await Door.RefusedAsync(
            StatusCode.InvalidArgument, () => Ada.Depositions.SetEmbargoAsync(new SetEmbargoRequest { Srn = held.Srn, Embargo = new Embargo { Until = new Timestamp { Seconds = 1 } } }).ResponseAsync);
        Expect.Says("embargo.until", over);

        string first = (await Archive.VerdictAsync(await held.SubmitAsync())).RecordSrn;
        string second = (await Archive.VerdictAsync(await dated.SubmitAsync())).RecordSrn;

        Assert.Equal("0", await Archive.ValueAsync("select count(*) from osa.events where subject = $1 and audience = 'public'", first));
        // Its owner and curators see it on every surface, nobody else on any.
        foreach (Osa.Client.OsaClient sees in (Osa.Client.OsaClient[])[Archive.Ada, Archive.Node.Client("curator", "cleo")])
        {
            Assert.True((await sees.Records.GetAsync(first)).Embargo.UntilReleased);
            Assert.Contains(first, await sees.Records.ListAsync(shared.Obedient).Select(r => r.Srn).ToListAsync());
            Assert.Single(await sees.Features.RowsAsync(shared.ObedientHook, first).ToListAsync());
        }

        foreach (Osa.Client.OsaClient blind in (Osa.Client.OsaClient[])[Archive.Node.Client("depositor", "eve"), Osa.Client.OsaClient.Connect(Archive.Node.Address)])
        {
            await Expect.RefusedAsync(StatusCode.NotFound, () => blind.Records.GetAsync(first));
            await Expect.RefusedAsync(StatusCode.NotFound, () => blind.Records.DownloadAsync(first, "data.txt", Stream.Null));
            Assert.DoesNotContain(first, await blind.Records.ListAsync(shared.Obedient, allVersions: true).Select(r => r.Srn).ToListAsync());
            Assert.Empty(await blind.Features.RowsAsync(shared.ObedientHook, first).ToListAsync());
            Assert.DoesNotContain(await blind.Features.RowsAsync(shared.ObedientHook).ToListAsync(), r => r.RecordSrn == first);
        }

        var eve = new Door(Archive, "depositor", "eve");
        await Door.RefusedAsync(StatusCode.NotFound, () => eve.Curation.ReleaseRecordAsync(new ReleaseRecordRequest { RecordSrn = first }).ResponseAsync);
        await Ada.Curation.ReleaseRecordAsync(new ReleaseRecordRequest { RecordSrn = first });
        Assert.Single(await Osa.Client.OsaClient.Connect(Archive.Node.Address).Features.RowsAsync(shared.ObedientHook, first).ToListAsync());
        Assert.Equal("1", await Archive.ValueAsync("select count(*) from osa.events where subject = $1 and audience = 'public'", first));
        await Door.RefusedAsync(StatusCode.FailedPrecondition, () => Ada.Curation.ReleaseRecordAsync(new ReleaseRecordRequest { RecordSrn = first }).ResponseAsync);
        await Eventually.True(
            async () => await Archive.ValueAsync("select count(*) from osa.events where subject = $1 and audience = 'public'", second) == "1", Archive.Patience, "the announcement of a release by date");
    }
}
