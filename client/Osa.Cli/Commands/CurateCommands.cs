using System.CommandLine;
using System.Text.Json.Nodes;
using Osa.Cli.Input;
using Osa.Cli.Output;
using Osa.Client.Features;
using Osa.V1;

namespace Osa.Cli.Commands;

/// <summary><c>osa curate</c>: what waits for a person's word before it is published.</summary>
internal static class CurateCommands
{
    private const int RowsShown = 20;

    private static readonly Argument<string> Srn = new("DEPOSITION") { Description = "The deposition's SRN" };

    public static Command Create() => new("curate", "What waits for a curator: look at it, approve it or give it back (curators only)")
    {
        List(),
        ShowOne(),
        Approve(),
        Return(),
    };

    private static Command List()
    {
        var convention = new Option<string>("--convention") { Description = "Only of this convention, id or SRN", HelpName = "ID" };
        var limit = NumberRange.Limit();
        var list = new Command("list", "The depositions that wait, oldest first") { convention, limit };
        list.Does(context => context.Screen.ListAsync(
            context.Osa.Curation.QueueAsync(context.Get(convention), cancellationToken: context.CancellationToken),
            context.Get(limit),
            context.CancellationToken,
            new ListColumn<WaitingDeposition>("deposition", static waiting => waiting.DepositionSrn),
            new ListColumn<WaitingDeposition>("since", static waiting => Show.Time(waiting.Since)),
            new ListColumn<WaitingDeposition>("convention", static waiting => waiting.ConventionSrn),
            new ListColumn<WaitingDeposition>("owner", static waiting => waiting.OwnerId),
            new ListColumn<WaitingDeposition>("metadata", static waiting => waiting.MetadataJson)));
        return list;
    }

    private static Command ShowOne()
    {
        var show = new Command("show", "One of them: metadata, files, what each hook said, and the feature rows that would be published") { Srn };
        show.Does(async context =>
        {
            var deposition = await context.Osa.Depositions.Handle(context.Get(Srn)).GetAsync(context.CancellationToken);
            if (deposition.RunSrn.Length == 0)
            {
                throw new UsageException($"{deposition.Srn} was never submitted: there is nothing to curate");
            }

            var handle = context.Osa.Runs.Handle(deposition.RunSrn, deposition.Srn);
            var run = await handle.GetAsync(context.CancellationToken);
            var rows = new Dictionary<string, List<TypedFeatureRow>>();
            foreach (var hook in run.Hooks.Where(static hook => hook.Rows > 0))
            {
                rows[hook.Hook] = await handle.FeaturesAsync(hook.Hook, RowsShown, context.CancellationToken).Take(RowsShown).ToListAsync(context.CancellationToken);
            }

            return Write(context.Screen, deposition, run, rows);
        });
        return show;
    }

    private static int Write(Screen screen, Deposition deposition, ValidationRun run, Dictionary<string, List<TypedFeatureRow>> rows)
    {
        if (screen.Json)
        {
            return screen.Done(
                new JsonObject
                {
                    ["deposition"] = deposition.ToJson(),
                    ["run"] = run.ToJson(),
                    ["features"] = new JsonObject([.. rows.Select(static hook => KeyValuePair.Create(hook.Key, (JsonNode?)new JsonArray([.. hook.Value.Select(FeatureCommands.ToJson)])))]),
                },
                "");
        }

        screen.Facts(
            ("deposition", deposition.Srn),
            ("status", ProtoJson.State(deposition.Status)),
            ("convention", deposition.ConventionSrn),
            ("new version of", deposition.RevisesSrn),
            ("owner", deposition.OwnerId),
            ("embargo", EmbargoInput.Show(deposition.Embargo)),
            ("metadata", deposition.MetadataJson));
        foreach (var file in deposition.Files)
        {
            screen.Line($"file {file.Name}: {Show.Bytes(file.Size)}, {file.Checksum}");
        }

        foreach (var hook in run.Hooks)
        {
            screen.Line($"hook {hook.Hook}: {ProtoJson.State(hook.Status)}, {Show.Rows(hook.Rows)}{(hook.Reason.Length > 0 ? $": {hook.Reason}" : "")}");
            if (hook.LogTail.Length > 0)
            {
                screen.Block(hook.LogTail);
            }

            foreach (var row in rows.GetValueOrDefault(hook.Hook) ?? [])
            {
                screen.Line("  " + string.Join(", ", row.Columns.Select((column, i) => $"{column.Name}={FeatureCommands.Text(row.Values[i])}")));
            }

            if (hook.Rows > RowsShown)
            {
                screen.Line($"  and {hook.Rows - RowsShown} more: osa run features {run.Srn} --deposition {deposition.Srn} --hook {hook.Hook}");
            }
        }

        return ExitCode.Ok;
    }

    private static Command Approve()
    {
        var srns = new Argument<string[]>("DEPOSITIONS") { Description = "1 to 1,000 SRNs: all are approved, or none", Arity = ArgumentArity.OneOrMore };
        var approve = new Command("approve", "Publish them as their hooks judged them") { srns };
        approve.Does(async context => Told(context, await context.Osa.Curation.ApproveAsync(context.GetAll(srns), context.CancellationToken), "approved", context.GetAll(srns).Length));
        return approve;
    }

    private static Command Return()
    {
        var reason = Reason.Required("Shown to the depositor");
        var give = new Command("return", "Give one back to its owner as a draft") { Srn, reason };
        give.Does(async context => Told(context, await context.Osa.Curation.ReturnAsync(context.Get(Srn), context.Get(reason)!, context.CancellationToken), "returned", 1));
        return give;
    }

    private static int Told(CommandContext context, IReadOnlyList<string> runs, string what, int count) => context.Screen.Done(
        new JsonObject { [what] = count, ["run_srns"] = new JsonArray([.. runs.Select(static run => JsonValue.Create(run))]) }, $"{what} {count}");
}
