using Osa.V1;

namespace Osa.Cluster.Tests;

/// <summary>The kills on the way of a run of one deposition.</summary>
public sealed class KillMatrixTests(KillMatrix.Node node) : KillMatrix(node), IClassFixture<KillMatrix.Node>
{
    public static TheoryData<string, string> Cells => CellsOf("one hook", "two hooks", "rejected");

    [Theory]
    [MemberData(nameof(Cells))]
    public Task A_node_killed_on_the_way_of_a_run_brings_it_to_its_verdict_when_it_is_back(string point, string kind) => KilledAsync(point, kind);

    /// <summary>The second kill finds the container that the first left running, and leaves it so.</summary>
    [Fact]
    public Task A_node_killed_again_while_it_takes_up_a_running_container_takes_it_up_the_next_time() => RepeatAsync(async () =>
    {
        Draft draft = await Cluster.DraftAsync(Cluster.Silos[0], Node.One, rows: 3, afterSeconds: 12);
        var load = new Load([draft], [draft], DepositionStatus.Accepted);
        TestSilo first = Cluster.Silos[0];
        first.Process.Arm("unit.started", "kill");
        Guid run = await Until(() => SubmitAsync(load));
        await EndedAsync(first, "unit.started");

        await Cluster.RestartToDieAsync("unit.adopted");
        await Cluster.RestartDeadAsync();
        await load.CheckAsync(Cluster, run);
        await ClusterInvariants.CheckAsync(Cluster, load.Published);
        await AttemptsAsync(run);
        FaultReport.Add("node killed with -9 at `unit.started`, and its successor at `unit.adopted`", "verdict, one record, each row once, no container run twice, nothing left");
    });
}
