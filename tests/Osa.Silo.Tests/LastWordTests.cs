using Grpc.Core;
using Osa.Client;
using Osa.Client.Depositions;
using Osa.Testing;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>Owners who change their minds about a deposition while the batch that it is in runs, at every step of the run.</summary>
public sealed class LastWordTests : IAsyncLifetime
{
    private const string Convention = "last-word";
    private const string Table = "last_word";
    private const string Published = "Accepted, passed, 1 records, 2 rows";

    // Between two steps, whoever needs what the run holds waits for it: so long until the run goes on.
    private static readonly TimeSpan Head = TimeSpan.FromSeconds(0.5);

    private static readonly string[] Steps =
    [
        "run.claimed", "unit.before_attempt", "unit.before_prepare", "unit.staged", "unit.created", "unit.before_start", "unit.started", "unit.exited", "unit.before_result",
        "unit.result_saved", "unit.removed", "verdict.before_begin", "verdict.before_write", "verdict.copied", "verdict.before_commit", "verdict.committed",
    ];

    private readonly TempDirectory _data = new();

    private Archive Archive { get; set; } = null!;

    private Door Ada => new(Archive, "depositor", "ada");

    // A node of its own: what waits at a step is this test's run, and nobody else's.
    public async ValueTask InitializeAsync()
    {
        Archive = await Archive.StartAsync(_data.Path, await PostgresServer.CreateDatabaseAsync());
        await Archive.RegisterAsync(Documents.Convention(Convention, "1.0.0", Documents.Hook(Table, Documents.RowColumns, contract: "batch")));
    }

    public async ValueTask DisposeAsync()
    {
        await Archive.DisposeAsync();
        _data.Dispose();
    }

    [Fact]
    public async Task What_its_owner_says_of_a_deposition_of_a_running_batch_holds_at_every_step_and_the_rest_is_published()
    {
        foreach (string step in Steps)
        {
            DepositionHandle[] drafts = await Expect.AllAsync(Enumerable.Range(0, 5).Select(_ => Archive.DraftAsync(Convention, Documents.Rows(2))));
            (ValidationRun run, bool[] heard) = await ChangeMindsAsync(step, drafts);
            await CheckAsync(step, drafts, run, heard);
            await Cleanup.IsDoneAsync(Archive, run.Srn);
        }
    }

    /// <summary>The first of them is cancelled, the second withdrawn, the third edited.</summary>
    /// <returns>For each of the three, whether the node did as it was told; else it was refused, as coming too late.</returns>
    private async Task<(ValidationRun Run, bool[] Heard)> ChangeMindsAsync(string step, DepositionHandle[] drafts)
    {
        Archive.Node.Arm(step, "wait");
        string run = (await Ada.Depositions.SubmitManyAsync(new SubmitDepositionsRequest { Srns = { drafts.Select(d => d.Srn) } })).RunSrn;
        await Archive.Node.FiredAsync(step);
        Task<bool[]> words = Task.WhenAll(
            HeardAsync(() => Ada.Depositions.CancelAsync(new CancelDepositionRequest { Srn = drafts[0].Srn, Reason = "not yet" }).ResponseAsync),
            HeardAsync(() => Ada.Depositions.WithdrawAsync(new WithdrawDepositionRequest { Srn = drafts[1].Srn }).ResponseAsync),
            HeardAsync(async () =>
            {
                await Ada.Depositions.CancelAsync(new CancelDepositionRequest { Srn = drafts[2].Srn, Reason = "to be edited" });
                await drafts[2].SetMetadataAsync(Documents.Metadata(Documents.Rows(7)));
            }));
        await Task.WhenAny(words, Task.Delay(Head));
        Archive.Node.Release(step);
        bool[] heard = await words.WaitAsync(Archive.Patience);
        return (await Archive.VerdictAsync(Archive.Ada.Runs.Handle(run)), heard);
    }

    /// <summary>Whoever was told that it is done finds it so; whoever was refused had come too late, and nothing else.</summary>
    private async Task CheckAsync(string step, DepositionHandle[] drafts, ValidationRun run, bool[] heard)
    {
        string[] expected =
        [
            heard[0] ? "Draft, left_out, 0 records, 0 rows" : Published, heard[1] ? "Withdrawn, left_out, 0 records, 0 rows" : Published,
            heard[2] ? "Draft, left_out, 0 records, 0 rows" : Published, Published, Published,
        ];
        for (int i = 0; i < drafts.Length; i++)
        {
            string stored = (await Archive.ValueAsync(
                $"select count(distinct r.srn) || ' records, ' || count(f.record_srn) || ' rows' from osa.records r left join features.\"{Table}\" f on f.record_srn = r.srn where r.deposition_id = $1",
                Archive.IdOf(drafts[i].Srn)))!;
            Assert.Equal($"{step}: {expected[i]}", $"{step}: {(await drafts[i].GetAsync()).Status}, {run.Depositions[i].Status}, {stored}");
        }

        if (heard[2])
        {
            // What was edited is what is judged the next time.
            Assert.Equal(7, (await Archive.RowsAsync(Table, (await Archive.VerdictAsync(await drafts[2].SubmitAsync())).RecordSrn)).Count);
        }
    }

    private static async Task<bool> HeardAsync(Func<Task> word)
    {
        try
        {
            await word();
            return true;
        }
        catch (Exception e) when ((e is RpcException { StatusCode: StatusCode.FailedPrecondition }) || (e is OsaClientException { Code: StatusCode.FailedPrecondition }))
        {
            return false;
        }
    }
}
