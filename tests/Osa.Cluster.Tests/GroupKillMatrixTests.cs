namespace Osa.Cluster.Tests;

/// <summary>The kills on the way of what a curator approves, of a batch, and of a registration of several tables.</summary>
public sealed class GroupKillMatrixTests(KillMatrix.Node node) : KillMatrix(node), IClassFixture<KillMatrix.Node>
{
    public static TheoryData<string, string> Cells => CellsOf("curated", "batch");

    public static TheoryData<string> OfRegistrations => ["registration.before_tables", "registration.before_commit", "registration.committed"];

    [Theory]
    [MemberData(nameof(Cells))]
    public Task A_node_killed_on_the_way_of_a_curated_run_or_a_batch_brings_it_to_its_verdict_when_it_is_back(string point, string kind) => KilledAsync(point, kind);

    [Theory]
    [MemberData(nameof(OfRegistrations))]
    public Task A_node_killed_while_it_registers_three_tables_has_all_of_them_or_none_and_the_repeated_request_gives_all(string point) => RepeatAsync(async () =>
    {
        string id = "three-" + Guid.NewGuid().ToString("N")[..8];
        string[] tables = [.. new[] { "a", "b", "c" }.Select(t => $"{id.Replace('-', '_')}_{t}")];
        TestSilo killed = Cluster.Silos[0];
        killed.Process.Arm(point, "kill");

        string document = ConventionDocuments.Of(id, Cluster.HooksImage, tables);
        using var gone = new CancellationTokenSource();
        // A client that watches its registration would wait for this node to come back.
        Task lost = killed.Client.Conventions.RegisterAsync(document, cancellationToken: gone.Token);
        await EndedAsync(killed, point);
        await gone.CancelAsync();
        await lost.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await Cluster.RestartDeadAsync();
        await Until(async () => (await Cluster.Silos[0].Client.Conventions.RegisterAsync(document)).Convention.Srn);

        Assert.Equal(3, await Cluster.ScalarAsync<long>("select count(*) from osa.feature_tables where convention_id = $1", id));
        await ClusterInvariants.CheckAsync(Cluster, []);
        FaultReport.Add($"node killed with -9 at `{point}`, in a registration of three tables", "all of them or none, and all once the request is repeated");
    });
}
