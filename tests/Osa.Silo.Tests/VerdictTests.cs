using Osa.Client.Depositions;
using Osa.Client.Runs;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>How a container ends, and what its depositor is told.</summary>
public sealed class VerdictTests(SharedNode shared)
{
    private Archive Archive => shared.Archive;

    [Fact]
    public async Task A_non_zero_exit_fails_with_the_tail_of_the_log()
    {
        HookRun hook = await FailAsync(Documents.Steps(Documents.Do("log", ("lines", 10)), Documents.Do("exit", ("code", 3), ("log", "KeyError: 'organism'"))));

        Expect.Says("The hook exited with code 3. The end of its log:\n", hook.Reason);
        Expect.Says("KeyError: 'organism'", hook.Reason);
        Expect.Says("line 10 ", hook.Reason);
        Assert.Equal(3, hook.ExitCode);
    }

    [Fact]
    public async Task Of_a_long_log_the_beginning_and_the_end_are_kept()
    {
        HookRun hook = await FailAsync(Documents.Steps(Documents.Do("log", ("lines", 2000), ("width", 80)), Documents.Do("exit")));

        Expect.Says("line 1 ", hook.LogTail);
        Expect.Says("line 2000 ", hook.LogTail);
        Assert.DoesNotContain("line 700 ", hook.LogTail, StringComparison.Ordinal);
        Expect.Says("line 2000 ", hook.Reason);
        Assert.InRange(hook.LogTail.Length, 60_000, 70_000);
    }

    [Fact]
    public async Task Control_characters_of_a_log_do_not_reach_the_reason()
    {
        HookRun hook = await FailAsync(Documents.Do("exit", ("log", "\u001b]0;evil\u0007red \u001b[31malert\u001b[0m\r\u202e")));

        Expect.Says("red alert", hook.Reason);
        Assert.DoesNotContain(hook.Reason, c => c is '\u001b' or '\u0007' or '\u202e' or '\r');
    }

    [Fact]
    public async Task A_hook_that_hangs_times_out()
    {
        string id = Documents.NewId("timeout");
        await Archive.RegisterAsync(Documents.Convention(id, "1.0.0", Documents.Hook(Documents.NewTable("slow"), timeoutSeconds: 1)));

        HookRun hook = await FailAsync(Documents.Steps(Documents.Do("exit", ("code", 0), ("log", "about to hang")), Documents.Do("hang")), id);

        Expect.Says("The hook timed out after 1 s. The end of its log:\nabout to hang", hook.Reason);
        Assert.InRange(hook.Duration.ToTimeSpan(), TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(20));
        Assert.Equal(1, hook.Attempt);
    }

    [Theory]
    [InlineData("self")]
    [InlineData("child")]
    public async Task Running_out_of_memory_is_told_as_such(string where)
    {
        HookRun hook = await FailAsync(Documents.Do("oom", ("where", where)));

        // It is tried once more with twice as much.
        Expect.Says("ran out of memory: it needed more than its limit of 128 MiB", hook.Reason);
        Assert.Equal(1, hook.Attempt);
    }

    [Fact]
    public async Task A_hook_that_needs_more_memory_than_its_limit_gets_twice_as_much_once_and_both_containers_are_shown()
    {
        (_, ValidationRun run) = await Archive.JudgeAsync(shared.Obedient, Documents.Steps(Documents.Do("use-memory", ("bytes", 90 << 20)), Documents.Rows(1)));

        Assert.True(run.Status == RunStatus.Passed, run.Summary);
        Assert.Equal([true, false], run.Containers.Select(c => c.BrokenBecause.Contains("limit of 64 MiB", StringComparison.Ordinal)));
    }

    [Theory]
    [InlineData("link")]
    [InlineData("fifo")]
    [InlineData("directory")]
    [InlineData("unreadable")]
    public async Task Output_that_is_no_readable_file_is_malformed(string kind)
    {
        HookRun hook = await FailAsync(Documents.Do("output", ("kind", kind)));

        Expect.Says("The hook's output is malformed: ", hook.Reason);
        Expect.Says("features.json", hook.Reason);
    }

    [Fact]
    public async Task A_verdict_carries_progress_peak_memory_duration_digest_and_exit_code()
    {
        (DepositionHandle deposition, ValidationRun run) = await Archive.JudgeAsync(
            shared.Obedient, Documents.Steps(Documents.Do("progress", ("count", 3)), Documents.Do("use-memory", ("bytes", 40 << 20)), Documents.Sleep(1), Documents.Rows(2)));

        HookRun hook = Assert.Single(run.Hooks);
        Assert.Equal((HookStatus.Passed, ""), (hook.Status, hook.Reason));
        Assert.Equal(["1 of 3", "2 of 3", "3 of 3"], hook.Progress.Select(p => p.Message));
        Assert.Equal(new Progress { Status = "running", Step = "step 1", Message = "1 of 3" }, hook.Progress[0]);
        // The engine notes the start a moment after it.
        Assert.InRange(hook.Duration.ToTimeSpan(), TimeSpan.FromSeconds(0.9), TimeSpan.FromSeconds(30));
        Assert.InRange(hook.PeakMemoryBytes, 40 << 20, 64 << 20);
        Assert.Equal((0L, Documents.HooksDigest, 2L, 1), (hook.ExitCode, hook.Digest, hook.Rows, hook.Attempt));
        Assert.True(run.CreatedAt <= run.StartedAt && run.StartedAt <= run.CompletedAt);
        Assert.Equal(run, await Archive.Ada.Runs.Handle(run.Srn).GetAsync());
        Assert.Equal(run, Assert.Single(await Archive.Ada.Runs.ListAsync(deposition.Srn)));
    }

    [Fact]
    public async Task Watching_shows_the_progress_of_a_running_hook_and_ends_with_the_verdict()
    {
        (_, RunHandle handle) = await Archive.SubmitAsync(shared.Obedient, Documents.Steps(Documents.Do("progress", ("count", 4), ("delay_ms", 700)), Documents.Rows(1)));

        List<ValidationRun> seen = await handle.WatchAsync().ToListAsync();

        Assert.Contains(seen, r => r.Status == RunStatus.Running && r.Hooks[0].Status == HookStatus.Running && r.Hooks[0].Progress.Any(p => p.Message == "1 of 4"));
        Assert.Equal(RunStatus.Passed, seen[^1].Status);
        Assert.Equal(4, seen[^1].Hooks[0].Progress.Count);
        Assert.DoesNotContain(seen.Take(seen.Count - 1), r => r.Status.IsFinal());
        Assert.Equal(seen[^1], Assert.Single(await handle.WatchAsync().ToListAsync()));
    }

    // Back to draft with the hook's reason: what every failure must do.
    private async Task<HookRun> FailAsync(System.Text.Json.Nodes.JsonObject behaviour, string? convention = null)
    {
        (DepositionHandle deposition, ValidationRun run) = await Archive.JudgeAsync(convention ?? shared.Obedient, behaviour);
        Assert.True(run.Status == RunStatus.Failed, $"{run.Status}: {run.Summary}");
        HookRun hook = Assert.Single(run.Hooks);
        Assert.Equal(HookStatus.Failed, hook.Status);
        Assert.StartsWith($"failed in {hook.Hook}: ", run.Summary, StringComparison.Ordinal);
        Deposition draft = await deposition.GetAsync();
        Assert.Equal(DepositionStatus.Draft, draft.Status);
        Assert.Equal([$"{hook.Hook}: {hook.Reason}"], draft.Reasons);
        await Cleanup.IsDoneAsync(Archive, run.Srn);
        return hook;
    }
}
