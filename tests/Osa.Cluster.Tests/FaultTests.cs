using Grpc.Core;
using Osa.Client;
using Osa.Testing;

namespace Osa.Cluster.Tests;

/// <summary>What a node needs fails under a run, once and in a known way: the run ends as it would have without.</summary>
public sealed class FaultTests : IAsyncLifetime
{
    private const string Convention = "faults";

    // So long that whoever sees one run can still do something to it, on the slowest machine.
    private const double HookSeconds = 5;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    private readonly TempDirectory _sockets = new();
    private PostgresServer _server = null!;
    private DatabaseProxy _database = null!;
    private EngineProxy _engine = null!;

    private TestCluster Cluster { get; set; } = null!;

    private TestSilo Silo => Cluster.Silos[0];

    public async ValueTask InitializeAsync()
    {
        _server = await PostgresServer.StartAsync(durable: true);
        string database = await _server.NewDatabaseAsync();
        _database = new DatabaseProxy(database);
        _engine = await EngineProxy.StartAsync(_sockets["docker.sock"]);
        Cluster = await TestCluster.CreateAsync(TestCluster.PatientProbe, database);
        (Cluster.Engine, Cluster.SilosDatabase) = (_engine.Address, _database.ConnectionString);
        await Cluster.StartAsync(TestCluster.Both);
        await Silo.Client.Conventions.RegisterAsync(ConventionDocuments.Of(Convention, Cluster.HooksImage, "faults_one", "faults_two"));
    }

    public async ValueTask DisposeAsync()
    {
        await Cluster.DisposeAsync();
        await _engine.DisposeAsync();
        await _database.DisposeAsync();
        await _server.DisposeAsync();
        _sockets.Dispose();
    }

    /// <summary>One node for all of them, one after the other: each also finds what the one before it left.</summary>
    [Fact]
    public Task Whatever_fails_under_a_run_it_ends_as_it_would_have_without() => TestLength.RepeatAsync(() => Cluster.ExplainAsync(async () =>
    {
        // The engine restarted: its containers die, and it is away for a while.
        await PublishesAsync("an engine that restarts", async run =>
        {
            string name = await RunningAsync(run);
            _engine.Leave();
            await DockerAsync("kill", name);
            await Eventually.True(async () => await Cluster.ScalarAsync<int>("select setbacks from osa.validation_runs where id = $1", run) > 0, Patience, "nobody has noticed");
            _engine.Return();
        });
        await PublishesAsync("a container removed by hand", async run => await DockerAsync("rm", "--force", await RunningAsync(run)));
        await PublishesAsync("a container stopped by hand", async run => await DockerAsync("stop", await RunningAsync(run)));
        await PublishesAsync("a container killed by hand", async run => await DockerAsync("kill", await RunningAsync(run)));
        foreach (string call in (string[])["/containers/create", "/start", "/wait", "/json"])
        {
            _engine.LoseAnswerTo(call);
            await PublishesAsync($"a lost answer to {call}");
            Assert.True(_engine.HasLost, call);
        }

        await PublishesAsync("an engine that hangs", async run =>
        {
            await RunningAsync(run);
            _engine.Hang();
            // A call has a minute, so that only the long form sees one given up.
            await Eventually.True(
                async () => TestLength.IsLong
                    ? await Cluster.ScalarAsync<int>("select setbacks from osa.validation_runs where id = $1", run) > 0
                    : _engine.Held > 0,
                Patience,
                "nobody has noticed");
            _engine.Thaw();
        });
        _engine.FailEvery = 3;
        await PublishesAsync("an engine that refuses every third call");
        _engine.FailEvery = 0;
        for (int lost = 1; lost <= 3; lost++)
        {
            _database.CommitsToLose = lost;
            await PublishesAsync($"{lost} lost answers to COMMIT");
            Assert.True(_database.CommitsToLose <= 0, "nothing was committed");
            _database.CommitsToLose = 0;
        }

        foreach (string point in (string[])["unit.before_attempt", "unit.before_result"])
        {
            Silo.Process.Arm(point, "wait");
            await PublishesAsync(
                $"3 lost answers to batches that commit by themselves, from `{point}` on",
                async run =>
                {
                    await Silo.Process.FiredAsync(point);
                    _database.BatchesToLose = 3;
                    Silo.Process.Release(point);
                    await Eventually.True(async () => await Cluster.ScalarAsync<long>("select epoch from osa.validation_runs where id = $1", run) > 1, Patience, "the run has not been taken up again");
                    _database.BatchesToLose = 0;
                },
                hookSeconds: 0);
        }

        await PublishesAsync("an attempt whose saving was not acknowledged, of a run that was given up", async _ =>
        {
            // As it stays behind: of the run before, which is final by now.
            Guid last = await Cluster.ScalarAsync<Guid>("select id from osa.validation_runs where status = 'passed' order by id desc limit 1");
            Assert.Equal(2, await SetUnitsAsync(last, "claimed"));
            Assert.Equal(0, await Cluster.ScalarAsync<long>("select count(*) from osa.claims where run_id = $1", last));
            Assert.Equal(2, await SetUnitsAsync(last, "done"));
        });
        await PublishesAsync("a PostgreSQL that restarts while a hook runs", async run =>
        {
            await RunningAsync(run);
            await _server.RestartAsync();
        });
        await PublishesAsync("a PostgreSQL that is read-only until the hook has ended", async run =>
        {
            string name = await RunningAsync(run);
            await _server.SetReadOnlyAsync(true);
            await Eventually.True(RefusedAsync, Patience, "a deposition can be made in a database that is read-only");
            await Eventually.True(
                async () => (await Unprivileged.RunAsync("docker", "inspect", "--format", "{{.State.Running}}", name)).Output.Trim() != "true", Patience, () => $"{name} does not end\n{Cluster.Logs()}");
            await _server.SetReadOnlyAsync(false);
        });
        Silo.Process.Arm("verdict.copied", "wait");
        await PublishesAsync("a PostgreSQL that restarts in the middle of a verdict", async _ =>
        {
            await Silo.Process.FiredAsync("verdict.copied");
            await _server.RestartAsync();
            Silo.Process.Release("verdict.copied");
        });
    }));

    /// <summary>A run of two hooks, under which something fails.</summary>
    private async Task PublishesAsync(string what, Func<Guid, Task>? fail = null, double hookSeconds = HookSeconds)
    {
        try
        {
            Draft draft = await Cluster.DraftAsync(Silo, Convention, rows: 4, afterSeconds: fail is null ? 0 : hookSeconds);
            Guid run = await Cluster.SubmitPersistentlyAsync(draft);
            await (fail?.Invoke(run) ?? Task.CompletedTask);
            await Cluster.PassedAsync(run, Patience);
            await ClusterInvariants.CheckAsync(Cluster, [draft with { Rows = 8 }]);
            FaultReport.Add(what, "verdict as without, one record, each row once, nothing left");
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"{what}: {e.Message}", e);
        }
    }

    private Task<long> SetUnitsAsync(Guid run, string state) =>
        Cluster.ScalarAsync<long>("with u as (update osa.run_units set state = $2 where run_id = $1 returning 1) select count(*) from u", run, state);

    private async Task<bool> RefusedAsync()
    {
        try
        {
            await Silo.Client.Depositions.CreateAsync(Convention);
            return false;
        }
        catch (OsaClientException e) when (e.Code == StatusCode.Unavailable)
        {
            return true;
        }
    }

    // Of the first hook, so that the second has to follow.
    private async Task<string> RunningAsync(Guid run)
    {
        string name = await Eventually.Value(
            () => Cluster.ScalarAsync<string>("select container_name from osa.run_units where run_id = $1 and state = 'claimed'", run), Patience, () => "no container was claimed\n" + Cluster.Logs());
        await Eventually.True(
            async () => (await Unprivileged.RunAsync("docker", "inspect", "--format", "{{.State.Running}}", name)).Output.Trim() == "true", Patience, () => $"{name} does not run\n{Cluster.Logs()}");
        return name;
    }

    private static async Task DockerAsync(params string[] arguments)
    {
        (int code, string output) = await Unprivileged.RunAsync(["docker", .. arguments]);
        Assert.True(code == 0, output);
    }
}
