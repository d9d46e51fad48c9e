using System.Text.Json.Nodes;
using Grpc.Core;
using Osa.Client;
using Osa.Client.Depositions;
using Osa.Client.Runs;
using Osa.Testing;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>A node, or its engine, that goes away in the middle and comes back.</summary>
public sealed class InterruptionTests
{
    // Says once that it ran, and goes on long enough to be interrupted.
    private static readonly JsonObject Behaviour = Documents.Steps(Documents.Do("progress", ("count", 1)), Documents.Sleep(8), Documents.Rows(3));

    /// <summary>In the short form the one that ends well: the matrix of kills has the others.</summary>
    public static TheoryData<string> Ends => TestLength.IsLong ? ["TERM", "KILL"] : ["TERM"];

    [Theory]
    [MemberData(nameof(Ends))]
    public async Task A_run_in_the_middle_of_which_the_node_ends_is_brought_to_its_verdict_by_the_next_start_with_the_same_container(string signal)
    {
        using var data = new TempDirectory();
        string id = Documents.NewId("interrupted");
        string table = Documents.NewTable("interrupted");
        string deposition;
        string runSrn;
        string container;
        await using (Archive first = await Archive.StartAsync(data.Path))
        {
            await first.RegisterAsync(Documents.Convention(id, "1.0.0", Documents.Hook(table, Documents.RowColumns)));
            (DepositionHandle handle, RunHandle run) = await first.SubmitAsync(id, (JsonObject)Behaviour.DeepClone());
            (deposition, runSrn) = (handle.Srn, run.Srn);
            await Archive.WaitUntilTheHookRunsAsync(run);
            container = Assert.Single(await Archive.ContainersOfAsync(runSrn));
            if (signal == "KILL")
            {
                await first.Node.KillAsync();
            }
            else
            {
                Assert.Equal(0, await first.Node.TerminateAsync());
                Assert.False(File.Exists(Path.Combine(data.Path, "postgres", "cluster", "postmaster.pid")), "PostgreSQL was left running");
            }
        }

        Assert.Equal([container], await Archive.ContainersOfAsync(runSrn));
        await using Archive second = await Archive.StartAsync(data.Path);
        ValidationRun verdict = await Archive.VerdictAsync(second.Ada.Runs.Handle(runSrn));

        Assert.True(verdict.Status == RunStatus.Passed, verdict.Summary);
        HookRun hook = Assert.Single(verdict.Hooks);
        Assert.Equal(1, hook.Attempt);
        Assert.Single(hook.Progress);
        Assert.Equal([container], (await second.QueryAsync("select container_id from osa.run_units where run_id = $1", Archive.IdOf(runSrn))).Select(u => u[0]));
        Assert.Equal(3, (await second.RowsAsync(table)).Count);
        Assert.Equal("1", await second.ValueAsync("select count(*) from osa.records where deposition_id = $1", Archive.IdOf(deposition)));
        Assert.Equal("1", await second.ValueAsync("select count(*) from osa.events where type = 'RecordPublished' or type = 'RecordPublishedEvent'"));
        Assert.Equal(DepositionStatus.Accepted, (await second.Ada.Depositions.Handle(deposition).GetAsync()).Status);
        await Cleanup.IsDoneAsync(second, runSrn);
    }

    /// <summary>In the short form one of them: each needs a node with a database server of its own.</summary>
    public static TheoryData<string> OfVerdicts =>
        TestLength.IsLong ? ["verdict.before_begin", "verdict.before_write", "verdict.before_commit"] : ["verdict.before_commit"];

    [Theory]
    [MemberData(nameof(OfVerdicts))]
    public async Task A_run_whose_database_is_killed_between_the_result_and_the_verdict_gets_its_verdict_once(string point)
    {
        using var data = new TempDirectory();
        (string id, string table) = (Documents.NewId("crash"), Documents.NewTable("crash"));
        await using Archive archive = await Archive.StartAsync(data.Path);
        await archive.RegisterAsync(Documents.Convention(id, "1.0.0", Documents.Hook(table, Documents.RowColumns)));
        archive.Node.Arm(point, "stop");
        (DepositionHandle deposition, RunHandle run) = await archive.SubmitAsync(id, Documents.Rows(5));
        await archive.Node.FiredAsync(point);
        // A server that starts after a crash writes every file of its own through to the disk: a minute on a slow one, and no process's kill needs it.
        await File.AppendAllTextAsync(Path.Combine(data.Path, "postgres", "cluster", "postgresql.conf"), "fsync = off\n");

        // Everything of the server, as a machine's power does.
        int server = int.Parse(File.ReadLines(Path.Combine(data.Path, "postgres", "cluster", "postmaster.pid")).First(), System.Globalization.CultureInfo.InvariantCulture);
        foreach (int process in Children(server).Prepend(server))
        {
            // One that has ended by itself meanwhile is as good.
            await Unprivileged.RunAsync("kill", "-9", process.ToString(System.Globalization.CultureInfo.InvariantCulture));
        }

        archive.Node.Signal("CONT");
        ValidationRun verdict = await Archive.VerdictAsync(run);

        Assert.True(verdict.Status == RunStatus.Passed, verdict.Summary);
        Assert.Equal(5, (await archive.RowsAsync(table)).Count);
        Assert.Equal("1", await archive.ValueAsync("select count(*) from osa.records where deposition_id = $1", Archive.IdOf(deposition.Srn)));
        Assert.Equal("1", await archive.ValueAsync("select count(*) from osa.events where type like 'RecordPublished%'"));
        Assert.Equal(DepositionStatus.Accepted, (await deposition.GetAsync()).Status);
        await Cleanup.IsDoneAsync(archive, run.Srn);
    }

    private static List<int> Children(int process) =>
        [.. Directory.GetDirectories("/proc").Select(Path.GetFileName).Where(name => int.TryParse(name, out _)).Select(name => int.Parse(name!, System.Globalization.CultureInfo.InvariantCulture))
            .Where(id => StatOf(id) is { } stat && int.Parse(stat[(stat.LastIndexOf(')') + 2)..].Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture) == process)];

    private static string? StatOf(int process)
    {
        try
        {
            return File.ReadAllText($"/proc/{process}/stat");
        }
        catch (IOException)
        {
            return null;
        }
    }

    [Fact]
    public async Task Without_an_engine_it_starts_says_so_and_holds_runs_back_until_one_appears()
    {
        using var data = new TempDirectory();
        string database = await PostgresServer.CreateDatabaseAsync();
        string id = Documents.NewId("patient");
        string table = Documents.NewTable("patient");
        await using (Archive before = await Archive.StartAsync(data.Path, database))
        {
            await before.RegisterAsync(Documents.Convention(id, "1.0.0", Documents.Hook(table, Documents.RowColumns)));
        }

        string socket = data["docker.sock"];
        await using Archive archive = await Archive.StartAsync(data.Path, database, engine: false, ("OSA_ENGINE", "unix://" + socket));
        NodeStatus status = await archive.Admin.Node.StatusAsync();
        Assert.Equal("degraded", status.Health);
        Expect.Says("no container engine is ready: runs are held back until one is", string.Join('\n', status.Problems));
        OsaClientException refusal = await Expect.RefusedAsync(
            StatusCode.Unavailable,
            () => archive.RegisterAsync(Documents.Convention(Documents.NewId("later"), "1.0.0", Documents.Hook(Documents.NewTable("later")))).WaitAsync(Archive.Patience));
        Expect.Says("Try again when one is", refusal.Message);

        (DepositionHandle Deposition, RunHandle Run)[] held = await Expect.AllAsync(Enumerable.Range(1, 5).Select(i => archive.SubmitAsync(id, Documents.Rows(i))));
        await Eventually.True(
            async () => (await Expect.AllAsync(held.Select(h => h.Run.GetAsync()))).All(r => r.WaitingFor.Contains("engine", StringComparison.Ordinal)),
            Archive.Patience,
            "the runs do not say that they wait for an engine");
        Assert.All(await Expect.AllAsync(held.Select(h => h.Deposition.GetAsync())), d => Assert.Equal(DepositionStatus.InValidation, d.Status));

        OsaCommand stuck = await OsaCommand.RunAsync(archive, "admin", "node", "stuck", "--json");
        Assert.Equal(1, stuck.ExitCode);
        Assert.Equal(held.Select(h => h.Run.Srn).Order(), stuck.Lines.Select(l => (string)l["subject"]!).Order());
        Assert.All(stuck.Lines, l => Expect.Says("engine", (string)l["reason"]!));

        File.CreateSymbolicLink(socket, "/var/run/docker.sock");
        ValidationRun[] verdicts = await Expect.AllAsync(held.Select(h => Archive.VerdictAsync(h.Run)));

        Assert.All(verdicts, v => Assert.True(v.Status == RunStatus.Passed && v.Hooks[0].Attempt == 1, v.ToString()));
        Assert.Equal(15, (await archive.RowsAsync(table)).Count);
        await archive.Node.WaitForEngineAsync();
        Assert.Equal("healthy", (await archive.Admin.Node.StatusAsync()).Health);
    }

    [Fact]
    public async Task Where_the_engine_stays_away_depositions_go_back_with_the_reason_and_one_call_drives_them_again()
    {
        using var data = new TempDirectory();
        (string id, string table) = (Documents.NewId("away"), Documents.NewTable("away"));
        await using EngineProxy engine = await EngineProxy.StartAsync(data["docker.sock"]);
        await using Archive archive = await Archive.StartAsync(
            data.Path, await PostgresServer.CreateDatabaseAsync(), engine: true, ("OSA_ENGINE", engine.Address.ToString()), ("OSA_LIMITS__MaxSetbackSeconds", "4"));
        await archive.RegisterAsync(Documents.Convention(id, "1.0.0", Documents.Hook(table, Documents.RowColumns)));
        (DepositionHandle Deposition, RunHandle Run) running = await archive.SubmitAsync(
            id, Documents.Steps(Documents.Do("progress", ("count", 1)), Documents.Sleep(120), Documents.Rows(1)));
        await Archive.WaitUntilTheHookRunsAsync(running.Run);

        engine.Leave();
        (DepositionHandle Deposition, RunHandle Run) waiting = await archive.SubmitAsync(id, Documents.Rows(2));
        ValidationRun[] ended = await Expect.AllAsync([Archive.VerdictAsync(running.Run), Archive.VerdictAsync(waiting.Run)]);

        Assert.All(ended, r => Assert.Equal(RunStatus.Failed, r.Status));
        Assert.All(ended, r => Expect.Says("Infrastructure was away", r.Summary));
        Assert.All(await Expect.AllAsync([running.Deposition.GetAsync(), waiting.Deposition.GetAsync()]), d =>
        {
            Assert.Equal(DepositionStatus.Draft, d.Status);
            Expect.Says("no fault of the deposition", Assert.Single(d.Reasons));
        });

        engine.Return();
        await archive.Node.WaitForEngineAsync();
        string again = (await new Door(archive, "depositor", "ada").Runs.RedriveAsync(new RedriveRunRequest { Srn = waiting.Run.Srn })).RunSrn;
        ValidationRun passed = await Archive.VerdictAsync(archive.Ada.Runs.Handle(again));
        Assert.True(passed.Status == RunStatus.Passed, passed.Summary);
        Assert.Equal(2, (await archive.RowsAsync(table)).Count);
        // The container that was running all the time belongs to nobody any more.
        await Cleanup.IsDoneAsync(archive, running.Run.Srn, waiting.Run.Srn);
    }
}
