namespace Osa.Cluster.Tests;

/// <summary>Two silos on one container engine that notice each other's silence soon, and one convention; what a test ends is started again for the next.</summary>
public sealed class PairOfSilos : IAsyncLifetime
{
    internal TestCluster Cluster { get; private set; } = null!;

    internal string Convention { get; private set; } = null!;

    public async ValueTask InitializeAsync()
    {
        Cluster = await TestCluster.CreateAsync(TestCluster.QuickProbe);
        await Cluster.StartAsync(TestCluster.Both, TestCluster.Both);
        Convention = await Cluster.RegisterAsync("faults");
    }

    public ValueTask DisposeAsync() => Cluster.DisposeAsync();

    internal TestSilo Other(TestSilo silo) => Cluster.Silos.Single(s => s != silo);
}
