using Osa.Testing;

namespace Osa.Cluster.Tests;

/// <summary>What a node needs fails under a run, once and in a known way: the run ends as it would have without.</summary>
public abstract class FaultTests : IAsyncLifetime
{
    private protected const string Convention = "faults";

    // So long that whoever sees one run can still do something to it, on the slowest machine.
    private const double HookSeconds = 5;
    private protected static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    private protected TestCluster Cluster { get; private set; } = null!;

    private protected TestSilo Silo => Cluster.Silos[0];

    public async ValueTask InitializeAsync()
    {
        Cluster = await CreateAsync();
        await Cluster.StartAsync(TestCluster.Both);
        await Silo.Client.Conventions.RegisterAsync(ConventionDocuments.Of(Convention, Cluster.HooksImage, "faults_one", "faults_two"));
    }

    public virtual async ValueTask DisposeAsync()
    {
        await Cluster.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    /// <summary>One node for all of them, one after the other: each also finds what the one before it left.</summary>
    [Fact]
    public Task Whatever_fails_under_a_run_it_ends_as_it_would_have_without() => TestLength.RepeatAsync(() => Cluster.ExplainAsync(FailAsync));

    /// <summary>A node whose surroundings can be made to fail.</summary>
    private protected abstract Task<TestCluster> CreateAsync();

    private protected abstract Task FailAsync();

    /// <summary>A run of two hooks, under which something fails.</summary>
    private protected async Task PublishesAsync(string what, Func<Guid, Task>? fail = null, double hookSeconds = HookSeconds)
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

    // Of the first hook, so that the second has to follow.
    private protected async Task<string> RunningAsync(Guid run)
    {
        string name = await Eventually.Value(
            () => Cluster.ScalarAsync<string>("select container_name from osa.run_units where run_id = $1 and state = 'claimed'", run), Patience, () => "no container was claimed\n" + Cluster.Logs());
        await Eventually.True(
            async () => (await Unprivileged.RunAsync("docker", "inspect", "--format", "{{.State.Running}}", name)).Output.Trim() == "true", Patience, () => $"{name} does not run\n{Cluster.Logs()}");
        return name;
    }
}
