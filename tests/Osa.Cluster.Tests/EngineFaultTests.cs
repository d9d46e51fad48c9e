using Osa.Testing;

namespace Osa.Cluster.Tests;

/// <summary>The container engine fails.</summary>
public sealed class EngineFaultTests : FaultTests
{
    private readonly TempDirectory _sockets = new();
    private EngineProxy _engine = null!;

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        await _engine.DisposeAsync();
        _sockets.Dispose();
    }

    private protected override async Task<TestCluster> CreateAsync()
    {
        _engine = await EngineProxy.StartAsync(_sockets["docker.sock"]);
        TestCluster cluster = await TestCluster.CreateAsync(TestCluster.PatientProbe);
        cluster.Engine = _engine.Address;
        return cluster;
    }

    private protected override async Task FailAsync()
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
    }

    private static async Task DockerAsync(params string[] arguments)
    {
        (int code, string output) = await Unprivileged.RunAsync(["docker", .. arguments]);
        Assert.True(code == 0, output);
    }
}
