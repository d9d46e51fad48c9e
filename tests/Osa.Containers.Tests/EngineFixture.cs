using System.Text;
using System.Text.Json.Nodes;
using Docker.DotNet;
using Microsoft.Extensions.Logging.Abstractions;
using Osa.Domain.Hooks;
using Osa.Domain.Validation;
using Osa.TestHooks.Support;

[assembly: AssemblyFixture(typeof(Osa.Containers.Tests.EngineFixture))]
// Most of a test is waiting for containers.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.All, MaxThreads = 4)]

namespace Osa.Containers.Tests;

/// <summary>A container host of its own on the machine's engine, with the images that the tests run.</summary>
public sealed class EngineFixture : IAsyncLifetime
{
    private static int _serial;

    public string ClusterId { get; } = "test" + Guid.NewGuid().ToString("N")[..8];

    public string DataDirectory { get; } = Path.Combine(Path.GetTempPath(), "osa-containers-" + Guid.NewGuid().ToString("N")[..8]);

    public string ScratchDirectory => Path.Combine(DataDirectory, "scratch");

    public ContainerEngine Engine { get; private set; } = null!;

    /// <summary>The engine without our code between.</summary>
    public DockerClient Docker { get; } = new DockerClientConfiguration(new Uri("unix:///var/run/docker.sock")).CreateClient();

    public string HooksDigest { get; private set; } = "";

    public string ProbeBinary { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        HooksDigest = await StaticPrograms.TestHooksImageAsync();
        ProbeBinary = await StaticPrograms.ProbeBinaryAsync();
        Directory.CreateDirectory(DataDirectory);
        Engine = NewEngine(Options());
    }

    public ContainerHostOptions Options() => new()
    {
        ScratchDirectory = ScratchDirectory,
        DataDirectory = DataDirectory,
        ClusterId = ClusterId,
        ProbeBinary = ProbeBinary,
    };

    public static ContainerEngine NewEngine(ContainerHostOptions options) => new(options, TimeProvider.System, NullLogger<ContainerEngine>.Instance);

    /// <summary>An attempt of the record contract with the test hooks, configured by <paramref name="config"/>.</summary>
    public ContainerJob Job(string config, HookLimits? limits = null, IReadOnlyList<InputFile>? files = null, long maxOutputBytes = 1 << 20, int maxOutputFiles = 100, string? digest = null)
    {
        int serial = Interlocked.Increment(ref _serial);
        HookDefinition hook = new(
            StaticPrograms.TestHooksReference,
            digest ?? HooksDigest,
            JsonNode.Parse(config)!.AsObject(),
            limits ?? new HookLimits(60, 128 << 20, 1, 64),
            new HookManifest("test_hook", "anything", HookContract.Record, FeatureCardinality.Many, []));
        return ContainerJob.ForRecord(
            $"osa-{ClusterId}-{serial}-1",
            new JobLabels($"run{serial}", "test_hook", "0", 1),
            hook,
            Encoding.UTF8.GetBytes("""{"srn":"urn:osa:localhost:dep:0001","metadata":{"organism":"human"}}"""),
            Encoding.UTF8.GetBytes(config),
            files ?? [],
            maxOutputBytes,
            maxOutputFiles);
    }

    /// <summary>An attempt of the source contract with the test hooks, which may reach nothing but public addresses unless <paramref name="egress"/> says so.</summary>
    public ContainerJob SourceJob(string config, EgressPolicy? egress = null, string? digest = null, long maxOutputBytes = 1 << 20, int maxOutputFiles = 100)
    {
        int serial = Interlocked.Increment(ref _serial);
        return ContainerJob.ForSource(
            $"osa-{ClusterId}-s{serial}-1",
            new JobLabels($"run{serial}", "source", "0", 1),
            StaticPrograms.TestHooksReference,
            digest ?? HooksDigest,
            new HookLimits(60, 128 << 20, 1, 64),
            new Dictionary<string, string> { ["OSA_SINCE"] = "2026-01-01" },
            new Dictionary<string, ReadOnlyMemory<byte>> { ["config.json"] = Encoding.UTF8.GetBytes(config) },
            egress ?? new EgressPolicy([], [], []),
            maxOutputBytes,
            maxOutputFiles);
    }

    public async Task<PreparedContainer> PrepareAsync(ContainerJob job) =>
        Assert.IsType<PreparedContainer>(await Engine.PrepareAsync(job, TestContext.Current.CancellationToken));

    public Task<ContainerOutcome> RunAsync(PreparedContainer container) =>
        Engine.RunAsync(container, _ => Task.CompletedTask, TestContext.Current.CancellationToken);

    /// <summary>Prepares and runs; the container and its directory are still there afterwards.</summary>
    public async Task<ContainerOutcome> RunAsync(ContainerJob job) => await RunAsync(await PrepareAsync(job));

    /// <summary>The verdict over a job that is run and removed.</summary>
    public async Task<HookVerdict> JudgeAsync(ContainerJob job)
    {
        ContainerOutcome outcome = await RunAsync(job);
        await Engine.RemoveAsync(job.Name, outcome.ContainerId, TestContext.Current.CancellationToken);
        return HookVerdict.Decide(outcome.Evidence(job.Limits, recordedKill: null, lostBefore: false));
    }

    public async ValueTask DisposeAsync()
    {
        foreach (OwnedContainer left in await Engine.ListOwnedAsync(CancellationToken.None))
            await Engine.RemoveAsync(left.Name, left.Id, CancellationToken.None);
        foreach (string name in Engine.ListScratch().Concat(await Engine.ListNetworksAsync(CancellationToken.None)))
            await Engine.RemoveAsync(name, null, CancellationToken.None);
        await Engine.DisposeAsync();
        Docker.Dispose();
        Directory.Delete(DataDirectory, recursive: true);
    }
}
