using Osa.Client.Depositions;
using Osa.Client.Runs;
using Osa.Testing;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>Much at once.</summary>
public sealed class BurstTests(SharedNode shared)
{
    private Archive Archive => shared.Archive;

    [Fact]
    public async Task A_hundred_concurrent_submits_of_one_deposition_are_one_run_and_one_record()
    {
        // Long enough for all of them to come while it runs.
        DepositionHandle draft = await Archive.DraftAsync(shared.Obedient, Documents.Steps(Documents.Sleep(15), Documents.Rows(2)));

        RunHandle[] answers = await Expect.AllAsync(Enumerable.Range(0, 100).Select(_ => draft.SubmitAsync()));

        string run = Assert.Single(answers.Select(a => a.Srn).Distinct());
        ValidationRun verdict = await Archive.VerdictAsync(answers[0]);
        Assert.Equal(RunStatus.Passed, verdict.Status);
        Assert.Equal(run, Assert.Single(await Archive.Ada.Runs.ListAsync(draft.Srn)).Srn);
        Assert.Equal("1", await Archive.ValueAsync("select count(*) from osa.records where deposition_id = $1", Archive.IdOf(draft.Srn)));
        Assert.Equal("1", await Archive.ValueAsync("select count(*) from osa.run_units where run_id = $1", Archive.IdOf(run)));
        Assert.Equal(2, (await Archive.RowsAsync(shared.ObedientHook, verdict.RecordSrn)).Count);
        Assert.Equal(
            "1", await Archive.ValueAsync("select count(*) from osa.events where type = 'DepositionSubmittedEvent' and subject = $1", draft.Srn));
    }

    [Fact]
    public async Task A_burst_of_depositions_becomes_as_many_records_each_with_all_of_its_rows()
    {
        int depositions = TestLength.IsLong ? 300 : 40;
        string id = Documents.NewId("burst");
        string table = Documents.NewTable("burst");
        await Archive.RegisterAsync(Documents.Convention(id, "1.0.0", Documents.Hook(table, Documents.RowColumns)));
        // As many rows as its number says.
        DepositionHandle[] drafts = await Expect.AllAsync(Enumerable.Range(1, depositions).Select(i => Archive.DraftAsync(id, Documents.Rows(i))));

        RunHandle[] runs = await Expect.AllAsync(drafts.Select(d => d.SubmitAsync()));
        ValidationRun[] verdicts = await Expect.AllAsync(runs.Select(r => r.WaitAsync().WaitAsync(TimeSpan.FromSeconds(60 + (3 * depositions)))));

        Assert.All(verdicts, v => Assert.True(v.Status == RunStatus.Passed, v.Summary));
        Assert.Equal(depositions, verdicts.Select(v => v.RecordSrn).Distinct().Count());
        Assert.Equal(depositions, await Archive.Admin.Records.ListAsync(id, pageSize: 17).CountAsync());
        Dictionary<string, string> rows = (await Archive.QueryAsync($"select record_srn, count(*) || ' to ' || max(position) from features.\"{table}\" group by record_srn")).ToDictionary(r => r[0]!, r => r[1]!);
        Assert.All(Enumerable.Range(1, depositions), i => Assert.Equal($"{i} to {i - 1}", rows[verdicts[i - 1].RecordSrn]));
        Assert.Equal(depositions * (depositions + 1) / 2, await Archive.Admin.Features.RowsAsync(table, pageSize: 100).CountAsync());
        await Cleanup.IsDoneAsync(Archive, [.. runs.Select(r => r.Srn)]);
        Assert.Equal("0", await Archive.ValueAsync("select count(*) from osa.run_units u join osa.validation_runs r on r.id = u.run_id where r.convention_id = $1 and u.state = 'claimed'", id));
    }
}
