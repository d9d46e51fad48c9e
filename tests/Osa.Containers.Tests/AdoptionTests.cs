using Docker.DotNet.Models;
using Osa.Domain.Errors;
using Osa.Domain.Hooks;
using Osa.Domain.Validation;

namespace Osa.Containers.Tests;

/// <summary>What a second node finds that picks up the attempt of one that crashed: each test's second engine stands for it.</summary>
public sealed class AdoptionTests(EngineFixture host)
{
    private const string AppendsALine = """{"do":"progress","count":1}""";

    [Fact]
    public async Task A_created_container_is_adopted_and_started()
    {
        ContainerJob job = host.Job(AppendsALine);
        PreparedContainer first = await host.PrepareAsync(job);

        PreparedContainer adopted = await AdoptAsync(job);

        Assert.Equal((first.Id, PreparedState.Created), (adopted.Id, adopted.State));
        Assert.Single((await host.RunAsync(adopted)).Progress);
        await host.Engine.RemoveAsync(job.Name, adopted.Id, default);
    }

    [Fact]
    public async Task A_running_container_is_waited_for_and_keeps_its_clock()
    {
        ContainerJob job = host.Job("""{"do":"hang"}""", new HookLimits(3, 64 << 20, 1, 64));
        PreparedContainer first = await host.PrepareAsync(job);
        using CancellationTokenSource crash = new();
        Task<ContainerOutcome> dying = host.Engine.RunAsync(first, _ => Task.CompletedTask, crash.Token);
        await StateAsync(first.Id, state => state.Running);
        await crash.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => dying);
        // A second and a half of its three are over when it is found again.
        await StateAsync(first.Id, state => DateTimeOffset.Parse(state.StartedAt) < TimeProvider.System.GetUtcNow().AddSeconds(-1.5));

        PreparedContainer adopted = await AdoptAsync(job);
        Assert.Equal((first.Id, PreparedState.Running), (adopted.Id, adopted.State));
        ContainerOutcome outcome = await host.RunAsync(adopted);

        Assert.Equal(KillReason.TimedOut, outcome.Kill);
        Assert.InRange(outcome.Duration, TimeSpan.FromSeconds(3), TimeSpan.FromSeconds(4.4));
        await host.Engine.RemoveAsync(job.Name, adopted.Id, default);
    }

    [Fact]
    public async Task An_exited_container_is_collected_and_not_run_again()
    {
        ContainerJob job = host.Job(AppendsALine);
        PreparedContainer first = await host.PrepareAsync(job);
        await host.RunAsync(first);

        PreparedContainer adopted = await AdoptAsync(job);
        ContainerOutcome outcome = await host.RunAsync(adopted);

        Assert.Equal(PreparedState.Exited, adopted.State);
        Assert.Single(outcome.Progress);
        await host.Engine.RemoveAsync(job.Name, adopted.Id, default);
    }

    [Fact]
    public async Task Who_saw_it_created_and_comes_late_cannot_start_what_has_run()
    {
        ContainerJob job = host.Job(AppendsALine);
        PreparedContainer paused = await host.PrepareAsync(job);
        PreparedContainer successor = await AdoptAsync(job);
        await host.RunAsync(successor);

        OsaException late = await Assert.ThrowsAsync<OsaException>(() => host.RunAsync(paused));

        Assert.Equal(ErrorCode.Unavailable, late.Code);
        Assert.Single(await File.ReadAllLinesAsync(Path.Combine(host.ScratchDirectory, job.Name, "out", "progress.jsonl")));
        await host.Engine.RemoveAsync(job.Name, paused.Id, default);
    }

    [Fact]
    public async Task A_container_cancelled_before_its_start_never_starts()
    {
        ContainerJob job = host.Job(AppendsALine);
        PreparedContainer container = await host.PrepareAsync(job);

        await host.Engine.KillAsync(job.Name, default);

        await Assert.ThrowsAsync<OsaException>(() => host.RunAsync(container));
        Assert.Empty(Directory.GetFiles(Path.Combine(host.ScratchDirectory, job.Name, "out")));
        await host.Engine.RemoveAsync(job.Name, container.Id, default);
    }

    [Fact]
    public async Task A_cancelled_container_ends_and_the_verdict_is_the_recorded_one()
    {
        ContainerJob job = host.Job("""{"do":"hang"}""");
        PreparedContainer container = await host.PrepareAsync(job);
        Task<ContainerOutcome> run = host.RunAsync(container);
        await StateAsync(container.Id, state => state.Running);

        await host.Engine.KillAsync(job.Name, default);

        ContainerOutcome outcome = await run;
        Assert.Equal(HookStatus.Cancelled, Assert.IsType<HookVerdict.Final>(HookVerdict.Decide(outcome.Evidence(job.Limits, KillReason.Cancelled, false))).Status);
        await host.Engine.RemoveAsync(job.Name, container.Id, default);
    }

    [Fact]
    public async Task A_name_taken_by_another_container_is_not_adopted()
    {
        ContainerJob job = host.Job(AppendsALine);
        CreateContainerResponse foreign = await host.Docker.Containers.CreateContainerAsync(new CreateContainerParameters { Name = job.Name, Image = host.HooksDigest });

        NotAdoptable answer = Assert.IsType<NotAdoptable>(await host.Engine.PrepareAsync(job, default));

        Assert.Contains("osa.cluster", answer.Reason, StringComparison.Ordinal);
        await host.Engine.RemoveAsync(job.Name, null, default);
        Assert.Equal(foreign.ID, (await host.Docker.Containers.InspectContainerAsync(job.Name)).ID);
        await host.Docker.Containers.RemoveContainerAsync(foreign.ID, new ContainerRemoveParameters());
    }

    [Fact]
    public async Task A_container_whose_directory_was_taken_away_is_not_adopted_with_an_empty_one()
    {
        ContainerJob job = host.Job("""{"do":"reject","message":"no"}""");
        PreparedContainer container = await host.PrepareAsync(job);
        await host.RunAsync(container);
        Directory.Delete(Path.Combine(host.ScratchDirectory, job.Name), recursive: true);

        NotAdoptable answer = Assert.IsType<NotAdoptable>(await host.Engine.PrepareAsync(job, default));

        Assert.Contains("osa.staged", answer.Reason, StringComparison.Ordinal);
        await host.Engine.RemoveAsync(job.Name, container.Id, default);
    }

    [Fact]
    public async Task A_directory_that_a_lost_container_wrote_to_is_not_used_again()
    {
        ContainerJob job = host.Job(AppendsALine);
        PreparedContainer container = await host.PrepareAsync(job);
        await host.RunAsync(container);
        await host.Docker.Containers.RemoveContainerAsync(container.Id, new ContainerRemoveParameters());

        Preparation again = await host.Engine.PrepareAsync(job, default);

        Assert.Contains("used by a container that is gone", Assert.IsType<NotAdoptable>(again).Reason, StringComparison.Ordinal);
        Assert.DoesNotContain(await host.Engine.ListOwnedAsync(default), owned => owned.Name == job.Name);
        await host.Engine.RemoveAsync(job.Name, null, default);
    }

    [Fact]
    public async Task What_was_staged_before_the_machine_restarted_is_not_trusted()
    {
        ContainerJob job = host.Job(AppendsALine);
        PreparedContainer container = await host.PrepareAsync(job);
        string marker = Path.Combine(host.ScratchDirectory, job.Name, "staged");
        string token = (await File.ReadAllTextAsync(marker)).Split(' ')[1];
        File.Delete(marker);
        await File.WriteAllTextAsync(marker, $"00000000-0000-0000-0000-000000000000 {token}");

        Assert.Contains("restarted", Assert.IsType<NotAdoptable>(await host.Engine.PrepareAsync(job, default)).Reason, StringComparison.Ordinal);

        await host.Engine.RemoveAsync(job.Name, container.Id, default);
    }

    [Fact]
    public async Task Twenty_nodes_at_once_make_one_container_and_run_it_once()
    {
        ContainerJob job = host.Job(AppendsALine);

        Preparation[] all = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => host.Engine.PrepareAsync(job, default)));

        PreparedContainer one = Assert.IsType<PreparedContainer>(all[0]);
        Assert.All(all, found => Assert.Equal(one.Id, Assert.IsType<PreparedContainer>(found).Id));
        Assert.Equal([job.Name], Directory.GetDirectories(host.ScratchDirectory, job.Name + "*").Select(Path.GetFileName));
        Assert.Single((await host.RunAsync(one)).Progress);
        await host.Engine.RemoveAsync(job.Name, one.Id, default);
    }

    [Fact]
    public async Task Only_this_clusters_containers_are_listed_with_their_labels()
    {
        ContainerJob job = host.Job(AppendsALine);
        PreparedContainer container = await host.PrepareAsync(job);
        await using ContainerEngine other = EngineFixture.NewEngine(host.Options() with { ClusterId = "another" });

        OwnedContainer listed = Assert.Single(await host.Engine.ListOwnedAsync(default), owned => owned.Name == job.Name);

        Assert.Equal((container.Id, job.Labels, "created"), (listed.Id, listed.Labels, listed.State));
        Assert.Contains(job.Name, host.Engine.ListScratch());
        Assert.DoesNotContain(await other.ListOwnedAsync(default), owned => owned.Name == job.Name);
        await host.Engine.RemoveAsync(job.Name, container.Id, default);
    }

    private async Task<PreparedContainer> AdoptAsync(ContainerJob job)
    {
        await using ContainerEngine second = EngineFixture.NewEngine(host.Options());
        return Assert.IsType<PreparedContainer>(await second.PrepareAsync(job, default));
    }

    private async Task StateAsync(string container, Func<ContainerState, bool> condition)
    {
        long started = TimeProvider.System.GetTimestamp();
        while (!condition((await host.Docker.Containers.InspectContainerAsync(container)).State))
        {
            Assert.True(TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromSeconds(20), $"container {container} did not come to the expected state in 20 s");
            await Task.Yield();
        }
    }
}
