using System.CommandLine;
using Osa.Cli.Input;
using Osa.Cli.Output;
using Osa.V1;
using Spectre.Console;

namespace Osa.Cli.Commands;

/// <summary><c>osa run</c>: validation runs, as they happen and afterwards.</summary>
internal static class RunCommands
{
    private static readonly Argument<string> Run = new("RUN") { Description = "The run's SRN or id" };

    private static readonly Option<string> Deposition = new("--deposition") { Description = "Of several depositions only this one", HelpName = "SRN" };

    public static Command Create() => new("run", "Validation runs: watch one, or read what came of it")
    {
        Watch(),
        ShowOne(),
        List(),
        Logs(),
        Features(),
        Cancel(),
        Redrive(),
        Try(),
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
        var show = new Command("show", "One run as it is now, hook by hook; of several depositions each one's verdict") { srn, Deposition, logs };
        show.Does(async context =>
        {
            var run = await context.Osa.Runs.Handle(context.Get(srn), context.Get(Deposition)).GetAsync(context.CancellationToken);
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
            ("place in the queue", run.QueuePosition > 0 ? run.QueuePosition.ToString() : null),
            ("to end because", run.CancelReason),
            ("review", run.InReview ? "a curator has the next word" : null),
            ("trial", run.Trial ? "yes: it publishes nothing" : null),
            ("silo", run.Silo),
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
                hook.CpuTime is null ? null : $"cpu {Show.Duration(hook.CpuTime)}",
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

        foreach (var container in run.Containers)
        {
            screen.Line($"container {container.Hook} {container.Unit}.{container.Attempt}: {container.State}, {container.Depositions} deposition(s), {Show.Duration(container.Duration)}"
                + $"{(container.HasExitCode ? $", exit code {container.ExitCode}" : "")}{(container.BrokenBecause.Length > 0 ? $": {container.BrokenBecause}" : "")}");
        }

        if (run.Depositions.Count > 1)
        {
            RunView.WriteVerdicts(screen, run);
        }
    }

    private static Command List()
    {
        var srn = new Argument<string?>("DEPOSITION") { Description = "The deposition's SRN", Arity = ArgumentArity.ZeroOrOne };
        var convention = new Option<string>("--convention") { Description = "Of a convention instead, id or SRN (curators, and whoever registered it)", HelpName = "ID" };
        var limit = NumberRange.Limit();
        var list = new Command("list", "Every run of a deposition, or of a convention, newest first") { srn, convention, limit };
        list.Validators.Add(result =>
        {
            if ((result.GetResult(srn)?.Tokens.Count > 0) == (result.GetResult(convention) is not null))
            {
                result.AddError("name either a DEPOSITION or --convention");
            }
        });
        list.Does(async context =>
        {
            var runs = context.Get(convention) is { } id
                ? context.Osa.Runs.ListOfConventionAsync(id, cancellationToken: context.CancellationToken)
                : (await context.Osa.Runs.ListAsync(context.Get(srn)!, context.CancellationToken)).ToAsyncEnumerable();
            return await context.Screen.ListAsync(
                runs,
                context.Get(limit),
                context.CancellationToken,
                new ListColumn<ValidationRun>("run", static run => run.Srn),
                new ListColumn<ValidationRun>("status", static run => ProtoJson.State(run.Status)),
                new ListColumn<ValidationRun>("summary", static run => run.Summary),
                new ListColumn<ValidationRun>("created", static run => Show.Time(run.CreatedAt)));
        });
        return list;
    }

    private static Command Logs()
    {
        var hook = new Option<string>("--hook") { Description = "Which hook's; default the newest that has one", HelpName = "NAME" };
        var follow = new Option<bool>("--follow") { Description = "Go on until the container has ended" };
        var logs = new Command("logs", "What a hook's container wrote to stdout and stderr: the first 16 KiB and the last 48 KiB, also while it runs") { Run, hook, Deposition, follow };
        logs.Does(async context =>
        {
            await foreach (var part in context.Osa.Runs.Handle(context.Get(Run), context.Get(Deposition)).LogsAsync(context.Get(hook), context.Get(follow), context.CancellationToken))
            {
                if (context.Screen.Json)
                {
                    Screen.WriteJson(part.ToJson());
                }
                else
                {
                    Console.Write(TerminalText.Block(part.Text));
                }
            }

            return ExitCode.Ok;
        });
        return logs;
    }

    private static Command Features()
    {
        var hook = new Option<string>("--hook") { Description = "Which hook's", HelpName = "NAME", Required = true };
        var limit = NumberRange.Limit();
        var features = new Command("features", "The feature rows that a deposition's publication would add, as a hook gave them") { Run, hook, Deposition, limit };
        features.Does(context => context.Screen.ListAsync(
            context.Osa.Runs.Handle(context.Get(Run), context.Get(Deposition)).FeaturesAsync(context.Get(hook)!, cancellationToken: context.CancellationToken),
            context.Get(limit), FeatureCommands.ToJson, FeatureCommands.Columns, context.CancellationToken));
        return features;
    }

    private static Command Cancel()
    {
        var reason = Reason.Optional("Shown to the depositors");
        var noWait = new Option<bool>("--no-wait") { Description = "Do not wait until its containers are gone" };
        var cancel = new Command("cancel", "End a run; its depositions are drafts again when its containers are gone") { Run, reason, noWait };
        cancel.Does(async context =>
        {
            var handle = context.Osa.Runs.Handle(context.Get(Run));
            var run = await handle.CancelAsync(context.Get(reason) ?? "", context.CancellationToken);
            if (!context.Get(noWait) && run.CancelReason.Length > 0)
            {
                run = await handle.WaitAsync(context.CancellationToken);
            }

            return context.Screen.Done(run.ToJson(), run.Status is RunStatus.Cancelled ? run.Summary : $"{ProtoJson.State(run.Status)}: {(run.CancelReason.Length > 0 ? run.CancelReason : run.Summary)}");
        });
        return cancel;
    }

    private static Command Redrive()
    {
        var watch = new Option<bool>("--watch") { Description = "Watch the new run to its verdict" };
        var redrive = new Command("redrive", "Submit again, in one new run, what an ended run sent back and nobody has submitted since") { Run, watch };
        redrive.Does(async context =>
        {
            var again = await context.Osa.Runs.Handle(context.Get(Run)).RedriveAsync(context.CancellationToken);
            context.Screen.Done(again.ToJson(), $"submitted {again.Depositions}, run {again.RunSrn}");
            return context.Get(watch) ? await RunView.FollowAsync(context, context.Osa.Runs.Handle(again.RunSrn), static run => run.ToJson()) : ExitCode.Ok;
        });
        return redrive;
    }

    private static Command Try()
    {
        var srn = new Argument<string>("DEPOSITION") { Description = "The deposition's SRN; it stays as it is" };
        var image = new Option<string>("--image") { Description = "The image to try, as in a registration document", HelpName = "IMAGE", Required = true };
        var digest = new Option<string>("--digest") { Description = "Exactly this image; default what the name means now", HelpName = "SHA256" };
        var hook = new Option<string>("--hook") { Description = "In place of which hook; needed where the convention has several", HelpName = "NAME" };
        var attempt = new Command("try", "Run a hook from another image over a deposition, without publishing anything (admins only)") { srn, image, digest, hook };
        attempt.Does(async context =>
        {
            var run = await context.Osa.Runs.TryAsync(context.Get(srn), context.Get(image)!, context.Get(hook), context.Get(digest), context.CancellationToken);
            var code = await RunView.FollowAsync(context, run, static state => state.ToJson());
            if (code == ExitCode.Ok)
            {
                var verdict = await run.GetAsync(context.CancellationToken);
                context.Screen.Note($"Nothing was published. Its rows: osa run features {run.Srn} --hook {verdict.Hooks[0].Hook}");
            }

            return code;
        });
        return attempt;
    }
}
