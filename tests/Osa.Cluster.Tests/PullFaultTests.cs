using System.Diagnostics;
using Osa.Testing;
using Osa.V1;

namespace Osa.Cluster.Tests;

/// <summary>Pulls whose silos are killed: every record is taken and published, once.</summary>
public sealed class PullFaultTests
{
    // Beside the other tests of the short form a start takes long; a reminder, which nobody waits for, comes after a minute.
    private static readonly TimeSpan Takeover = TimeSpan.FromSeconds(TestLength.IsLong ? 15 : 45);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(TestLength.IsLong ? 600 : 300);

    // On the way of a pull of two chunks, in this order; in the short form every other one.
    private static readonly string[] Points =
    [
        .. ((string[])[
            "pull.claimed", "pull.before_attempt", "unit.staged", "unit.created", "unit.started", "pull.exited", "pull.end_saved", "pull.before_batch", "pull.before_commit", "pull.committed", "pull.chunk_finished",
            "pull.before_end",
        ]).Where((_, i) => TestLength.IsLong || i % 2 == 0),
    ];

    private TestCluster Cluster { get; set; } = null!;

    [Fact]
    public Task Of_two_silos_one_after_the_other_is_killed_while_a_source_is_pulled_and_every_record_is_there_once() => WithClusterAsync(TestCluster.QuickProbe, null, null, async () =>
    {
        (int records, int chunk, double seconds, int kills) = TestLength.IsLong ? (5_000, 500, 90, 10) : (400, 100, 16, 3);
        await Cluster.StartAsync(TestCluster.Both, TestCluster.Both);
        string id = await RegisterAsync(records, chunk, seconds, batchSize: chunk / 2);
        Pull pull = await Cluster.Silos[0].Client.Sources.RunAsync(id);
        var random = new Random(TestLength.Seed);
        int killed = 0;
        // On a slow machine the pull is over before the last kill.
        for (; killed < kills && await Eventually.Value(() => OwnerAsync(pull.Id), Takeover, () => "no living silo drives the pull\n" + Cluster.Logs()) is { Over: false } owner; killed++)
        {
            // The moment is what is drawn.
            await Task.Delay(TimeSpan.FromSeconds(random.NextDouble() * seconds / (kills + 1)));
            bool isOwner = random.Next(3) > 0;
            TestSilo victim = isOwner ? owner.Silo! : Cluster.Silos.Single(s => s != owner.Silo);
            var since = Stopwatch.StartNew();
            await victim.Process.KillAsync();
            if (isOwner)
            {
                await Eventually.True(
                    async () => await OwnerAsync(pull.Id) is { } heir && (heir.Over || heir.Epoch > owner.Epoch),
                    Takeover,
                    () => "nobody takes the pull over\n" + Cluster.Logs());
                TestContext.Current.SendDiagnosticMessage($"taken over {since.Elapsed.TotalSeconds:F1} s after the kill");
            }

            await Cluster.RestartDeadAsync();
        }

        Assert.True(killed > 0, "the pull was over before the first kill");
        await CheckAsync(id, pull.Id, records);
        FaultReport.Add($"one of two silos killed with -9, {killed} times, while {records} records are pulled (seed {TestLength.Seed})", $"each record once, with its file and row; taken over within {Takeover.TotalSeconds} s; nothing left");
    });

    [Fact]
    public Task A_node_killed_at_every_step_of_one_pull_takes_everything_once() => WithClusterAsync(TestCluster.QuickProbe, null, null, async () =>
    {
        await Cluster.StartAsync(TestCluster.Both);
        string id = await RegisterAsync(40, 20, 0, batchSize: 10);
        TestSilo first = Cluster.Silos[0];
        first.Process.Arm(Points[0], "kill");
        Pull pull = await first.Client.Sources.RunAsync(id);
        await Eventually.True(() => Task.FromResult(!first.IsUp), Patience, () => $"the silo never got to {Points[0]}\n{Cluster.Logs()}");
        foreach (string point in Points.Skip(1))
        {
            await Cluster.RestartToDieAsync(point);
        }

        await Cluster.RestartDeadAsync();
        await CheckAsync(id, pull.Id, 40);
        FaultReport.Add($"node killed with -9 {Points.Length} times in one pull: at `{string.Join("`, `", Points)}`", "each record once, with its file and row; nothing left");
    });

    [Fact]
    public async Task A_PostgreSQL_that_restarts_and_an_answer_to_COMMIT_that_is_lost_cost_a_pull_nothing()
    {
        await using PostgresServer server = await PostgresServer.StartAsync(durable: true);
        string database = await server.NewDatabaseAsync();
        await using var proxy = new DatabaseProxy(database);
        await WithClusterAsync(TestCluster.PatientProbe, database, proxy.ConnectionString, async () =>
        {
            await Cluster.StartAsync(TestCluster.Both);
            string id = await RegisterAsync(60, 20, 0, batchSize: 10);
            TestSilo silo = Cluster.Silos[0];
            silo.Process.Arm("pull.before_commit", "wait");
            Pull pull = await silo.Client.Sources.RunAsync(id);
            await silo.Process.FiredAsync("pull.before_commit");
            await server.RestartAsync();
            silo.Process.Release("pull.before_commit");
            silo.Process.Arm("pull.end_saved", "wait");
            await silo.Process.FiredAsync("pull.end_saved");
            proxy.CommitsToLose = 3;
            silo.Process.Release("pull.end_saved");

            await CheckAsync(id, pull.Id, 60);
            Assert.True(proxy.CommitsToLose <= 0, "nothing was committed");
            FaultReport.Add("PostgreSQL restarted, and three answers to COMMIT lost, in the middle of a pull", "each record once, with its file and row; nothing left");
        });
    }

    /// <param name="silosDatabase">Where silos find the database, if not where the test does.</param>
    private Task WithClusterAsync(double probeSeconds, string? database, string? silosDatabase, Func<Task> test) => TestLength.RepeatAsync(async () =>
    {
        await using TestCluster cluster = await TestCluster.CreateAsync(probeSeconds, database);
        (Cluster, cluster.SilosDatabase) = (cluster, silosDatabase);
        await cluster.ExplainAsync(test);
    });

    private async Task<string> RegisterAsync(int records, int chunk, double seconds, int batchSize)
    {
        string id = "pulled-" + Guid.NewGuid().ToString("N")[..8];
        await Cluster.Silos[0].Client.Conventions.RegisterAsync(ConventionDocuments.Sourced(id, Cluster.HooksImage, records, chunk, seconds, batchSize));
        return id;
    }

    // Null while no living silo has a pull that is not over.
    private async Task<Owner?> OwnerAsync(string pull)
    {
        (string? address, long epoch, bool over) = (await Cluster.ReadAsync(
            "select owner_silo, epoch, status not in ('pending', 'running') from osa.pulls where id::text = $1", r => (r.IsDBNull(0) ? null : r.GetString(0), r.GetInt64(1), r.GetBoolean(2)), pull)).Single();
        TestSilo? silo = Cluster.Silos.FirstOrDefault(s => s.IsUp && address?.StartsWith(s.AddressPrefix, StringComparison.Ordinal) == true);
        return over || silo is not null ? new Owner(silo, epoch, over) : null;
    }

    private async Task CheckAsync(string id, string pullId, int records)
    {
        Pull pull = new();
        await Eventually.True(
            async () => (pull = await Cluster.Silos.First(s => s.IsUp).Client.Sources.GetPullAsync(pullId)).Settled,
            Patience,
            () => $"the pull does not end: {pull}\n{Cluster.Logs()}");
        await ClusterInvariants.CheckAsync(Cluster, []);
        Assert.True(pull.Status == PullStatus.Completed, pull.ToString());
        Assert.Equal((records, records, 0, 0), (pull.Counts.Taken, pull.Counts.Published, pull.Counts.Unchanged, pull.Counts.Quarantined));
        Assert.Equal(
            $"{records} {records} {records} {records} {records}",
            await Cluster.ScalarAsync<string>(
                $"""
                select concat_ws(' ', count(*), count(distinct r.id), count(distinct d.source_id), (select count(*) from osa.record_files f where f.size = 500), (select count(*) from features."{ConventionDocuments.TableOf(id)}"))
                from osa.records r join osa.depositions d on d.id = r.deposition_id where r.convention_id = $1
                """,
                id));
        Assert.Equal(0, await Cluster.ScalarAsync<long>("select count(*) from osa.record_files f join osa.records r on r.srn = f.record_srn where f.sha256 <> encode(sha256(convert_to(rpad((select source_id from osa.depositions d where d.id = r.deposition_id) || ' a ', 500, '.'), 'UTF8')), 'hex')"));
        Assert.Equal(1, await Cluster.ScalarAsync<long>("select count(*) from osa.pulls"));
    }

    private sealed record Owner(TestSilo? Silo, long Epoch, bool Over);
}
