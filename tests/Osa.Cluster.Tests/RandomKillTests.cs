using System.Diagnostics;
using System.Text.Json.Nodes;
using Osa.Client;
using Osa.Client.Depositions;
using Osa.Testing;

namespace Osa.Cluster.Tests;

/// <summary>
/// Node, PostgreSQL, engine and containers are killed at random under load: what was acknowledged has its verdict at the end, and nothing else is there.
/// </summary>
public sealed class RandomKillTests(ITestOutputHelper output)
{
    private const int Submitters = 4;
    private const int MostOpen = 16;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(5);

    // OSA_TESTS_SECONDS for another length.
    private static TimeSpan Length => TimeSpan.FromSeconds(
        int.TryParse(Environment.GetEnvironmentVariable("OSA_TESTS_SECONDS"), out int seconds) ? seconds : TestLength.IsLong ? 3_600 : 180);

    // Between two kills a quarter of it to five quarters.
    private static readonly TimeSpan Pause = TimeSpan.FromSeconds(TestLength.IsLong ? 4 : 7);

    private readonly Dictionary<string, int> _kills = [];
    private readonly List<(Draft Draft, Guid Run, bool IsRejected)> _acknowledged = [];

    [Fact]
    public async Task After_random_kills_under_load_every_acknowledged_submission_has_its_verdict_and_every_record_its_rows()
    {
        await using PostgresServer server = await PostgresServer.StartAsync(durable: true);
        using var sockets = new TempDirectory();
        await using EngineProxy engine = await EngineProxy.StartAsync(sockets["docker.sock"]);
        await using TestCluster cluster = await TestCluster.CreateAsync(TestCluster.QuickProbe, await server.NewDatabaseAsync());
        cluster.Engine = engine.Address;
        await cluster.ExplainAsync(async () =>
        {
            await cluster.StartAsync(TestCluster.Both);
            string convention = await cluster.RegisterAsync("killed");
            using var over = new CancellationTokenSource(Length);
            Task load = Task.WhenAll(Enumerable.Range(0, Submitters).Select(i => SubmitAsync(cluster, convention, new Random(TestLength.Seed + i), over.Token)));
            await KillAsync(cluster, server, engine, new Random(TestLength.Seed), over.Token);
            await load;
            await cluster.RestartDeadAsync();

            string[] expected = [.. _acknowledged.Select(a => $"{a.Run} {(a.IsRejected ? "rejected" : "passed")}").Order()];
            string[] found = [];
            await Eventually.True(
                async () => (found = [.. (await cluster.ReadAsync("select id || ' ' || status from osa.validation_runs", r => r.GetString(0))).Order()]).SequenceEqual(expected),
                Patience,
                () => $"of {expected.Length} submissions have not ended as they should:\n{string.Join('\n', found.Except(expected).Concat(expected.Except(found).Select(e => "expected " + e)).Take(20))}\n{cluster.Logs()}");
            await ClusterInvariants.CheckAsync(cluster, [.. _acknowledged.Where(a => !a.IsRejected).Select(a => a.Draft)]);
        });
        string kills = string.Join(", ", _kills.Select(k => $"{k.Value} x {k.Key}"));
        output.WriteLine($"seed {TestLength.Seed}, {Length.TotalSeconds} s: {_acknowledged.Count} submissions; {kills}");
        FaultReport.Add($"killed at random for {Length.TotalSeconds} s: {kills}", $"{_acknowledged.Count} acknowledged submissions, all of them ended as they should, each record with its rows, nothing left");
    }

    // As somebody who needs it done: whatever breaks, the same key is sent again until there is an answer.
    private async Task SubmitAsync(TestCluster cluster, string convention, Random random, CancellationToken over)
    {
        while (!over.IsCancellationRequested)
        {
            // More than can run at a time, and no more than that is over soon after the last kill.
            await Eventually.True(
                // Where a start takes longer than the time to the next kill, nothing ends before the last of them.
                async () => await cluster.ScalarAsync<long>("select count(*) from osa.validation_runs where status in ('pending', 'running')") <= MostOpen, Length + Patience, () => "the runs do not end\n" + cluster.Logs());

            bool isRejected = random.Next(5) == 0;
            int rows = random.Next(9);
            string behaviour = isRejected ? """{"do":"reject","message":"not this one"}""" : ConventionDocuments.Rows(rows, random.NextDouble());
            Draft? draft = null;
            while (draft is null && !over.IsCancellationRequested)
            {
                try
                {
                    DepositionHandle handle = await cluster.Silos[0].Client.Depositions.CreateAsync(convention, new JsonObject { ["behaviour"] = behaviour }, cancellationToken: over);
                    draft = new Draft(handle.Srn, rows, Guid.NewGuid().ToString("N"));
                }
                catch (Exception e) when (e is OsaClientException { IsTransient: true } or OperationCanceledException)
                {
                    // One that nobody submits stays a draft.
                }
            }

            var waited = Stopwatch.StartNew();
            while (draft is not null)
            {
                try
                {
                    Guid run = await TestCluster.SubmitAsync(cluster.Silos[0], draft);
                    lock (_acknowledged)
                    {
                        _acknowledged.Add((draft, run, isRejected));
                    }

                    draft = null;
                }
                catch (OsaClientException e) when (e.IsTransient && waited.Elapsed < Patience)
                {
                    // Again.
                }
            }
        }
    }

    private async Task KillAsync(TestCluster cluster, PostgresServer server, EngineProxy engine, Random random, CancellationToken over)
    {
        while (!over.IsCancellationRequested)
        {
            await Task.Delay(Pause * (0.25 + random.NextDouble()), over).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            string what = random.Next(10) switch { < 4 => "node", < 6 => "PostgreSQL", < 7 => "engine", _ => "container" };
            switch (what)
            {
                case "node":
                    await cluster.Silos[0].Process.KillAsync();
                    await cluster.RestartDeadAsync();
                    break;
                case "PostgreSQL":
                    await server.RestartAsync();
                    break;
                case "engine":
                    engine.Leave();
                    await RemoveAsync("kill", [.. (await cluster.ContainersAsync()).Select(c => c.Id)]);
                    await Task.Delay(TimeSpan.FromSeconds(random.NextDouble() * 3));
                    engine.Return();
                    break;
                default:
                    // Not the same run's twice in a row: that would be the hook's own fault.
                    string[] first = [.. (await cluster.ContainersAsync()).Where(c => c.Name.EndsWith("-1", StringComparison.Ordinal)).Select(c => c.Id)];
                    if (first.Length == 0)
                    {
                        continue;
                    }

                    string[] how = random.Next(2) == 0 ? ["kill"] : ["rm", "--force"];
                    await RemoveAsync(how[0], [.. how[1..], first[random.Next(first.Length)]]);
                    break;
            }

            _kills[what] = _kills.GetValueOrDefault(what) + 1;
            if (!cluster.Silos[0].IsUp)
            {
                await cluster.RestartDeadAsync();
            }
        }
    }

    // It may have ended in the meantime.
    private static async Task RemoveAsync(string verb, string[] arguments)
    {
        if (arguments.Length > 0)
        {
            await Unprivileged.RunAsync(["docker", verb, .. arguments]);
        }
    }
}
