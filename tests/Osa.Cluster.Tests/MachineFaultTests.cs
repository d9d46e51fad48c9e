using Osa.Client;
using Osa.Testing;

namespace Osa.Cluster.Tests;

/// <summary>The node's clock is wrong, or its disk is full.</summary>
public sealed class MachineFaultTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    [Fact]
    public async Task A_clock_that_jumps_by_an_hour_in_the_middle_of_a_run_changes_nothing()
    {
        await using TestCluster cluster = await TestCluster.CreateAsync(TestCluster.QuickProbe);
        await TestLength.RepeatAsync(() => cluster.ExplainAsync(async () =>
        {
            if (cluster.Silos.Count == 0)
            {
                await cluster.StartAsync(TestCluster.Both, TestCluster.Both);
                await cluster.RegisterAsync("clock");
            }

            foreach (string offset in (string[])["3600", "-3600", "0"])
            {
                Draft draft = await cluster.DraftAsync(cluster.Silos[0], "clock", rows: 3, afterSeconds: 2);
                Guid run = await cluster.SubmitPersistentlyAsync(draft);
                await Eventually.True(
                    async () => await cluster.ScalarAsync<long>("select count(*) from osa.run_units where run_id = $1 and state = 'claimed'", run) == 1, Patience, () => "no container was claimed\n" + cluster.Logs());
                // Of one of the two alone: they also differ from each other by an hour then.
                SetClock((await cluster.OwnerAsync(run)).Owner!, offset);
                await cluster.PassedAsync(run, Patience);
                await ClusterInvariants.CheckAsync(cluster, [draft]);
                FaultReport.Add($"clock of one of two silos wrong by {offset} s from the middle of its run on", "verdict, one record, both silos live");
            }

            Assert.All(cluster.Silos, s => Assert.True(s.IsUp, "a silo ended because of its clock"));
        }));
    }

    [Fact]
    public async Task While_the_disk_is_full_runs_wait_and_uploads_are_refused_and_afterwards_everything_goes_on()
    {
        Assert.SkipUnless(Unprivileged.IsPossible, "only root can mount a small disk");
        await using TestCluster cluster = await TestCluster.CreateAsync(TestCluster.PatientProbe);
        byte[] key = await File.ReadAllBytesAsync(Path.Combine(cluster.Data, "secrets", "signing.key"));
        await MountAsync("mount", "-t", "tmpfs", "-o", "size=64m,mode=755", "tmpfs", cluster.Data);
        try
        {
            Directory.CreateDirectory(Path.Combine(cluster.Data, "secrets"));
            await File.WriteAllBytesAsync(Path.Combine(cluster.Data, "secrets", "signing.key"), key);
            File.SetUnixFileMode(Path.Combine(cluster.Data, "secrets", "signing.key"), UnixFileMode.UserRead | UnixFileMode.UserWrite);
            await cluster.ExplainAsync(() => FillAsync(cluster));
        }
        finally
        {
            await Task.WhenAll(cluster.Silos.Where(s => s.IsUp).Select(s => s.Process.KillAsync()));
            await MountAsync("umount", cluster.Data);
        }
    }

    private static async Task FillAsync(TestCluster cluster)
    {
        await cluster.StartAsync(TestCluster.Both);
        await cluster.Silos[0].Client.Conventions.RegisterAsync(ConventionDocuments.WithFiles("full", cluster.HooksImage, "full"));
        Draft draft = await cluster.DraftAsync(cluster.Silos[0], "full", rows: 5);
        string filler = Path.Combine(cluster.Data, "filler");
        (_, string said) = await Unprivileged.RunAsync("dd", "if=/dev/zero", $"of={filler}", "bs=64k");
        Assert.Contains("No space left", said, StringComparison.Ordinal);

        OsaClientException refused = await Assert.ThrowsAsync<OsaClientException>(
            () => cluster.Silos[0].Client.Depositions.Handle(draft.Srn).UploadAsync("big.bin", new MemoryStream(new byte[1 << 20]), "application/octet-stream"));
        Assert.True(refused.Code is Grpc.Core.StatusCode.ResourceExhausted or Grpc.Core.StatusCode.Unavailable, refused.ToString());
        Guid run = await cluster.SubmitPersistentlyAsync(draft);
        await Eventually.True(
            async () => await cluster.ScalarAsync<int>("select setbacks from osa.validation_runs where id = $1", run) > 0, Patience, () => "the run does not say that it was set back\n" + cluster.Logs());
        File.Delete(filler);

        await cluster.PassedAsync(run, Patience);
        await ClusterInvariants.CheckAsync(cluster, [draft]);
        Assert.Empty((await cluster.Silos[0].Client.Depositions.Handle(draft.Srn).GetAsync()).Files);
        FaultReport.Add("data directory full", "an upload is refused and leaves nothing, the run waits and then passes");
    }

    private static async Task MountAsync(params string[] command)
    {
        (int code, string output) = await Unprivileged.RunAsync(command);
        Assert.True(code == 0, output);
    }

    // Whole at once: the silo reads it all the time.
    private static void SetClock(TestSilo silo, string seconds)
    {
        string file = Path.Combine(silo.Process.FaultDirectory, "clock");
        File.WriteAllText(file + ".new", seconds);
        File.Move(file + ".new", file, overwrite: true);
    }
}
