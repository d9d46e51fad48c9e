using Osa.Client;
using Osa.Client.Sources;
using Osa.V1;
using Spectre.Console;

namespace Osa.Cli.Output;

/// <summary>A pull as it happens: a live view on a terminal, a line per change when piped, a JSON line per state with --json.</summary>
internal static class PullScreen
{
    /// <summary>Watches until the pull has ended, and answers with its exit code.</summary>
    public static async Task<int> FollowAsync(CommandContext context, string convention, string pullId)
    {
        var last = new Pull();
        try
        {
            if (context.Screen.Interactive)
            {
                await AnsiConsole.Live(new Text("waiting for the node")).StartAsync(async live =>
                {
                    var lost = new Report<OsaClientException>(error => live.UpdateTarget(Frame(last, $"connection lost, trying again: {error.Message}")));
                    await foreach (var state in context.Osa.Sources.WatchAsync(pullId, lost, context.CancellationToken))
                    {
                        last = state;
                        live.UpdateTarget(Frame(state, Words(state)));
                    }
                });
            }
            else
            {
                var lost = new Report<OsaClientException>(error => context.Screen.Note($"connection lost, trying again: {error.Message}"));
                await foreach (var state in context.Osa.Sources.WatchAsync(pullId, lost, context.CancellationToken))
                {
                    last = state;
                    if (context.Screen.Json)
                    {
                        Screen.WriteJson(state.ToJson());
                    }
                    else
                    {
                        context.Screen.Line($"{Words(state)}; {Counted(state.Counts)}{Rate(state)}");
                    }
                }
            }
        }
        catch (Exception error) when (error is OperationCanceledException or OsaClientException { IsTransient: true })
        {
            context.Screen.Note($"The pull goes on without you. Watch on with: osa source watch {convention}");
            throw;
        }

        if (context.Screen.Interactive)
        {
            context.Screen.Line(last.Summary);
        }

        if (last.Counts.Quarantined > 0)
        {
            context.Screen.Note($"What could not be taken, and why: osa source quarantine {convention} --pull {last.Id}");
        }

        return last.Status is PullStatus.Completed ? ExitCode.Ok : ExitCode.Verdict;
    }

    private static Rows Frame(Pull pull, string line)
    {
        var counts = pull.Counts ?? new PullCounts();
        var table = new Table().Border(TableBorder.Simple)
            .AddColumns("[grey]pulled[/]", "[grey]validated[/]", "[grey]published[/]", "[grey]rejected[/]", "[grey]failed[/]", "[grey]unchanged[/]", "[grey]quarantined[/]", "[grey]records/s[/]");
        table.AddRow(
            new Text($"{counts.Pulled}"), new Text($"{counts.Judged} of {counts.Taken}"), new Text($"{counts.Published}"), new Text($"{counts.Rejected}"), new Text($"{counts.Failed}"),
            new Text($"{counts.Unchanged}"), new Text($"{counts.Quarantined}"), new Text($"{PerSecond(pull):0}"));
        return new Rows(table, new Text(TerminalText.Line(line), new Style(Color.Grey)));
    }

    private static string Words(Pull pull) =>
        pull.Status.IsFinal() ? $"{ProtoJson.State(pull.Status)}: {pull.Summary}"
        : pull.WaitingFor.Length > 0 ? $"chunk {pull.Chunk}, waits for {pull.WaitingFor}"
        : pull.Status is PullStatus.Running ? $"chunk {pull.Chunk}"
        : ProtoJson.State(pull.Status) ?? "";

    private static string Counted(PullCounts counts) =>
        $"{counts.Pulled} pulled, {counts.Judged} of {counts.Taken} validated, {counts.Published} published, {counts.Rejected} rejected, {counts.Failed} failed, {counts.Unchanged} unchanged, {counts.Quarantined} in quarantine";

    private static string Rate(Pull pull) => PerSecond(pull) is > 0 and var rate ? $", {rate:0} records/s" : "";

    private static double PerSecond(Pull pull) =>
        pull.Duration?.ToTimeSpan().TotalSeconds is > 0.5 and var seconds ? (pull.Counts.Judged + pull.Counts.Unchanged) / seconds : 0;
}
