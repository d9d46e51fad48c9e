using Docker.DotNet.Models;
using Osa.Containers.Output;
using Osa.Domain.Hooks;
using Osa.Domain.Validation;

namespace Osa.Containers.Tests;

/// <summary>What becomes of a container, and what the verdict is.</summary>
public sealed class RunTests(EngineFixture host)
{
    private static readonly HookLimits Small = new(60, 64 << 20, 1, 64);

    [Fact]
    public async Task A_hook_that_writes_features_passes_and_leaves_nothing_behind()
    {
        ContainerJob job = host.Job("""{"do":"rows","count":1000}""");

        ContainerOutcome outcome = await host.RunAsync(job);

        Assert.Equal(0, outcome.ExitCode);
        Assert.Equal(host.HooksDigest, outcome.ImageId);
        // The engine notes the start after it happened: a program of a millisecond may end before it has started.
        Assert.InRange(outcome.Duration, TimeSpan.Zero, TimeSpan.FromSeconds(30));
        Assert.IsType<OutputFile.Readable>(outcome.Output.Open("features.json", 1 << 20));
        Assert.Equal(new HookVerdict.Final(HookStatus.Passed, null), HookVerdict.Decide(outcome.Evidence(job.Limits, null, false)));
        await host.Engine.RemoveAsync(job.Name, outcome.ContainerId, default);
        Assert.DoesNotContain(job.Name, host.Engine.ListScratch());
        Assert.DoesNotContain(await host.Engine.ListOwnedAsync(default), container => container.Name == job.Name);
    }

    [Theory]
    [InlineData("""{"do":"reject","message":"too \u001b[31mshort\u001b[0m"}""", "too short")]
    [InlineData("""{"do":"reject","reason":"legacy words","code":3}""", "legacy words")]
    [InlineData("""{"do":"reject","code":137}""", "The hook rejected the deposition and gave no reason.")]
    [InlineData("""{"do":"steps","steps":[{"do":"reject","message":"first"},{"do":"progress","count":2},{"do":"reject","message":"last"},{"do":"pass"}]}""", "last")]
    public async Task A_rejection_wins_over_the_exit_code_and_features(string config, string reason) =>
        Assert.Equal(new HookVerdict.Final(HookStatus.Rejected, reason), await host.JudgeAsync(host.Job(config)));

    [Fact]
    public async Task Malformed_progress_lines_are_passed_over()
    {
        string text = """not json\n\n[1]\n{\"status\":null}\n{\"step\":\"a\"}\n{\"status\":\"rejected\",\"message\":7}\n{\"status\":\"rej""";

        HookVerdict verdict = await host.JudgeAsync(host.Job($$"""{"do":"write","file":"progress.jsonl","text":"{{text}}"}"""));

        Assert.Equal(HookStatus.Rejected, Assert.IsType<HookVerdict.Final>(verdict).Status);
    }

    [Fact]
    public async Task A_failing_hook_is_quoted_with_the_end_of_its_log()
    {
        HookVerdict verdict = await host.JudgeAsync(host.Job("""{"do":"steps","steps":[{"do":"log","lines":2000},{"do":"sleep","seconds":0.3},{"do":"exit","code":3,"log":"KeyError: 'chain'"}]}"""));

        HookVerdict.Final final = Assert.IsType<HookVerdict.Final>(verdict);
        Assert.Equal(HookStatus.Failed, final.Status);
        Assert.Contains("exited with code 3", final.Reason, StringComparison.Ordinal);
        Assert.EndsWith("KeyError: 'chain'", final.Reason, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("self")]
    [InlineData("child")]
    public async Task Running_out_of_memory_is_told_apart_for_the_first_process_and_its_children(string where)
    {
        HookVerdict verdict = await host.JudgeAsync(host.Job($$"""{"do":"oom","where":"{{where}}"}""", Small));

        HookVerdict.Final final = Assert.IsType<HookVerdict.Final>(verdict);
        Assert.Equal(HookStatus.Failed, final.Status);
        Assert.Contains("ran out of memory", final.Reason, StringComparison.Ordinal);
        Assert.Contains("64 MiB", final.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_hook_that_hangs_is_killed_after_its_time_once_the_reason_is_recorded()
    {
        ContainerJob job = host.Job("""{"do":"steps","steps":[{"do":"progress","count":1},{"do":"hang"}]}""", Small with { TimeoutSeconds = 1 });
        PreparedContainer container = await host.PrepareAsync(job);
        bool ranWhenRecorded = false;

        ContainerOutcome outcome = await host.Engine.RunAsync(
            container,
            async reason =>
            {
                Assert.Equal(KillReason.TimedOut, reason);
                ranWhenRecorded = (await host.Docker.Containers.InspectContainerAsync(container.Id)).State.Running;
            },
            default);

        Assert.True(ranWhenRecorded);
        Assert.Equal(KillReason.TimedOut, outcome.Kill);
        Assert.InRange(outcome.Duration, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(15));
        Assert.Single(outcome.Progress);
        HookVerdict.Final final = Assert.IsType<HookVerdict.Final>(HookVerdict.Decide(outcome.Evidence(job.Limits, null, false)));
        Assert.Contains("timed out after 1 s", final.Reason, StringComparison.Ordinal);
        await host.Engine.RemoveAsync(job.Name, outcome.ContainerId, default);
    }

    [Fact]
    public async Task Nothing_is_killed_when_the_reason_cannot_be_recorded()
    {
        ContainerJob job = host.Job("""{"do":"hang"}""", Small with { TimeoutSeconds = 1 });
        PreparedContainer container = await host.PrepareAsync(job);

        await Assert.ThrowsAsync<InvalidOperationException>(() => host.Engine.RunAsync(container, _ => throw new InvalidOperationException("fenced"), default));

        Assert.True((await host.Docker.Containers.InspectContainerAsync(container.Id)).State.Running);
        await host.Engine.RemoveAsync(job.Name, container.Id, default);
    }

    [Fact]
    public async Task A_container_killed_by_nobody_on_record_is_lost_and_the_second_time_the_hooks_fault()
    {
        ContainerJob job = host.Job("""{"do":"exit","code":137}""");

        ContainerOutcome outcome = await host.RunAsync(job);

        Assert.IsType<HookVerdict.Lost>(HookVerdict.Decide(outcome.Evidence(job.Limits, null, lostBefore: false)));
        Assert.IsType<HookVerdict.Final>(HookVerdict.Decide(outcome.Evidence(job.Limits, null, lostBefore: true)));
        await host.Engine.RemoveAsync(job.Name, outcome.ContainerId, default);
    }

    [Theory]
    [InlineData("""{"do":"output","kind":"huge","count":10000000}""")]
    [InlineData("""{"do":"output","kind":"many","count":5000}""")]
    [InlineData("""{"do":"steps","steps":[{"do":"output","kind":"many","count":5000},{"do":"hang"}]}""")]
    public async Task Too_much_output_fails_the_hook(string config)
    {
        HookVerdict verdict = await host.JudgeAsync(host.Job(config, maxOutputFiles: 1000));

        HookVerdict.Final final = Assert.IsType<HookVerdict.Final>(verdict);
        Assert.Equal(HookStatus.Failed, final.Status);
        Assert.Contains("more output than is allowed", final.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_flood_of_log_keeps_its_first_and_its_last_lines()
    {
        ContainerJob job = host.Job("""{"do":"log","lines":400000,"width":80}""");

        ContainerOutcome outcome = await host.RunAsync(job);

        Assert.StartsWith("line 1 ", outcome.Log, StringComparison.Ordinal);
        Assert.Contains("line 400000 ", outcome.Log, StringComparison.Ordinal);
        Assert.InRange(outcome.Log.Length, 60_000, 70_000);
        await host.Engine.RemoveAsync(job.Name, outcome.ContainerId, default);
    }

    [Fact]
    public async Task Peak_memory_is_seen()
    {
        ContainerJob job = host.Job("""{"do":"steps","steps":[{"do":"use-memory","bytes":50000000},{"do":"sleep","seconds":0.5}]}""");

        ContainerOutcome outcome = await host.RunAsync(job);

        Assert.InRange(outcome.PeakMemoryBytes ?? 0, 50_000_000, job.Limits.MemoryBytes);
        await host.Engine.RemoveAsync(job.Name, outcome.ContainerId, default);
    }

    [Fact]
    public async Task Progress_can_be_followed_while_the_hook_runs()
    {
        ContainerJob job = host.Job("""{"do":"progress","count":20,"delay_ms":50}""");
        PreparedContainer container = await host.PrepareAsync(job);
        ProgressTail tail = host.Engine.FollowProgress(job.Name);
        Task<ContainerOutcome> run = host.RunAsync(container);
        List<ProgressLine> live = [];

        while (!run.IsCompleted)
        {
            live.AddRange(tail.ReadNew());
            await Task.WhenAny(run, Task.Delay(20));
        }

        Assert.NotEmpty(live);
        live.AddRange(tail.ReadNew());
        Assert.Equal((await run).Progress, live);
        await host.Engine.RemoveAsync(job.Name, container.Id, default);
    }

    [Fact]
    public async Task An_image_whose_command_is_not_there_fails_the_hook_with_the_engines_words()
    {
        CreateContainerResponse source = await host.Docker.Containers.CreateContainerAsync(new CreateContainerParameters { Image = host.HooksDigest });
        string tag = Guid.NewGuid().ToString("N");
        using (Stream archive = await host.Docker.Containers.ExportContainerAsync(source.ID, default))
            await host.Docker.Images.CreateImageAsync(new ImagesCreateParameters { FromSrc = "-", Repo = "osa-test-broken", Tag = tag, Changes = ["ENTRYPOINT [\"/not-there\"]"] }, archive, null, new Progress<JSONMessage>());
        await host.Docker.Containers.RemoveContainerAsync(source.ID, new ContainerRemoveParameters());
        string digest = (await host.Docker.Images.InspectImageAsync("osa-test-broken:" + tag)).ID;

        HookVerdict verdict = await host.JudgeAsync(host.Job("""{"do":"noop"}""", digest: digest));

        Assert.Contains("/not-there", Assert.IsType<HookVerdict.Final>(verdict).Reason, StringComparison.Ordinal);
        await host.Docker.Images.DeleteImageAsync(digest, new ImageDeleteParameters { Force = true });
    }
}
