using System.Text.Json.Nodes;
using Osa.Client;
using Osa.Client.Runs;
using Osa.V1;
using Spectre.Console;
using Spectre.Console.Rendering;
using Progress = Osa.V1.Progress;

namespace Osa.Cli.Output;

/// <summary>A validation run as it happens: a live table on a terminal, a line per change when piped, a JSON line per state with --json.</summary>
internal static class RunView
{
    /// <summary>Watches until the verdict, prints it, and answers with its exit code.</summary>
    /// <param name="toJson">How a state is wrapped with --json.</param>
    public static async Task<int> FollowAsync(CommandContext context, RunHandle run, Func<ValidationRun, JsonObject> toJson)
    {
        ValidationRun verdict;
        try
        {
            verdict = context.Screen.Interactive
                ? await FollowLiveAsync(run, context.CancellationToken)
                : await FollowLinesAsync(context.Screen, run, toJson, context.CancellationToken);
        }
        catch (Exception error) when (error is OperationCanceledException or OsaClientException { IsTransient: true })
        {
            context.Screen.Note($"The run goes on without you. Watch on with: osa run watch {run.Srn}");
            throw;
        }

        if (!context.Screen.Json)
        {
            WriteVerdict(context.Screen, verdict);
        }

        return ForVerdict(verdict);
    }

    public static int ForVerdict(ValidationRun run) => run.Status is RunStatus.Passed || run.InReview ? ExitCode.Ok : ExitCode.Verdict;

    /// <summary>Hook by hook, as a terminal's table.</summary>
    public static Table HookTable(ValidationRun run)
    {
        var table = new Table().Border(TableBorder.Simple).AddColumns("[grey]hook[/]", "[grey]status[/]", "[grey]time[/]", "[grey]rows[/]", "[grey]what[/]");
        foreach (var hook in run.Hooks)
        {
            table.AddRow(
                new Markup(TerminalText.Markup(hook.Hook)),
                new Markup($"[{Colour(hook.Status)}]{ProtoJson.State(hook.Status)}[/]{(hook.Attempt > 1 ? $" (attempt {hook.Attempt})" : "")}"),
                new Text(Show.Duration(hook.Duration) ?? ""),
                new Text(hook.Rows > 0 ? hook.Rows.ToString() : ""),
                new Text(TerminalText.Line(What(hook))));
        }

        return table;
    }

    /// <summary>Why it was refused, or the newest thing that it said of its progress.</summary>
    public static string What(HookRun hook) =>
        hook.Reason.Length > 0 ? hook.Reason : hook.Progress.Count > 0 ? Words(hook.Progress[^1]) : "";

    private static async Task<ValidationRun> FollowLiveAsync(RunHandle run, CancellationToken cancellationToken)
    {
        ValidationRun? last = null;
        await AnsiConsole.Live(new Text("waiting for the node")).StartAsync(async live =>
        {
            var lost = new Report<OsaClientException>(error => live.UpdateTarget(Frame(last, $"connection lost, trying again: {error.Message}")));
            await foreach (var state in run.WatchAsync(lost, cancellationToken))
            {
                last = state;
                live.UpdateTarget(Frame(state, state.WaitingFor.Length > 0 ? $"waiting for {state.WaitingFor}" : state.Summary));
            }
        });
        return last!;
    }

    private static IRenderable Frame(ValidationRun? run, string line) => run is null
        ? new Text(TerminalText.Line(line))
        : new Rows(HookTable(run), new Text(TerminalText.Line(line), new Style(Color.Grey)));

    private static async Task<ValidationRun> FollowLinesAsync(
        Screen screen, RunHandle run, Func<ValidationRun, JsonObject> toJson, CancellationToken cancellationToken)
    {
        var last = new ValidationRun();
        var lost = new Report<OsaClientException>(error => screen.Note($"connection lost, trying again: {error.Message}"));
        await foreach (var state in run.WatchAsync(lost, cancellationToken))
        {
            if (screen.Json)
            {
                Screen.WriteJson(toJson(state));
            }
            else
            {
                WriteChanges(screen, last, state);
            }

            last = state;
        }

        return last;
    }

    private static void WriteChanges(Screen screen, ValidationRun before, ValidationRun now)
    {
        if (now.CancelReason.Length > 0 && now.CancelReason != before.CancelReason)
        {
            screen.Line($"to end ({now.CancelReason}) when its containers are gone");
        }

        if (now.WaitingFor.Length > 0 && now.WaitingFor != before.WaitingFor)
        {
            screen.Line($"waiting for {now.WaitingFor}");
        }

        foreach (var hook in now.Hooks)
        {
            var old = before.Hooks.FirstOrDefault(other => other.Hook == hook.Hook);
            foreach (var progress in hook.Progress.Skip(old?.Attempt == hook.Attempt ? old.Progress.Count : 0))
            {
                screen.Line($"{hook.Hook}: {Words(progress)}");
            }

            if (hook.Status != old?.Status && hook.Status is not HookStatus.Waiting)
            {
                var time = Show.Duration(hook.Duration) is { } duration ? $" in {duration}" : "";
                var rows = hook.Rows > 0 ? $", {Show.Rows(hook.Rows)}" : "";
                screen.Line($"{hook.Hook}: {ProtoJson.State(hook.Status)}{time}{rows}{(hook.Reason.Length > 0 ? $": {hook.Reason}" : "")}");
            }
        }
    }

    private static void WriteVerdict(Screen screen, ValidationRun run)
    {
        // The summary begins with the verdict.
        screen.Line(run.Summary.Length > 0 ? run.Summary : ProtoJson.State(run.Status) ?? "");
        if (run.InReview)
        {
            screen.Note("A curator has the next word: osa curate shows what waits for one");
            return;
        }

        if (run.Depositions.Count > 1)
        {
            WriteVerdicts(screen, run);
        }

        if (run.Status is RunStatus.Passed)
        {
            screen.Facts(("record", run.RecordSrn));
            return;
        }

        screen.Note($"The logs of each hook: osa run show {run.Srn} --logs");
    }

    /// <summary>A line for each of several depositions.</summary>
    public static void WriteVerdicts(Screen screen, ValidationRun run)
    {
        foreach (var verdict in run.Depositions)
        {
            screen.Line(string.Join('\t', new[] { verdict.DepositionSrn, verdict.Status.Length > 0 ? verdict.Status : verdict.Review.Length > 0 ? $"review {verdict.Review}" : "open", verdict.RecordSrn, verdict.Reason }
                .Where(static part => part.Length > 0)));
        }
    }

    private static string Words(Progress progress) =>
        string.Join(": ", new[] { progress.Step, progress.Message }.Where(static part => part.Length > 0)) is { Length: > 0 } words
            ? words
            : progress.Status;

    private static string Colour(HookStatus status) => status switch
    {
        HookStatus.Passed => "green",
        HookStatus.Rejected or HookStatus.Failed or HookStatus.Cancelled => "red",
        HookStatus.Running => "blue",
        _ => "grey",
    };
}

/// <summary>Progress told where it happens, unlike <see cref="System.Progress{T}"/>, which posts it to other threads out of order.</summary>
internal sealed class Report<T>(Action<T> action) : IProgress<T>
{
    void IProgress<T>.Report(T value) => action(value);
}
