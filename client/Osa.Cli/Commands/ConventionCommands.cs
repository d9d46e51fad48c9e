using System.CommandLine;
using System.Text.Json.Nodes;
using Osa.Cli.Input;
using Osa.Cli.Output;
using Osa.V1;

namespace Osa.Cli.Commands;

/// <summary><c>osa convention</c>: what the archive takes, and the code that judges it.</summary>
internal static class ConventionCommands
{
    public static Command Create() => new("convention", "Conventions: what the archive takes, and the code that judges it")
    {
        Register(),
        List(),
        ShowOne(),
        Retire(),
        Stop(),
        Schema(),
    };

    private static Command Register()
    {
        var file = new Argument<string>("FILE") { Description = "The registration document, one JSON object; - reads stdin" };
        var plan = new Option<bool>("--plan") { Description = "Only say what would be done" };
        var register = new Command("register", "Register one version of a convention: all of its tables, or nothing (admins only)") { file, plan };
        register.Does(async context =>
        {
            var document = await JsonDocumentFile.ReadTextAsync(context.Get(file), context.CancellationToken);
            return context.Get(plan) ? await PlanAsync(context, document) : await RegisterAsync(context, document);
        });
        return register;
    }

    private static async Task<int> PlanAsync(CommandContext context, string document)
    {
        var plan = await context.Osa.Conventions.PlanAsync(document, context.CancellationToken);
        return context.Screen.Show(plan, () =>
        {
            context.Screen.Line(plan.Unchanged ? $"{plan.ConventionSrn} is registered with this content" : $"would register {plan.ConventionSrn}");
            foreach (var table in plan.Tables)
            {
                var added = table.AddedColumns.Count > 0 ? $", adding {string.Join(", ", table.AddedColumns)}" : "";
                context.Screen.Line($"{table.Action} feature table {table.Name}{added}");
            }
        });
    }

    private static async Task<int> RegisterAsync(CommandContext context, string document)
    {
        var steps = new Report<string>(context.Screen.Note);
        var registration = await context.Osa.Conventions.RegisterAsync(document, steps, context.CancellationToken);
        context.Screen.Done(
            new JsonObject { ["created"] = registration.Created, ["convention"] = registration.Convention.ToJson() },
            $"{(registration.Created ? "registered" : "already registered:")} {registration.Convention.Srn}");
        if (!registration.Created)
        {
            context.Screen.Note("its images are those it was registered with; one that was built anew since is for a new version");
        }

        if (registration.Convention.SourceMayReach.Count > 0)
        {
            context.Screen.Note($"its source may reach: {string.Join("; ", registration.Convention.SourceMayReach)}");
        }

        return ExitCode.Ok;
    }

    private static Command List()
    {
        var all = new Option<bool>("--all-versions") { Description = "Every version instead of the newest of each" };
        var limit = NumberRange.Limit();
        var list = new Command("list", "Conventions, the newest version of each") { all, limit };
        list.Does(context => context.Screen.ListAsync(
            context.Osa.Conventions.ListAsync(context.Get(all), cancellationToken: context.CancellationToken),
            context.Get(limit),
            context.CancellationToken,
            new ListColumn<Convention>("convention", static convention => convention.Srn),
            new ListColumn<Convention>("title", static convention => convention.Title),
            new ListColumn<Convention>("hooks", static convention => string.Join(", ", convention.Hooks.Select(static hook => hook.Name))),
            new ListColumn<Convention>("registered", static convention => Show.Time(convention.CreatedAt))));
        return list;
    }

    private static Command ShowOne()
    {
        var srn = new Argument<string>("CONVENTION") { Description = "An SRN, or an id alone for its newest version" };
        var show = new Command("show", "One convention: its schema, file requirements and hooks") { srn };
        show.Does(async context =>
        {
            var convention = await context.Osa.Conventions.GetAsync(context.Get(srn), context.CancellationToken);
            return context.Screen.Show(convention, () => Write(context.Screen, convention));
        });
        return show;
    }

    private static void Write(Screen screen, Convention convention)
    {
        var files = convention.FileRequirements ?? new FileRequirements();
        var types = files.AcceptedTypes.Count > 0 ? $" of {string.Join(", ", files.AcceptedTypes)}" : "";
        screen.Facts(
            ("convention", convention.Srn),
            ("title", convention.Title),
            ("description", convention.Description),
            ("schema", convention.SchemaSrn),
            ("registered", Show.Time(convention.CreatedAt)),
            ("retired", convention.RetiredAt is null ? null : $"{Show.Time(convention.RetiredAt)}: {convention.RetiredBecause}"),
            ("curation", convention.Curation),
            ("share", convention.Share ? "submissions of the same moment share a container" : null),
            ("files", $"{files.MinCount} to {files.MaxCount}{types}, each up to {Show.Bytes(files.MaxFileSize)}"));
        foreach (var field in convention.Fields)
        {
            screen.Line($"field {field.Name}: {field.Type}, {field.Cardinality}{(field.Required ? ", required" : "")}"
                + $"{(field.ConstraintsJson.Length > 0 ? $" {field.ConstraintsJson}" : "")}{(field.Description.Length > 0 ? $" - {field.Description}" : "")}");
        }

        foreach (var hook in convention.Hooks)
        {
            screen.Line($"hook {hook.Name}: {hook.Cardinality} row(s) of {string.Join(", ", hook.Columns.Select(static column => $"{column.Name} {column.Type}"))}; "
                + $"{hook.TimeoutSeconds} s, {Show.Bytes(hook.MemoryBytes)}, {hook.Cpu} cpu, {hook.Pids} pids"
                + $"{(hook.Image.Length > 0 ? $"; {hook.Image} {hook.Digest}" : "")}");
        }
    }

    private static Command Retire()
    {
        var srn = new Argument<string>("CONVENTION") { Description = "An SRN, or an id alone for its newest version" };
        var reason = Reason.Required("Shown to depositors");
        var retire = new Command("retire", "Take no new depositions under this version; drafts are told, and may still be submitted (admins only)") { srn, reason };
        retire.Does(async context =>
        {
            var retired = await context.Osa.Conventions.RetireAsync(context.Get(srn), context.Get(reason)!, context.CancellationToken);
            return context.Screen.Done(retired.ToJson(), $"retired {retired.Srn}");
        });
        return retire;
    }

    private static Command Stop()
    {
        var srn = new Argument<string>("CONVENTION") { Description = "An SRN, or an id alone for its newest version" };
        var reason = Reason.Optional("Shown to depositors");
        var stop = new Command("stop", "End everything that runs for this version; its depositions are drafts again (admins only)") { srn, reason };
        stop.Does(async context =>
        {
            var runs = await context.Osa.Conventions.StopRunsAsync(context.Get(srn), context.Get(reason) ?? "", context.CancellationToken);
            return context.Screen.Done(
                new JsonObject { ["run_srns"] = new JsonArray([.. runs.Select(static run => JsonValue.Create(run))]) },
                $"{runs.Count} run(s) end as soon as their containers are gone");
        });
        return stop;
    }

    private static Command Schema()
    {
        var schema = new Command("schema", "The JSON Schema of a registration document");
        schema.Does(async context =>
        {
            var json = await context.Osa.Conventions.GetRegistrationSchemaAsync(context.CancellationToken);
            if (context.Screen.Json)
            {
                Screen.WriteJson(ProtoJson.Document(json) ?? new JsonObject());
            }
            else
            {
                context.Screen.Block(json);
            }

            return ExitCode.Ok;
        });
        return schema;
    }
}
