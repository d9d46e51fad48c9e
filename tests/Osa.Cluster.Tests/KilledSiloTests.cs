using System.Diagnostics;
using Osa.Testing;

namespace Osa.Cluster.Tests;

public sealed class KilledSiloTests(PairOfSilos pair) : IClassFixture<PairOfSilos>
{
    private static readonly TimeSpan Takeover = TimeSpan.FromSeconds(10);

    private TestCluster Cluster => pair.Cluster;

    [Fact]
    public Task When_the_owner_of_a_run_is_killed_the_other_silo_owns_it_within_10_seconds_and_adopts_its_container() => TestLength.RepeatAsync(() => Cluster.ExplainAsync(async () =>
    {
        Draft draft = await Cluster.DraftAsync(Cluster.Silos[0], pair.Convention, rows: 5, afterSeconds: 12);
        Guid run = await TestCluster.SubmitAsync(Cluster.Silos[0], draft);
        string container = await Eventually.Value(RunningContainerAsync, TimeSpan.FromSeconds(60), () => "no container runs\n" + Cluster.Logs());
        (TestSilo? owner, long epoch) = await Cluster.OwnerAsync(run);
        TestSilo heir = pair.Other(owner!);

        var sinceDeath = Stopwatch.StartNew();
        await owner!.Process.KillAsync();
        await Eventually.True(
            async () => await Cluster.OwnerAsync(run) is { Owner: { } now, Epoch: var claimed } && now == heir && claimed > epoch,
            Takeover,
            () => "the other silo does not own the run\n" + Cluster.Logs());
        TestContext.Current.SendDiagnosticMessage($"owned again {sinceDeath.Elapsed.TotalSeconds:F1} s after the kill");

        await Cluster.PassedAsync(run, TimeSpan.FromMinutes(4));
        Assert.Equal((1, container), Assert.Single(await Cluster.ReadAsync(
            "select attempt, container_id from osa.run_units where run_id = $1", r => (r.GetInt32(0), r.GetString(1)), run)));
        await Cluster.RestartDeadAsync();
        await ClusterInvariants.CheckAsync(Cluster, [draft]);
    }));

    private async Task<string?> RunningContainerAsync() =>
        await Cluster.ContainersAsync() is [{ Id: var id }]
        && (await Unprivileged.RunAsync("docker", "inspect", "--format", "{{.State.Status}}", id)).Output.Trim() == "running" ? id : null;
}
