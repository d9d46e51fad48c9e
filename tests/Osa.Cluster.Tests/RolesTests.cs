using System.Net.Sockets;
using Osa.Testing;

namespace Osa.Cluster.Tests;

public sealed class RolesTests
{
    private const int Submissions = 50;

    [Fact]
    public async Task Fifty_submissions_to_an_api_silo_all_run_on_the_other_and_the_api_silo_never_opens_the_engines_socket()
    {
        using var directory = new TempDirectory();
        using var door = new EngineDoor(directory["engine.sock"]);
        await using TestCluster cluster = await TestCluster.CreateAsync(TestCluster.PatientProbe);
        TestSilo containers = await cluster.AddAsync("containers,api");
        TestSilo api = await cluster.AddAsync("api", door.Address);
        await cluster.ExplainAsync(async () =>
        {
            await cluster.WaitUntilReadyAsync();
            string convention = await cluster.RegisterAsync("elsewhere", through: api);

            Draft[] drafts = await Task.WhenAll(Enumerable.Range(0, Submissions).Select(i => cluster.DraftAsync(api, convention, rows: 2 + (i % 3))));
            Guid[] runs = await Task.WhenAll(drafts.Select(d => TestCluster.SubmitAsync(api, d)));
            foreach (Guid run in runs)
            {
                await cluster.PassedAsync(run, TimeSpan.FromMinutes(3));
            }

            Assert.All(
                await cluster.ReadAsync("select owner_silo from osa.validation_runs", r => r.GetString(0)),
                owner => Assert.StartsWith(containers.AddressPrefix, owner, StringComparison.Ordinal));
            await ClusterInvariants.CheckAsync(cluster, drafts);
            Assert.Equal(0, door.Knocks);
        });
    }

    [Fact]
    public async Task The_door_counts_who_knocks()
    {
        using var directory = new TempDirectory();
        using var door = new EngineDoor(directory["engine.sock"]);
        using var visitor = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);

        await visitor.ConnectAsync(new UnixDomainSocketEndPoint(door.Address.LocalPath));

        await Eventually.True(() => door.Knocks == 1, TimeSpan.FromSeconds(10), "nobody was heard");
    }
}
