using System.CommandLine;
using Osa.Cli.Input;
using Osa.Cli.Output;
using Osa.V1;
using Spectre.Console;

namespace Osa.Cli.Commands;

/// <summary><c>osa run</c>: validation runs, as they happen and afterwards.</summary>
internal static class RunCommands
{
    public static Command Create() => new("run", "Validation runs: watch one, or read what came of it")
    {
        Watch(),
        ShowOne(),
        List(),
    };

    private static Command Watch()
    {
        var srn = new Argument<string>("RUN") { Description = "The run's SRN or id" };
        var watch = new Command("watch", "Watch a run to its verdict; stopping to watch does not stop the run") { srn };
        watch.Does(context => RunView.FollowAsync(context, context.Osa.Runs.Handle(context.Get(srn)), static run => run.ToJson()));
        return watch;
    }

    private static Command ShowOne()
    {
        var srn = new Argument<string>("RUN") { Description = "The run's SRN or id" };
        var logs = new Option<bool>("--logs") { Description = "With what each hook printed (always there with --json)" };
        var show = new Command("show", "One run as it is now, hook by hook") { srn, logs };
        show.Does(async context =>
        {
            var run = await context.Osa.Runs.Handle(context.Get(srn)).GetAsync(context.CancellationToken);
            return context.Screen.Show(run, () => Write(context.Screen, run, context.Get(logs)));
        });
        return show;
    }

    private static void Write(Screen screen, ValidationRun run, bool logs)
    {
        screen.Facts(
            ("run", run.Srn),
            ("status", ProtoJson.State(run.Status)),
            ("summary", run.Summary),
            ("waiting for", run.WaitingFor),
            ("deposition", run.DepositionSrn),
            ("convention", run.ConventionSrn),
            ("record", run.RecordSrn),
            ("created", Show.Time(run.CreatedAt)),
            ("started", Show.Time(run.StartedAt)),
            ("completed", Show.Time(run.CompletedAt)));
        if (screen.Interactive)
        {
            AnsiConsole.Write(RunView.HookTable(run));
        }

        foreach (var hook in run.Hooks)
        {
            var resources = string.Join(", ", new[]
            {
                Show.Duration(hook.Duration),
                hook.PeakMemoryBytes > 0 ? $"peak {Show.Bytes(hook.PeakMemoryBytes)}" : null,
                hook.HasExitCode ? $"exit code {hook.ExitCode}" : null,
                hook.Rows > 0 ? Show.Rows(hook.Rows) : null,
                hook.Attempt > 1 ? $"attempt {hook.Attempt}" : null,
                hook.Digest.Length > 0 ? hook.Digest : null,
            }.OfType<string>());
            screen.Line($"hook {hook.Hook}: {ProtoJson.State(hook.Status)}{(resources.Length > 0 ? $" ({resources})" : "")}"
                + $"{(hook.Reason.Length > 0 ? $": {hook.Reason}" : "")}");
            if (logs && hook.LogTail.Length > 0)
            {
                screen.Block(hook.LogTail);
            }
        }
    }

    private static Command List()
    {
        var srn = new Argument<string>("DEPOSITION") { Description = "The deposition's SRN" };
        var limit = NumberRange.Limit();
        var list = new Command("list", "Every run of a deposition, newest first") { srn, limit };
        list.Does(async context =>
        {
            var runs = await context.Osa.Runs.ListAsync(context.Get(srn), context.CancellationToken);
            return await context.Screen.ListAsync(
                runs.ToAsyncEnumerable(),
                context.Get(limit),
                context.CancellationToken,
                new ListColumn<ValidationRun>("run", static run => run.Srn),
                new ListColumn<ValidationRun>("status", static run => ProtoJson.State(run.Status)),
                new ListColumn<ValidationRun>("summary", static run => run.Summary),
                new ListColumn<ValidationRun>("created", static run => Show.Time(run.CreatedAt)));
        });
        return list;
    }
}
