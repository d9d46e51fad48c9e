using Osa.Testing;

namespace Osa.Cluster.Tests;

public sealed class BurstTests
{
    [Fact]
    public Task Of_a_burst_of_depositions_each_becomes_one_record_with_all_of_its_rows_although_a_silo_is_killed_in_the_middle() => TestLength.RepeatAsync(async () =>
    {
        int count = TestLength.IsLong ? 300 : 30;
        await using TestCluster cluster = await TestCluster.CreateAsync(TestCluster.QuickProbe);
        await cluster.ExplainAsync(async () =>
        {
            await cluster.StartAsync(TestCluster.Both, TestCluster.Both);
            string convention = await cluster.RegisterAsync("burst");
            var drafts = new List<Draft>();
            foreach (int[] some in Enumerable.Range(0, count).Chunk(20))
            {
                drafts.AddRange(await Task.WhenAll(some.Select(i => cluster.DraftAsync(cluster.Silos[i % 2], convention, rows: i % 9))));
            }

            Task<Guid[]> submitted = Task.WhenAll(drafts.Select(d => cluster.SubmitPersistentlyAsync(d)));
            await Eventually.True(
                async () => await cluster.ScalarAsync<long>("select count(*) from osa.records") >= count / 3, TimeSpan.FromMinutes(5), () => "too few records\n" + cluster.Logs());
            await cluster.Silos[0].Process.KillAsync();

            Guid[] runs = await submitted;
            Assert.Equal(count, runs.Distinct().Count());
            foreach (Guid run in runs)
            {
                await cluster.PassedAsync(run, TimeSpan.FromMinutes(10));
            }

            await ClusterInvariants.CheckAsync(cluster, drafts);
        });
    });
}
