using Grpc.Core;
using Osa.Client;
using Osa.Testing;

namespace Osa.Cluster.Tests;

/// <summary>PostgreSQL fails, or what it answers is lost.</summary>
public sealed class DatabaseFaultTests : FaultTests
{
    private PostgresServer _server = null!;
    private DatabaseProxy _database = null!;

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        await _database.DisposeAsync();
        await _server.DisposeAsync();
    }

    private protected override async Task<TestCluster> CreateAsync()
    {
        _server = await PostgresServer.StartAsync(durable: true);
        string database = await _server.NewDatabaseAsync();
        _database = new DatabaseProxy(database);
        TestCluster cluster = await TestCluster.CreateAsync(TestCluster.PatientProbe, database);
        cluster.SilosDatabase = _database.ConnectionString;
        return cluster;
    }

    private protected override async Task FailAsync()
    {
        for (int lost = 1; lost <= 3; lost++)
        {
            _database.CommitsToLose = lost;
            await PublishesAsync($"{lost} lost answers to COMMIT");
            Assert.True(_database.CommitsToLose <= 0, "nothing was committed");
            _database.CommitsToLose = 0;
        }

        foreach (string point in (string[])["unit.before_attempt", "unit.before_result"])
        {
            Silo.Process.Arm(point, "wait");
            await PublishesAsync(
                $"3 lost answers to batches that commit by themselves, from `{point}` on",
                async run =>
                {
                    await Silo.Process.FiredAsync(point);
                    _database.BatchesToLose = 3;
                    Silo.Process.Release(point);
                    await Eventually.True(async () => await Cluster.ScalarAsync<long>("select epoch from osa.validation_runs where id = $1", run) > 1, Patience, "the run has not been taken up again");
                    _database.BatchesToLose = 0;
                },
                hookSeconds: 0);
        }

        await PublishesAsync("an attempt whose saving was not acknowledged, of a run that was given up", async _ =>
        {
            // As it stays behind: of the run before, which is final by now.
            Guid last = await Cluster.ScalarAsync<Guid>("select id from osa.validation_runs where status = 'passed' order by id desc limit 1");
            Assert.Equal(2, await SetUnitsAsync(last, "claimed"));
            Assert.Equal(0, await Cluster.ScalarAsync<long>("select count(*) from osa.claims where run_id = $1", last));
            Assert.Equal(2, await SetUnitsAsync(last, "done"));
        });
        await PublishesAsync("a PostgreSQL that restarts while a hook runs", async run =>
        {
            await RunningAsync(run);
            await _server.RestartAsync();
        });
        await PublishesAsync("a PostgreSQL that is read-only until the hook has ended", async run =>
        {
            string name = await RunningAsync(run);
            await _server.SetReadOnlyAsync(true);
            await Eventually.True(RefusedAsync, Patience, "a deposition can be made in a database that is read-only");
            await Eventually.True(
                async () => (await Unprivileged.RunAsync("docker", "inspect", "--format", "{{.State.Running}}", name)).Output.Trim() != "true", Patience, () => $"{name} does not end\n{Cluster.Logs()}");
            await _server.SetReadOnlyAsync(false);
        });
        Silo.Process.Arm("verdict.copied", "wait");
        await PublishesAsync("a PostgreSQL that restarts in the middle of a verdict", async _ =>
        {
            await Silo.Process.FiredAsync("verdict.copied");
            await _server.RestartAsync();
            Silo.Process.Release("verdict.copied");
        });
    }

    private Task<long> SetUnitsAsync(Guid run, string state) =>
        Cluster.ScalarAsync<long>("with u as (update osa.run_units set state = $2 where run_id = $1 returning 1) select count(*) from u", run, state);

    private async Task<bool> RefusedAsync()
    {
        try
        {
            await Silo.Client.Depositions.CreateAsync(Convention);
            return false;
        }
        catch (OsaClientException e) when (e.Code == StatusCode.Unavailable)
        {
            return true;
        }
    }
}
