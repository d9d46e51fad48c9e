using Osa.Testing;

namespace Osa.Cluster.Tests;

public sealed class StartTests
{
    [Fact]
    public Task Silos_that_start_at_the_same_moment_on_an_empty_database_migrate_it_once_and_all_come_up() => TestLength.RepeatAsync(async () =>
    {
        await using TestCluster cluster = await TestCluster.CreateAsync(TestCluster.PatientProbe);
        await cluster.ExplainAsync(async () =>
        {
            await cluster.StartAsync("api", TestCluster.Both, TestCluster.Both);

            Assert.Empty(await cluster.ReadAsync("select scriptname from osa.migrations group by scriptname having count(*) > 1", r => r.GetString(0)));
            Assert.Equal(1, await cluster.ScalarAsync<long>("select count(*) from osa.node"));
            Assert.Equal(3, await cluster.ScalarAsync<long>("select count(*) from orleans.membership where status = 3"));
            string convention = await cluster.RegisterAsync("first");
            Draft draft = await cluster.DraftAsync(cluster.Silos[0], convention, rows: 3);
            await cluster.PassedAsync(await TestCluster.SubmitAsync(cluster.Silos[0], draft), TimeSpan.FromMinutes(2));
            await ClusterInvariants.CheckAsync(cluster, [draft]);
        });
    });
}
