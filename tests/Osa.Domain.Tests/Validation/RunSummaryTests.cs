using Osa.Domain.Validation;

namespace Osa.Domain.Tests.Validation;

public class RunSummaryTests
{
    [Fact]
    public void A_passed_run_counts_its_hooks_and_rows()
    {
        Assert.Equal("passed: the convention has no hooks", RunSummary.Of([]));
        Assert.Equal("passed: 1 hook, 1 row", RunSummary.Of([Result("a", HookStatus.Passed, rows: 1)]));
        Assert.Equal("passed: 2 hooks, 1,000,014 rows", RunSummary.Of([Result("a", HookStatus.Passed, rows: 14), Result("b", HookStatus.Passed, rows: 1_000_000)]));
    }

    [Theory]
    [InlineData(HookStatus.Rejected, "letter 7 is 'J'", "rejected by b: letter 7 is 'J'")]
    [InlineData(HookStatus.Failed, "out of memory (limit 512 MiB)\n  while digesting\0", "failed in b: out of memory (limit 512 MiB) while digesting\uFFFD")]
    [InlineData(HookStatus.Cancelled, "withdrawn", "cancelled during b: withdrawn")]
    [InlineData(HookStatus.Failed, null, "failed in b: no reason was given")]
    public void A_run_that_ended_early_names_the_hook_and_its_reason(HookStatus status, string? reason, string expected) =>
        Assert.Equal(expected, RunSummary.Of([Result("a", HookStatus.Passed), Result("b", status, reason)]));

    [Fact]
    public void A_run_that_no_hook_ended_gives_the_nodes_reason_shortened() =>
        Assert.Equal("cancelled: " + new string('x', 500) + "…", RunSummary.Of(RunStatus.Cancelled, new string('x', 900)));

    private static HookResult Result(string hook, HookStatus status, string? reason = null, long rows = 0) =>
        new(hook, status, reason, [], TimeSpan.FromSeconds(1), null, 0, "", null, rows);
}
