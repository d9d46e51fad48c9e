using Grpc.Core;
using Osa.Client;
using Osa.Client.Depositions;
using Osa.Testing;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>The event feed as people and programs read it.</summary>
public sealed class EventsTests(SharedNode shared)
{
    private Archive Archive => shared.Archive;

    [Fact]
    public async Task Each_caller_sees_what_it_may_and_filters_choose_by_type_and_subject()
    {
        (DepositionHandle adas, ValidationRun run) = await Archive.JudgeAsync(shared.Obedient, Documents.Rows(1));
        using OsaClient nobody = OsaClient.Connect(Archive.Node.Address);
        OsaClient eve = Archive.Node.Client("depositor", "eve");
        OsaClient cleo = Archive.Node.Client("curator", "cleo");

        List<Event> about = await Archive.Ada.Events.ReadAsync(filter: new EventFilter { Subject = adas.Srn }).ToListAsync();
        List<Event> published = await nobody.Events.ReadAsync(filter: new EventFilter { Subject = run.RecordSrn }).ToListAsync();

        Assert.Equal(["DepositionCreatedEvent", "DepositionSubmittedEvent", "ValidationStarted", "ValidationCompleted", "DepositionApproved"], about.Select(e => e.Type));
        Assert.Equal("RecordPublished", Assert.Single(published).Type);
        Assert.Empty(await nobody.Events.ReadAsync(filter: new EventFilter { Subject = adas.Srn }).ToListAsync());
        Assert.Empty(await eve.Events.ReadAsync(filter: new EventFilter { Subject = adas.Srn }).ToListAsync());
        Assert.Equal(about, await cleo.Events.ReadAsync(filter: new EventFilter { Subject = adas.Srn }, pageSize: 2).ToListAsync());
        List<Event> all = await cleo.Events.ReadAsync().ToListAsync();
        Assert.Equal(Enumerable.Range(1, all.Count).Select(i => (long)i), all.Select(e => e.Position));
        Assert.All(await cleo.Events.ReadAsync(filter: new EventFilter { Types_ = { "RecordPublished" } }).ToListAsync(), e => Assert.Equal("RecordPublished", e.Type));
        await Expect.RefusedAsync(StatusCode.InvalidArgument, () => nobody.Events.ReadAsync(-1).ToListAsync().AsTask());
    }

    [Fact]
    public async Task A_watcher_sees_everything_once_in_order_from_where_it_was_and_slow_or_dead_ones_delay_nobody()
    {
        long start = (await Archive.Admin.Events.ReadAsync().LastAsync()).Position;
        var seen = new List<Event>();
        using var done = new CancellationTokenSource();
        Task watching = Task.Run(async () =>
        {
            await foreach (Event happened in Archive.Admin.Events.WatchAsync(start, cancellationToken: done.Token))
            {
                lock (seen)
                {
                    seen.Add(happened);
                }
            }
        });
        // One that never reads, one that dies.
        var slow = new Door(Archive, "admin", "slow");
        using AsyncServerStreamingCall<Event> never = slow.Events.Watch(new WatchEventsRequest { After = 0 });
        using AsyncServerStreamingCall<Event> dying = slow.Events.Watch(new WatchEventsRequest { After = 0 });
        await dying.ResponseStream.MoveNext(default);
        dying.Dispose();

        ValidationRun[] runs = await Expect.AllAsync(Enumerable.Range(0, 6).Select(async _ => (await Archive.JudgeAsync(shared.Obedient, Documents.Rows(1))).Run));
        await Eventually.True(
            () =>
            {
                lock (seen)
                {
                    return runs.All(r => seen.Any(e => e.Type == "RecordPublished" && e.Subject == r.RecordSrn));
                }
            },
            Archive.Patience, "the publication of every record");
        await done.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => watching);

        Assert.Equal(Enumerable.Range(1, seen.Count).Select(i => start + i), seen.Select(e => e.Position));
        long middle = seen[seen.Count / 2].Position;
        List<Event> again = await Archive.Admin.Events.WatchAsync(middle).Take(seen.Count - (seen.Count / 2) - 1).ToListAsync();
        Assert.Equal(seen.Where(e => e.Position > middle), again);
    }

    [Fact]
    public async Task Replayed_from_the_beginning_the_feed_gives_the_state()
    {
        string id = Documents.NewId("replay");
        await Archive.RegisterAsync(Documents.Convention(id, "1.0.0", Documents.Hook(Documents.NewTable("replay"), Documents.RowColumns)));
        var ada = new Door(Archive, "depositor", "ada");
        var cleo = new Door(Archive, "curator", "cleo");
        (DepositionHandle passed, ValidationRun published) = await Archive.JudgeAsync(id, Documents.Rows(1));
        (DepositionHandle rejected, _) = await Archive.JudgeAsync(id, Documents.Reject("no"));
        DepositionHandle withdrawn = await Archive.DraftAsync(id);
        await ada.Depositions.WithdrawAsync(new WithdrawDepositionRequest { Srn = withdrawn.Srn });
        (_, ValidationRun doomed) = await Archive.JudgeAsync(id, Documents.Rows(1));
        await cleo.Curation.WithdrawRecordAsync(new WithdrawRecordRequest { RecordSrn = doomed.RecordSrn, Reason = "test" });

        var depositions = new Dictionary<string, string>();
        var records = new Dictionary<string, bool>();
        await foreach (Event happened in Archive.Node.Client("curator", "cleo").Events.ReadAsync(pageSize: 50))
        {
            switch (happened.Type)
            {
                case "DepositionCreatedEvent": depositions[happened.Subject] = "draft"; break;
                case "DepositionSubmittedEvent": depositions[happened.Subject] = "in_validation"; break;
                case "ValidationFailed" or "DepositionReturned": depositions[happened.Subject] = "draft"; break;
                case "ReviewRequested": depositions[happened.Subject] = "in_review"; break;
                case "DepositionWithdrawn": depositions[happened.Subject] = "withdrawn"; break;
                case "DepositionApproved": depositions[happened.Subject] = "accepted"; break;
                case "RecordPublished": records[happened.Subject] = true; break;
                case "RecordWithdrawn": records[happened.Subject] = false; break;
            }
        }

        foreach (DepositionHandle deposition in (DepositionHandle[])[passed, rejected, withdrawn])
        {
            Assert.Equal(await Archive.ValueAsync("select status from osa.depositions where id = $1", Archive.IdOf(deposition.Srn)), depositions[deposition.Srn]);
        }

        Assert.True(records[published.RecordSrn]);
        Assert.False(records[doomed.RecordSrn]);
    }

    [Fact]
    public async Task Osa_tails_the_feed()
    {
        (DepositionHandle deposition, _) = await Archive.JudgeAsync(shared.Obedient, Documents.Rows(1));

        OsaCommand tail = await OsaCommand.DoneAsync(Archive, "curator", "events", "tail", "--no-follow", "--subject", deposition.Srn, "--type", "DepositionApproved");

        Assert.Equal(["DepositionApproved"], tail.Lines.Select(e => (string?)e["type"]));
        Assert.Equal(deposition.Srn, (string?)tail.Lines[0]["payload"]!["deposition_srn"]);
    }
}
