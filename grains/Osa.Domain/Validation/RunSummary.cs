using System.Globalization;
using Osa.Domain.Errors;

namespace Osa.Domain.Validation;

/// <summary>What came out of a run, in one line that a depositor understands.</summary>
public static class RunSummary
{
    private const int MaxReasonLength = 500;

    /// <summary>
    /// <c>passed: 3 hooks, 14 rows</c>, <c>rejected by sequence_check: …</c>, <c>failed in digest: …</c>, <c>cancelled during digest: …</c>.
    /// </summary>
    /// <param name="results">Of one deposition, in the order of the hooks; the first that did not pass ended its run.</param>
    public static string Of(IReadOnlyList<HookResult> results)
    {
        if (results.FirstOrDefault(result => result.Status != HookStatus.Passed) is not { } end)
        {
            return results.Count == 0
                ? "passed: the convention has no hooks"
                : $"passed: {Count(results.Count, "hook")}, {Count(results.Sum(result => result.Rows), "row")}";
        }

        string verb = end.Status switch
        {
            HookStatus.Rejected => "rejected by",
            HookStatus.Failed => "failed in",
            _ => "cancelled during",
        };
        return $"{verb} {end.Hook}: {(string.IsNullOrWhiteSpace(end.Reason) ? "no reason was given" : OneLine(end.Reason))}";
    }

    /// <summary>The summary of a run that ended before or between its hooks: <c>failed: …</c>, <c>cancelled: …</c>.</summary>
    public static string Of(RunStatus status, string reason) => $"{Names.WireName.Of(status)}: {OneLine(reason)}";

    private static string Count(long number, string noun) => $"{number.ToString("#,0", CultureInfo.InvariantCulture)} {noun}{(number == 1 ? "" : "s")}";

    private static string OneLine(string text) =>
        Shown.Clean(string.Join(' ', text.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)), MaxReasonLength);
}
