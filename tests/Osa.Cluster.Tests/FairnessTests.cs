using Grpc.Core;
using Osa.Client;
using Osa.Testing;

namespace Osa.Cluster.Tests;

/// <summary>A convention that floods the queue does not keep another one waiting.</summary>
public sealed class FairnessTests : IAsyncLifetime
{
    private const double Work = 1;

    private TestCluster Cluster { get; set; } = null!;

    // The full flood, as the short one, waits for all slots many times over.
    private static int Flood => TestLength.IsLong ? 1_000 : 60;

    public async ValueTask InitializeAsync()
    {
        Cluster = await TestCluster.CreateAsync(TestCluster.PatientProbe);
        await Cluster.StartAsync(TestCluster.Both);
    }

    public ValueTask DisposeAsync() => Cluster.DisposeAsync();

    [Fact]
    public Task A_single_run_waits_for_no_more_of_a_flood_than_runs_already() => Cluster.ExplainAsync(async () =>
    {
        TestSilo silo = Cluster.Silos[0];
        string flooding = await Cluster.RegisterAsync("flooding");
        string single = await Cluster.RegisterAsync("single");
        Draft[] flood = await Task.WhenAll(Enumerable.Range(0, Flood).Select(_ => Cluster.DraftAsync(silo, flooding, rows: 1, afterSeconds: Work)));
        Draft one = await Cluster.DraftAsync(silo, single, rows: 1);
        Guid[] flooded = await Task.WhenAll(flood.Select(d => TestCluster.SubmitAsync(silo, d)));
        await Eventually.True(
            async () => await Cluster.ScalarAsync<long>("select count(*) from osa.run_units where state = 'claimed'") >= 4,
            TimeSpan.FromMinutes(4),
            () => "the flood does not run\n" + Cluster.Logs());

        long before = await EndedAsync(flooded);
        Guid run = await TestCluster.SubmitAsync(silo, one);
        await Cluster.PassedAsync(run, TimeSpan.FromMinutes(4));
        long meanwhile = await EndedAsync(flooded) - before;

        int slots = (await silo.Client.Node.StatusAsync()).ContainerHosts.Sum(h => h.Slots);
        // What ran when it came, and what could begin and end while it ran itself.
        Assert.True(meanwhile <= 2 * slots, $"{meanwhile} of the flood ended before the single run, with {slots} slots");
        await Task.WhenAll(flooded.Select(async f =>
        {
            try
            {
                await silo.Client.Runs.Handle($"urn:osa:localhost:val:{f}").CancelAsync("the flood is over");
            }
            catch (OsaClientException e) when (e.Code == StatusCode.FailedPrecondition)
            {
                // It had ended by itself.
            }
        }));
        await Eventually.True(
            async () => await EndedAsync(flooded) == Flood,
            TimeSpan.FromMinutes(4),
            () => "the flood is not over\n" + Cluster.Logs());
    });

    private Task<long> EndedAsync(Guid[] runs) =>
        Cluster.ScalarAsync<long>("select count(*) from osa.validation_runs where id = any ($1) and status not in ('pending', 'running')", runs);
}
