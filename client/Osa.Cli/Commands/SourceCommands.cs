using System.CommandLine;
using System.Text.Json.Nodes;
using Osa.Cli.Input;
using Osa.Cli.Output;
using Osa.V1;

namespace Osa.Cli.Commands;

/// <summary><c>osa source</c>: records that are pulled from upstream.</summary>
internal static class SourceCommands
{
    private static readonly Argument<string> Convention = new("CONVENTION") { Description = "The convention's id" };

    private static readonly Option<string> PullOf = new("--pull") { Description = "This pull instead of the newest", HelpName = "ID" };

    public static Command Create() => new("source", "Sources: records pulled from upstream systems, each exactly once")
    {
        List(),
        ShowOne(),
        Run(),
        Watch(),
        Pulls(),
        Logs(),
        Pause(),
        Resume(),
        Cancel(),
        Reset(),
        Quarantine(),
        Redrive(),
        Unblock(),
    };

    private static Command List()
    {
        var list = new Command("list", "All sources, by convention");
        list.Does(async context => await context.Screen.ListAsync(
            (await context.Osa.Sources.ListAsync(context.CancellationToken)).ToAsyncEnumerable(),
            0,
            context.CancellationToken,
            new ListColumn<Source>("convention", static source => source.ConventionSrn),
            new ListColumn<Source>("schedule", static source => source.PausedAt is null ? source.Cron : $"{source.Cron} (paused)"),
            new ListColumn<Source>("next", static source => Show.Time(source.NextDue)),
            new ListColumn<Source>("lag", static source => Show.Duration(source.Lag)),
            new ListColumn<Source>("last pull", static source => source.LastPull is { } pull ? ProtoJson.State(pull.Status) : null),
            new ListColumn<Source>("records", static source => source.LastPull?.Counts.Pulled.ToString())));
        return list;
    }

    private static Command ShowOne()
    {
        var show = new Command("show", "One source: its schedule, how far it is, and its newest pull") { Convention };
        show.Does(async context =>
        {
            var source = await context.Osa.Sources.GetAsync(context.Get(Convention), context.CancellationToken);
            return context.Screen.Show(source, () => Write(context.Screen, source));
        });
        return show;
    }

    private static void Write(Screen screen, Source source)
    {
        screen.Facts(
            ("convention", source.ConventionSrn),
            ("retired", source.RetiredBecause),
            ("image", source.Image),
            ("digest", source.Digest),
            ("may reach", string.Join("; ", source.MayReach)),
            ("schedule", source.Cron.Length == 0 ? "none" : $"{source.Cron} UTC{(source.ScheduleLimit > 0 ? $", at most {source.ScheduleLimit} records" : "")}"),
            ("paused", source.PausedAt is null ? null : $"since {Show.Time(source.PausedAt)}{(source.PausedBecause.Length > 0 ? $": {source.PausedBecause}" : "")}"),
            ("next pull", Show.Time(source.NextDue)),
            ("cursor", Show.Time(source.Cursor)),
            ("lag", Show.Duration(source.Lag)));
        if (source.LastPull is { } pull)
        {
            WritePull(screen, pull);
        }
    }

    private static void WritePull(Screen screen, Pull pull) => screen.Facts(
        ("pull", pull.Id),
        ("status", $"{ProtoJson.State(pull.Status)}{(pull.Status is PullStatus.Running ? $" (chunk {pull.Chunk})" : "")}"),
        ("begun by", pull.Cause),
        ("started", Show.Time(pull.StartedAt)),
        ("took", Show.Duration(pull.Duration)),
        ("since", Show.Time(pull.Since)),
        ("waits for", pull.WaitingFor),
        ("records", $"{pull.Counts.Pulled}: {pull.Counts.Taken} taken, {pull.Counts.Unchanged} unchanged, {pull.Counts.Quarantined} in quarantine, {pull.Counts.Blocked} blocked"),
        ("verdicts", $"{pull.Counts.Judged}: {pull.Counts.Published} published, {pull.Counts.Rejected} rejected, {pull.Counts.Failed} failed, {pull.Counts.Superseded} superseded"),
        ("summary", pull.Summary));

    private static Command Run()
    {
        var since = Moment.Option("--since", "What changed upstream since then [default: since the cursor]");
        var limit = new Option<int?>("--limit") { Description = "At most so many records", HelpName = "N" };
        limit.Between(1, int.MaxValue);
        var batch = new Option<int?>("--batch-size") { Description = "Records that are judged together [default: the node chooses]", HelpName = "N" };
        batch.Between(1, 5_000);
        var moves = new Option<bool>("--move-cursor") { Description = "It counts as one of the schedule's" };
        var watch = new Option<bool>("--watch") { Description = "Watch it until its end" };
        var run = new Command("run", "Pull now") { Convention, since, limit, batch, moves, watch };
        run.Does(async context =>
        {
            var pull = await context.Osa.Sources.RunAsync(
                context.Get(Convention), context.Get(since) is { } text ? Moment.Parse(text) : null, context.Get(limit), context.Get(batch), context.Get(moves), context.CancellationToken);
            if (context.Get(watch))
            {
                return await PullScreen.FollowAsync(context, context.Get(Convention), pull.Id);
            }

            context.Screen.Show(pull, () => context.Screen.Line(pull.Id));
            context.Screen.Note($"Watch it with: osa source watch {context.Get(Convention)}");
            return ExitCode.Ok;
        });
        return run;
    }

    private static Command Watch()
    {
        var watch = new Command("watch", "A pull as it happens, until its end") { Convention, PullOf };
        watch.Does(async context => await PullScreen.FollowAsync(context, context.Get(Convention), await PullAsync(context)));
        return watch;
    }

    private static Command Pulls()
    {
        var limit = NumberRange.Limit();
        var pulls = new Command("pulls", "The pulls of a source, newest first") { Convention, limit };
        pulls.Does(context => context.Screen.ListAsync(
            context.Osa.Sources.ListPullsAsync(context.Get(Convention), cancellationToken: context.CancellationToken),
            context.Get(limit),
            context.CancellationToken,
            new ListColumn<Pull>("pull", static pull => pull.Id),
            new ListColumn<Pull>("begun by", static pull => pull.Cause),
            new ListColumn<Pull>("started", static pull => Show.Time(pull.StartedAt)),
            new ListColumn<Pull>("status", static pull => ProtoJson.State(pull.Status)),
            new ListColumn<Pull>("summary", static pull => pull.Summary)));
        return pulls;
    }

    private static Command Logs()
    {
        var logs = new Command("logs", "What the source's newest container of a pull logged") { Convention, PullOf };
        logs.Does(async context =>
        {
            var containers = await context.Osa.Sources.ContainersAsync(await PullAsync(context), context.CancellationToken);
            if (containers.Count == 0)
            {
                context.Screen.Note("no container has run yet");
                return ExitCode.Ok;
            }

            return context.Screen.Show(containers[0], () =>
            {
                context.Screen.Note($"chunk {containers[0].Chunk}, attempt {containers[0].Attempt}: {containers[0].State}{(containers[0].Because.Length > 0 ? $", {containers[0].Because}" : "")}");
                context.Screen.Block(containers[0].Log);
            });
        });
        return logs;
    }

    private static Command Pause()
    {
        var reason = Reason.Optional("Shown to whoever looks at the source");
        var pause = new Command("pause", "Begin no pull by the schedule until it is resumed") { Convention, reason };
        pause.Does(async context =>
        {
            var source = await context.Osa.Sources.PauseAsync(context.Get(Convention), context.Get(reason) ?? "", context.CancellationToken);
            return context.Screen.Show(source, () => context.Screen.Line($"paused: {source.ConventionSrn}"));
        });
        return pause;
    }

    private static Command Resume()
    {
        var resume = new Command("resume", "Let the schedule go on") { Convention };
        resume.Does(async context =>
        {
            var source = await context.Osa.Sources.ResumeAsync(context.Get(Convention), context.CancellationToken);
            return context.Screen.Show(source, () => context.Screen.Line($"next pull: {Show.Time(source.NextDue) ?? "by hand"}"));
        });
        return resume;
    }

    private static Command Cancel()
    {
        var reason = Reason.Optional("Shown to whoever looks at the pull");
        var cancel = new Command("cancel", "End the pull that is running; what it has taken stays") { Convention, reason };
        cancel.Does(async context =>
        {
            var pull = await context.Osa.Sources.CancelAsync(context.Get(Convention), context.Get(reason) ?? "", context.CancellationToken);
            return context.Screen.Show(pull, () => context.Screen.Line($"to end when its container is gone: {pull.Id}"));
        });
        return cancel;
    }

    private static Command Reset()
    {
        var to = Moment.Option("--to", "Ask for what changed since then [default: for everything]");
        var reset = new Command("reset", "Let the next pull begin elsewhere; records that are known with the same content are passed over") { Convention, to };
        reset.Does(async context =>
        {
            var source = await context.Osa.Sources.ResetAsync(context.Get(Convention), context.Get(to) is { } text ? Moment.Parse(text) : null, context.CancellationToken);
            return context.Screen.Show(source, () => context.Screen.Line($"cursor: {Show.Time(source.Cursor) ?? "the beginning"}"));
        });
        return reset;
    }

    private static Command Quarantine()
    {
        var pull = new Option<string>("--pull") { Description = "Only what this pull met", HelpName = "ID" };
        var get = new Option<long?>("--get") { Description = "Write this one's line as the source wrote it", HelpName = "NUMBER" };
        var limit = NumberRange.Limit();
        var quarantine = new Command("quarantine", "Records that could not be taken, oldest first, and why") { Convention, pull, get, limit };
        quarantine.Does(async context =>
        {
            if (context.Get(get) is { } id)
            {
                var line = await context.Osa.Sources.GetQuarantinedAsync(context.Get(Convention), id, context.CancellationToken);
                return context.Screen.Show(line, () =>
                {
                    using var output = Console.OpenStandardOutput();
                    line.Line.WriteTo(output);
                    output.WriteByte((byte)'\n');
                    if (line.Record.IsCut)
                    {
                        context.Screen.Note($"only the beginning of the line was kept: {line.Record.Reason}");
                    }
                });
            }

            return await context.Screen.ListAsync(
                context.Osa.Sources.QuarantineAsync(context.Get(Convention), context.Get(pull), cancellationToken: context.CancellationToken),
                context.Get(limit),
                context.CancellationToken,
                new ListColumn<QuarantinedRecord>("number", static record => record.Id.ToString()),
                new ListColumn<QuarantinedRecord>("id", static record => record.SourceId),
                new ListColumn<QuarantinedRecord>("chunk", static record => record.Chunk.ToString()),
                new ListColumn<QuarantinedRecord>("line", static record => record.Line.ToString()),
                new ListColumn<QuarantinedRecord>("taken after all", static record => Show.Time(record.RedrivenAt)),
                new ListColumn<QuarantinedRecord>("reason", static record => record.Reason));
        });
        return quarantine;
    }

    private static Command Redrive()
    {
        var numbers = new Argument<long[]>("NUMBER") { Description = "As osa source quarantine shows them", Arity = ArgumentArity.OneOrMore };
        var redrive = new Command("redrive", "Take records out of quarantine, as the convention is by now") { Convention, numbers };
        redrive.Does(async context =>
        {
            var answer = await context.Osa.Sources.RedriveAsync(context.Get(Convention), context.GetAll(numbers), context.CancellationToken);
            context.Screen.Show(answer, () =>
            {
                context.Screen.Line($"{answer.Taken} taken, {answer.Unchanged} known already{(answer.RunSrn.Length > 0 ? $": {answer.RunSrn}" : "")}");
                foreach (var refused in answer.Refused)
                {
                    context.Screen.Line($"{refused.Id}: {refused.Reason}");
                }
            });
            return answer.Refused.Count == 0 ? ExitCode.Ok : ExitCode.Verdict;
        });
        return redrive;
    }

    private static Command Unblock()
    {
        var id = new Argument<string>("ID") { Description = "What upstream calls the record" };
        var unblock = new Command("unblock", "Let an upstream record in again that was withdrawn here (curators only)") { Convention, id };
        unblock.Does(async context =>
        {
            await context.Osa.Sources.UnblockAsync(context.Get(Convention), context.Get(id), context.CancellationToken);
            return context.Screen.Done(new JsonObject { ["source_id"] = context.Get(id) }, $"{context.Get(id)}: what is pulled next under it becomes a new record");
        });
        return unblock;
    }

    private static async Task<string> PullAsync(CommandContext context) =>
        context.Get(PullOf) is { Length: > 0 } named ? named
        : (await context.Osa.Sources.GetAsync(context.Get(Convention), context.CancellationToken)).LastPull?.Id
            ?? throw new UsageException($"the source of {context.Get(Convention)} has not pulled yet; begin with: osa source run {context.Get(Convention)}");
}
