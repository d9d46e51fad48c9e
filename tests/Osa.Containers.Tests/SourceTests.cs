using Docker.DotNet.Models;
using Osa.Containers.Output;
using Osa.Domain.Errors;
using Osa.Domain.Validation;

namespace Osa.Containers.Tests;

/// <summary>A source's files, its limits, and its network and gate through crashes.</summary>
public sealed class SourceTests(EngineFixture host)
{
    private const string Hangs = """{"do":"hang"}""";
    private const string Writes = """{"do":"steps","steps":[{"do":"write","file":"records.jsonl","text":"{}"},{"do":"write","file":"/osa/files/a","text":"abc"}]}""";

    [Fact]
    public async Task What_a_source_leaves_in_its_directories_can_be_taken_when_it_has_ended()
    {
        ContainerJob job = host.SourceJob(Writes);

        ContainerOutcome outcome = await host.RunAsync(job);

        Assert.True(outcome.ExitCode == 0, outcome.Log);
        Assert.False(outcome.OutputLimitExceeded);
        Assert.Equal(["a"], outcome.Files!.List("", 10));
        Assert.Equal(["records.jsonl"], host.Engine.OutputOf(job.Name).List("", 10));
        using Stream content = Assert.IsType<OutputFile.Readable>(host.Engine.FilesOf(job.Name).Open("a", 10)).Content;
        Assert.Equal("abc", await new StreamReader(content).ReadToEndAsync());
        await host.Engine.RemoveAsync(job.Name, outcome.ContainerId, default);
        await AssertNothingIsLeftAsync(job);
    }

    [Fact]
    public async Task A_hook_has_no_files_of_its_own()
    {
        ContainerJob job = host.Job("""{"do":"noop"}""");

        ContainerOutcome outcome = await host.RunAsync(job);

        Assert.Null(outcome.Files);
        await host.Engine.RemoveAsync(job.Name, outcome.ContainerId, default);
    }

    [Theory]
    [InlineData("""{"do":"output","kind":"many","count":60,"file":"/osa/files/x"}""", true)]
    [InlineData("""{"do":"steps","steps":[{"do":"output","kind":"many","count":30},{"do":"output","kind":"many","count":30,"file":"/osa/files/x"}]}""", true)]
    [InlineData("""{"do":"steps","steps":[{"do":"output","kind":"many","count":30},{"do":"output","kind":"many","count":30,"file":"/osa/files/x"},{"do":"hang"}]}""", true)]
    [InlineData("""{"do":"steps","steps":[{"do":"output","kind":"huge","count":1000000,"file":"a"},{"do":"output","kind":"huge","count":1000000,"file":"/osa/files/a"}]}""", true)]
    [InlineData("""{"do":"steps","steps":[{"do":"output","kind":"many","count":20},{"do":"output","kind":"many","count":20,"file":"/osa/files/x"}]}""", false)]
    public async Task Both_directories_count_together(string config, bool exceeds)
    {
        ContainerJob job = host.SourceJob(config, maxOutputBytes: 3 << 19, maxOutputFiles: 50);

        ContainerOutcome outcome = await host.RunAsync(job);

        Assert.Equal(exceeds, outcome.OutputLimitExceeded || outcome.Kill == KillReason.OutputLimit);
        await host.Engine.RemoveAsync(job.Name, outcome.ContainerId, default);
        await AssertNothingIsLeftAsync(job);
    }

    [Fact]
    public async Task A_source_that_hangs_is_killed_when_it_has_written_too_much()
    {
        ContainerJob job = host.SourceJob("""{"do":"steps","steps":[{"do":"output","kind":"many","count":60,"file":"/osa/files/x"},{"do":"hang"}]}""", maxOutputFiles: 50);

        ContainerOutcome outcome = await host.RunAsync(job);

        Assert.Equal(KillReason.OutputLimit, outcome.Kill);
        await host.Engine.RemoveAsync(job.Name, outcome.ContainerId, default);
    }

    [Fact]
    public async Task Whatever_a_source_leaves_is_removed_completely()
    {
        ContainerJob job = host.SourceJob("""{"do":"steps","steps":[{"do":"output","kind":"locked-directory","file":"/osa/files/x"},{"do":"output","kind":"deep","count":500,"file":"/osa/files/x"}]}""", maxOutputFiles: 10_000);

        ContainerOutcome outcome = await host.RunAsync(job);
        Assert.True(outcome.ExitCode == 0, outcome.Log);
        await host.Engine.RemoveAsync(job.Name, outcome.ContainerId, default);

        await AssertNothingIsLeftAsync(job);
    }

    [Theory]
    [InlineData("")]
    [InlineData("gate killed")]
    [InlineData("gate removed")]
    [InlineData("gate and network removed")]
    public async Task A_source_that_never_started_is_made_ready_again_whatever_is_gone(string gone)
    {
        ContainerJob job = host.SourceJob(Writes);
        PreparedContainer first = await host.PrepareAsync(job);
        await TakeAwayAsync(job, gone);

        PreparedContainer again = await AdoptAsync(job);

        Assert.Equal(PreparedState.Created, again.State);
        Assert.Equal(gone.Length == 0, first.Id == again.Id);
        ContainerOutcome outcome = await host.RunAsync(again);
        Assert.True(outcome.ExitCode == 0, outcome.Log + outcome.StartError);
        await host.Engine.RemoveAsync(job.Name, outcome.ContainerId, default);
        await AssertNothingIsLeftAsync(job);
    }

    [Theory]
    [InlineData("gate killed")]
    [InlineData("gate removed")]
    public async Task A_source_does_not_start_without_its_gate(string gone)
    {
        ContainerJob job = host.SourceJob(Writes);
        PreparedContainer container = await host.PrepareAsync(job);
        await TakeAwayAsync(job, gone);

        OsaException failure = await Assert.ThrowsAsync<OsaException>(() => host.RunAsync(container));

        Assert.Equal(ErrorCode.Unavailable, failure.Code);
        Assert.Empty(Directory.GetFiles(Path.Combine(host.ScratchDirectory, job.Name, "files")));
        await host.Engine.RemoveAsync(job.Name, container.Id, default);
        await AssertNothingIsLeftAsync(job);
    }

    [Theory]
    [InlineData("")]
    [InlineData("gate killed")]
    [InlineData("gate removed")]
    public async Task A_running_source_is_adopted_and_stays_closed_off_whatever_becomes_of_its_gate(string gone)
    {
        string bridge = (await host.Docker.Networks.InspectNetworkAsync("bridge")).IPAM.Config[0].Gateway ?? "172.17.0.1";
        ContainerJob job = host.SourceJob(
            $$"""{"do":"steps","steps":[{"do":"progress","count":1},{"do":"await","file":"/osa/in/files/go"},{"do":"reach","targets":["tcp {{bridge}} 22","tcp {{bridge}} 22 eth0","tcp 127.0.0.1 22"]}]}""");
        PreparedContainer first = await host.PrepareAsync(job);
        using CancellationTokenSource crash = new();
        Task<ContainerOutcome> dying = host.Engine.RunAsync(first, _ => Task.CompletedTask, crash.Token);
        string sealedInput = Path.Combine(host.ScratchDirectory, job.Name, "in.sealed");
        await UntilAsync(() => Directory.Exists(sealedInput) && File.Exists(Path.Combine(host.ScratchDirectory, job.Name, "out", "progress.jsonl")), "the source did not start");
        await crash.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => dying);
        await TakeAwayAsync(job, gone);

        PreparedContainer adopted = await AdoptAsync(job);
        Assert.Equal((first.Id, PreparedState.Running), (adopted.Id, adopted.State));
        await File.WriteAllTextAsync(Path.Combine(sealedInput, "files", "go"), "");
        ContainerOutcome outcome = await host.RunAsync(adopted);

        Assert.True(outcome.ExitCode == 0, outcome.Log);
        using Stream content = Assert.IsType<OutputFile.Readable>(outcome.Output.Open("reach.json", 1000)).Content;
        string found = await new StreamReader(content).ReadToEndAsync();
        Assert.DoesNotContain("\"reached\"", found, StringComparison.Ordinal);
        // The namespace still works, so that it was the policy that refused where there is a network still.
        Assert.Contains("ConnectionRefused", found, StringComparison.Ordinal);
        await host.Engine.RemoveAsync(job.Name, outcome.ContainerId, default);
        await AssertNothingIsLeftAsync(job);
    }

    [Fact]
    public async Task A_source_that_has_ended_is_collected_and_not_run_again()
    {
        ContainerJob job = host.SourceJob("""{"do":"progress","count":1}""");
        PreparedContainer first = await host.PrepareAsync(job);
        await host.RunAsync(first);
        await TakeAwayAsync(job, "gate and network removed");

        PreparedContainer adopted = await AdoptAsync(job);
        ContainerOutcome outcome = await host.RunAsync(adopted);

        Assert.Equal((first.Id, PreparedState.Exited), (adopted.Id, adopted.State));
        Assert.Single(outcome.Progress);
        await host.Engine.RemoveAsync(job.Name, adopted.Id, default);
        await AssertNothingIsLeftAsync(job);
    }

    [Fact]
    public async Task A_directory_that_a_lost_source_wrote_to_is_not_used_again()
    {
        ContainerJob job = host.SourceJob(Writes);
        PreparedContainer container = await host.PrepareAsync(job);
        await host.RunAsync(container);
        await host.Docker.Containers.RemoveContainerAsync(container.Id, new ContainerRemoveParameters());

        Assert.Contains("used by a container that is gone", Assert.IsType<NotAdoptable>(await host.Engine.PrepareAsync(job, default)).Reason, StringComparison.Ordinal);

        await host.Engine.RemoveAsync(job.Name, null, default);
        await AssertNothingIsLeftAsync(job);
    }

    [Fact]
    public async Task Another_policy_gets_another_gate()
    {
        ContainerJob job = host.SourceJob(Writes);
        PreparedContainer first = await host.PrepareAsync(job);
        string gate = (await host.Docker.Containers.InspectContainerAsync(job.Name + "-gate")).ID;

        PreparedContainer again = await AdoptAsync(job with { Egress = new EgressPolicy([EgressRule.Parse("10.0.0.0/8")], [], []) });

        ContainerInspectResponse anew = await host.Docker.Containers.InspectContainerAsync(job.Name + "-gate");
        Assert.NotEqual(gate, anew.ID);
        Assert.Contains("accept 10.0.0.0/8", anew.Args);
        Assert.NotEqual(first.Id, again.Id);
        await host.Engine.RemoveAsync(job.Name, again.Id, default);
        await AssertNothingIsLeftAsync(job);
    }

    [Fact]
    public async Task Ten_nodes_at_once_make_one_source_with_one_gate_and_run_it_once()
    {
        ContainerJob job = host.SourceJob("""{"do":"progress","count":1}""");

        Preparation[] all = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => host.Engine.PrepareAsync(job, default)));

        PreparedContainer one = Assert.IsType<PreparedContainer>(all[0]);
        Assert.All(all, found => Assert.Equal(one.Id, Assert.IsType<PreparedContainer>(found).Id));
        Assert.Single((await host.RunAsync(one)).Progress);
        await host.Engine.RemoveAsync(job.Name, one.Id, default);
        await AssertNothingIsLeftAsync(job);
    }

    [Fact]
    public async Task Of_two_networks_of_one_source_the_one_in_use_is_kept()
    {
        ContainerJob neighbour = host.SourceJob(Hangs);
        await host.PrepareAsync(neighbour);
        ContainerJob job = host.SourceJob("""{"do":"progress","count":1}""");
        await host.PrepareAsync(job);
        IDictionary<string, string> labels = (await host.Docker.Networks.InspectNetworkAsync(job.Name)).Labels;
        await host.Engine.RemoveAsync(job.Name, null, default);
        var twins = new List<string>();
        for (int i = 0; i < 2; i++)
        {
            twins.Add((await host.Docker.Networks.CreateNetworkAsync(new NetworksCreateParameters { Name = job.Name, Driver = "bridge", Labels = labels })).ID);
        }

        await host.Docker.Networks.ConnectNetworkAsync(twins[1], new NetworkConnectParameters { Container = neighbour.Name + "-gate" });

        PreparedContainer container = Assert.IsType<PreparedContainer>(await host.Engine.PrepareAsync(job, default));
        Assert.Equal(twins[1], Assert.Single(await host.Docker.Networks.ListNetworksAsync(), network => network.Name == job.Name).ID);
        Assert.Single((await host.RunAsync(container)).Progress);

        await host.Docker.Networks.DisconnectNetworkAsync(twins[1], new NetworkDisconnectParameters { Container = neighbour.Name + "-gate" });
        await host.Engine.RemoveAsync(job.Name, container.Id, default);
        await host.Engine.RemoveAsync(neighbour.Name, null, default);
        await AssertNothingIsLeftAsync(job);
        await AssertNothingIsLeftAsync(neighbour);
    }

    [Fact]
    public async Task A_gate_that_cannot_close_its_network_off_starts_no_source()
    {
        // More rules than the kernel takes in one message.
        EgressPolicy policy = new([.. Enumerable.Range(0, 2000).Select(i => EgressRule.Parse($"10.1.{i / 250}.{i % 250}"))], [], []);
        ContainerJob job = host.SourceJob(Writes, policy);

        OsaException failure = await Assert.ThrowsAsync<OsaException>(() => host.Engine.PrepareAsync(job, default));

        Assert.Equal(ErrorCode.Unavailable, failure.Code);
        Assert.Contains("could not be closed off", failure.Message, StringComparison.Ordinal);
        Assert.Contains("sending the rules: error", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(await host.Engine.ListOwnedAsync(default), owned => owned.Name == job.Name);
        await host.Engine.RemoveAsync(job.Name, null, default);
        await AssertNothingIsLeftAsync(job);
    }

    [Fact]
    public async Task A_gates_name_that_is_another_containers_is_left_alone()
    {
        ContainerJob job = host.SourceJob(Writes);
        string foreign = (await host.Docker.Containers.CreateContainerAsync(new CreateContainerParameters { Name = job.Name + "-gate", Image = host.HooksDigest })).ID;

        Assert.Contains("not this cluster's", Assert.IsType<NotAdoptable>(await host.Engine.PrepareAsync(job, default)).Reason, StringComparison.Ordinal);

        await host.Engine.RemoveAsync(job.Name, null, default);
        Assert.Equal(foreign, (await host.Docker.Containers.InspectContainerAsync(job.Name + "-gate")).ID);
        await host.Docker.Containers.RemoveContainerAsync(foreign, new ContainerRemoveParameters());
    }

    [Fact]
    public async Task A_networks_name_that_is_anothers_is_left_alone()
    {
        ContainerJob job = host.SourceJob(Writes);
        string foreign = (await host.Docker.Networks.CreateNetworkAsync(new NetworksCreateParameters { Name = job.Name, Driver = "bridge" })).ID;

        Assert.Contains("not this cluster's", Assert.IsType<NotAdoptable>(await host.Engine.PrepareAsync(job, default)).Reason, StringComparison.Ordinal);

        await host.Engine.RemoveAsync(job.Name, null, default);
        Assert.DoesNotContain(job.Name, await host.Engine.ListNetworksAsync(default));
        await host.Docker.Networks.DeleteNetworkAsync(foreign);
    }

    [Fact]
    public async Task The_reaper_finds_each_part_under_the_attempts_name_and_another_cluster_finds_none()
    {
        ContainerJob job = host.SourceJob(Hangs);
        PreparedContainer container = await host.PrepareAsync(job);
        await using ContainerEngine other = EngineFixture.NewEngine(host.Options() with { ClusterId = "another", ScratchDirectory = Path.Combine(host.DataDirectory, "other") });

        Assert.Equal((container.Id, job.Labels), await ListedAsync(job));
        Assert.DoesNotContain(await other.ListOwnedAsync(default), owned => owned.Name.StartsWith(job.Name, StringComparison.Ordinal));
        Assert.DoesNotContain(job.Name, await other.ListNetworksAsync(default));
        await other.RemoveAsync(job.Name, null, default);
        Assert.True((await host.Docker.Containers.InspectContainerAsync(job.Name + "-gate")).State.Running);

        await host.Docker.Containers.RemoveContainerAsync(container.Id, new ContainerRemoveParameters());
        Assert.Equal(((await host.Docker.Containers.InspectContainerAsync(job.Name + "-gate")).ID, job.Labels), await ListedAsync(job));
        Assert.Contains(job.Name, await host.Engine.ListNetworksAsync(default));
        Assert.DoesNotContain(await host.Engine.ListOwnedAsync(default), owned => owned.Name == job.Name + "-gate");

        await host.Engine.RemoveAsync(job.Name, null, default);
        await AssertNothingIsLeftAsync(job);
    }

    [Theory]
    [InlineData("container")]
    [InlineData("gate")]
    [InlineData("gate and container")]
    [InlineData("directory")]
    [InlineData("directory and container")]
    [InlineData("everything")]
    public async Task Removal_takes_what_there_is(string gone)
    {
        ContainerJob job = host.SourceJob(Writes);
        PreparedContainer container = await host.PrepareAsync(job);
        if (gone.Contains("container", StringComparison.Ordinal))
            await host.Docker.Containers.RemoveContainerAsync(container.Id, new ContainerRemoveParameters());
        if (gone.Contains("gate", StringComparison.Ordinal))
            await TakeAwayAsync(job, "gate removed");
        if (gone.Contains("directory", StringComparison.Ordinal))
            Directory.Delete(Path.Combine(host.ScratchDirectory, job.Name), recursive: true);
        if (gone == "everything")
            await host.Engine.RemoveAsync(job.Name, null, default);

        await host.Engine.RemoveAsync(job.Name, null, default);

        await AssertNothingIsLeftAsync(job);
    }

    private async Task<(string Id, JobLabels Labels)> ListedAsync(ContainerJob job)
    {
        OwnedContainer listed = Assert.Single(await host.Engine.ListOwnedAsync(default), owned => owned.Name == job.Name);
        return (listed.Id, listed.Labels);
    }

    private async Task TakeAwayAsync(ContainerJob job, string what)
    {
        if (what.Contains("killed", StringComparison.Ordinal))
        {
            await host.Docker.Containers.KillContainerAsync(job.Name + "-gate", new ContainerKillParameters());
            await host.Docker.Containers.WaitContainerAsync(job.Name + "-gate");
        }

        if (what.Contains("removed", StringComparison.Ordinal))
            await host.Docker.Containers.RemoveContainerAsync(job.Name + "-gate", new ContainerRemoveParameters { Force = true });
        if (what.Contains("network", StringComparison.Ordinal))
            await host.Docker.Networks.DeleteNetworkAsync(job.Name);
    }

    private async Task<PreparedContainer> AdoptAsync(ContainerJob job)
    {
        await using ContainerEngine second = EngineFixture.NewEngine(host.Options());
        return Assert.IsType<PreparedContainer>(await second.PrepareAsync(job, default));
    }

    private async Task AssertNothingIsLeftAsync(ContainerJob job)
    {
        IList<ContainerListResponse> containers = await host.Docker.Containers.ListContainersAsync(new ContainersListParameters { All = true });
        Assert.DoesNotContain(containers, container => container.Names.Any(name => name.TrimStart('/').StartsWith(job.Name, StringComparison.Ordinal)));
        Assert.DoesNotContain(await host.Docker.Networks.ListNetworksAsync(), network => network.Name == job.Name);
        Assert.Empty(Directory.GetDirectories(host.ScratchDirectory, job.Name + "*"));
    }

    private static async Task UntilAsync(Func<bool> condition, string otherwise)
    {
        long started = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            Assert.True(TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromSeconds(20), otherwise + " within 20 s");
            await Task.Delay(10);
        }
    }
}
