using Osa.Domain.Hooks;
using Osa.Domain.Validation;

namespace Osa.Domain.Tests;

public sealed class HookVerdictTests
{
    private static readonly HookEvidence Clean = new(HookLimits.Default, 0, OutOfMemory: false, [], "");

    private static readonly ProgressLine Rejection = new("rejected", null, "wrong letter at 17");

    /// <summary>Each piece of evidence alone, in the order in which they win over one another.</summary>
    private static readonly (Func<HookEvidence, HookEvidence> Add, HookVerdict Alone)[] Order =
    [
        (e => e with { Kill = KillReason.Cancelled }, new HookVerdict.Final(HookStatus.Cancelled, "cancelled")),
        (e => e with { OutOfMemory = true }, Failed("ran out of memory: it needed more than its limit of 512 MiB")),
        (e => e with { Kill = e.Kill ?? KillReason.TimedOut }, Failed("timed out after 300 s")),
        (e => e with { OutputLimitExceeded = true }, Failed("wrote more output than is allowed")),
        (e => e with { Progress = [Rejection] }, new HookVerdict.Final(HookStatus.Rejected, "wrong letter at 17")),
        (e => e with { StartError = "no such file" }, new HookVerdict.Final(HookStatus.Failed, "The image could not be started: no such file")),
        (e => e with { ExitCode = 137 }, new HookVerdict.Lost("the container ended with code 137 and nobody on record ended it")),
        (e => e with { OutputProblem = "features[3].score: expected number, got string" }, new HookVerdict.Final(HookStatus.Failed, "The hook's output is malformed: features[3].score: expected number, got string")),
        (e => e, new HookVerdict.Final(HookStatus.Passed, null)),
    ];

    [Fact]
    public void The_first_that_matches_decides_whatever_else_is_true()
    {
        for (int first = 0; first < Order.Length; first++)
        {
            Assert.Equal(Order[first].Alone, HookVerdict.Decide(Order[first].Add(Clean)));
            for (int second = first; second < Order.Length; second++)
                Assert.Equal(Order[first].Alone, HookVerdict.Decide(Order[second].Add(Order[first].Add(Clean))));
        }
    }

    [Theory]
    [InlineData(137)]
    [InlineData(143)]
    [InlineData(255)]
    public void A_lost_container_is_the_hooks_fault_only_the_second_time_in_a_row(int code)
    {
        Assert.IsType<HookVerdict.Lost>(HookVerdict.Decide(Clean with { ExitCode = code }));
        Assert.Equal(Failed($"exited with code {code}"), HookVerdict.Decide(Clean with { ExitCode = code, LostBefore = true }));
    }

    [Fact]
    public void A_kill_of_ours_is_not_a_lost_container()
    {
        Assert.Equal(Failed("timed out after 300 s"), HookVerdict.Decide(Clean with { ExitCode = 137, Kill = KillReason.TimedOut }));
        Assert.Equal(Failed("wrote more output than is allowed"), HookVerdict.Decide(Clean with { ExitCode = 137, Kill = KillReason.OutputLimit }));
    }

    [Fact]
    public void The_last_rejection_gives_the_reason_and_a_fixed_text_stands_in_for_none()
    {
        Assert.Equal(
            new HookVerdict.Final(HookStatus.Rejected, "wrong letter at 17"),
            HookVerdict.Decide(Clean with { ExitCode = 4, Progress = [new("rejected", null, "first"), Rejection, new("running", null, "on it goes")] }));
        Assert.Equal(
            new HookVerdict.Final(HookStatus.Rejected, "The hook rejected the deposition and gave no reason."),
            HookVerdict.Decide(Clean with { Progress = [new("rejected", null, " \u0007 ")] }));
        Assert.Equal(HookStatus.Passed, Assert.IsType<HookVerdict.Final>(HookVerdict.Decide(Clean with { Progress = [new("Rejected?", null, "x")] })).Status);
    }

    [Fact]
    public void A_failure_quotes_the_end_of_the_log_as_plain_text()
    {
        HookVerdict.Final final = Assert.IsType<HookVerdict.Final>(
            HookVerdict.Decide(Clean with { ExitCode = 3, LogTail = new string('.', 100_000) + "\u001b[31mKeyError\u001b[0m\0: 'chain'\n" }));

        Assert.StartsWith("The hook exited with code 3. The end of its log:\n…", final.Reason, StringComparison.Ordinal);
        Assert.EndsWith("KeyError: 'chain'", final.Reason, StringComparison.Ordinal);
        Assert.InRange(final.Reason!.Length, 2000, 2100);
    }

    private static HookVerdict.Final Failed(string what) => new(HookStatus.Failed, $"The hook {what}. Its log is empty.");
}
