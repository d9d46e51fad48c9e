using Osa.Client;
using Osa.Testing;

namespace Osa.Cluster.Tests;

/// <summary>A silo stops (as a machine does that is suspended) between reading and committing, its successor takes over, and it wakes up again.</summary>
public sealed class PausedSiloTests(PairOfSilos pair) : IClassFixture<PairOfSilos>
{
    private const int LongCells = 50;

    // Far from every other deadline on the way, of which declaring a silo dead is the longest.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    private static readonly string[] Points =
        ["submit.before_write", "submit.before_commit", "unit.before_attempt", "unit.before_result", "verdict.before_write", "verdict.copied", "verdict.before_commit"];

    // Of the short form: in a submit, between container and result, and in the middle of a COPY.
    private static readonly string[] Some = ["submit.before_commit", "unit.before_result", "verdict.copied"];

    private TestCluster Cluster => pair.Cluster;

    public static TheoryData<string> EveryPoint => TestLength.IsLong ? [.. Points] : [.. Some];

    /// <summary>Drawn with the seed, in the long form alone. Half of them wake before, while or shortly after they are declared dead.</summary>
    public static TheoryData<int, string, double?> FiftySleeps
    {
        get
        {
            var random = new Random(TestLength.Seed);
            var sleeps = new TheoryData<int, string, double?>();
            for (int i = 0; i < (TestLength.IsLong ? LongCells : 0); i++)
            {
                sleeps.Add(random.Next(), Points[random.Next(Points.Length)], random.Next(2) == 0 ? null : Math.Round(random.NextDouble() * 10, 1));
            }

            return sleeps;
        }
    }

    public static TheoryData<string> NinetySeconds => TestLength.IsLong ? ["unit.started", "verdict.copied"] : [];

    [Theory]
    [MemberData(nameof(EveryPoint))]
    public Task A_silo_that_sleeps_through_the_work_of_its_successor_changes_nothing_when_it_wakes(string point)
    {
        var random = new Random(TestLength.Seed);
        return TestLength.RepeatAsync(() => Cluster.ExplainAsync(() => PauseAsync(point, wakeAfter: null, random)));
    }

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(FiftySleeps))]
    public Task A_silo_that_sleeps_somewhere_for_some_time_loses_nothing_and_does_nothing_twice(int seed, string point, double? seconds) =>
        Cluster.ExplainAsync(() => PauseAsync(point, seconds is { } s ? TimeSpan.FromSeconds(s) : null, new Random(seed)));

    [Theory(SkipTestWithoutData = true)]
    [MemberData(nameof(NinetySeconds))]
    public Task A_silo_that_sleeps_for_ninety_seconds_in_the_middle_changes_nothing(string point) =>
        Cluster.ExplainAsync(() => PauseAsync(point, TimeSpan.FromSeconds(90), new Random(TestLength.Seed)));

    /// <param name="wakeAfter">How long the silo sleeps; null: until its successor has brought the run to its verdict.</param>
    private async Task PauseAsync(string point, TimeSpan? wakeAfter, Random random)
    {
        await Cluster.RestartDeadAsync();
        Draft draft = await Cluster.DraftAsync(Cluster.Silos[random.Next(2)], pair.Convention, rows: 7, afterSeconds: 0.2);
        foreach (TestSilo silo in Cluster.Silos)
        {
            silo.Process.Arm(point, "stop");
        }

        Task<Guid?> submitted = TrySubmitAsync(Cluster.Silos[random.Next(2)], draft);
        TestSilo sleeper = await FiredAsync(point);
        Guid run;
        if (wakeAfter is { } nap)
        {
            await Task.Delay(nap);
            sleeper.Process.Signal("CONT");
            run = await Cluster.SubmitPersistentlyAsync(draft);
        }
        else
        {
            run = await Cluster.SubmitPersistentlyAsync(draft, except: sleeper);
            await Cluster.PassedAsync(run, Patience);
            Assert.NotEqual(sleeper, (await Cluster.OwnerAsync(run)).Owner);
            sleeper.Process.Signal("CONT");
        }

        await SettleAsync(sleeper);
        await Cluster.RestartDeadAsync();
        await Cluster.PassedAsync(run, Patience);
        Assert.Equal(run, await submitted ?? run);
        await ClusterInvariants.CheckAsync(Cluster, [draft]);
        FaultReport.Add(
            $"silo stopped at `{point}` and woken {(wakeAfter is null ? "after its successor's verdict" : $"after {wakeAfter.Value.TotalSeconds:F1} s")}", "nothing lost, nothing twice, nothing of the successor's removed");
    }

    /// <summary>The silo that got to the point; the others may pass it from now on.</summary>
    private async Task<TestSilo> FiredAsync(string point)
    {
        TestSilo stopped = await Eventually.Value(
            () => Task.FromResult(Cluster.Silos.FirstOrDefault(s => File.Exists(Path.Combine(s.Process.FaultDirectory, point + ".fired")))),
            Patience,
            () => $"no silo got to {point}\n{Cluster.Logs()}");
        foreach (TestSilo silo in Cluster.Silos)
        {
            File.Delete(Path.Combine(silo.Process.FaultDirectory, point));
            File.Delete(Path.Combine(silo.Process.FaultDirectory, point + ".fired"));
        }

        return stopped;
    }

    /// <summary>Until the woken silo has done whatever it was about to do: it has ended, or it goes on as a member of the cluster.</summary>
    private Task SettleAsync(TestSilo silo) => Eventually.True(
        async () => !silo.IsUp || (!await Cluster.IsDeclaredDeadAsync(silo) && await AnswersAsync(silo)),
        Patience,
        () => $"silo {silo.Port} was declared dead, was woken, and neither ends nor works\n{Cluster.Logs()}");

    private static async Task<bool> AnswersAsync(TestSilo silo)
    {
        try
        {
            await silo.Client.Node.StatusAsync();
            return true;
        }
        catch (OsaClientException)
        {
            return false;
        }
    }

    private static async Task<Guid?> TrySubmitAsync(TestSilo silo, Draft draft)
    {
        try
        {
            return await TestCluster.SubmitAsync(silo, draft);
        }
        catch (OsaClientException e) when (e.IsTransient)
        {
            return null;
        }
    }
}
