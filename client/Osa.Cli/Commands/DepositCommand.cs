using System.CommandLine;
using System.Text.Json.Nodes;
using Osa.Cli.Input;
using Osa.Cli.Output;
using Osa.Client;
using Osa.Client.Depositions;

namespace Osa.Cli.Commands;

/// <summary><c>osa deposit</c>: create, upload, submit and watch in one go.</summary>
internal static class DepositCommand
{
    private static readonly Argument<FileInfo[]> Files = new("FILES")
    {
        Description = "The files to deposit; or, for many depositions, one directory with a folder for each (metadata.json and files), or one table given with --csv",
        Arity = ArgumentArity.ZeroOrMore,
    };

    private static readonly Option<string> Convention = new("--convention")
    {
        Description = "What it is deposited under: an SRN, or an id alone for the newest version",
        HelpName = "ID",
        Required = true,
    };

    private static readonly Option<bool> Check = new("--check")
    {
        Description = "Only say what a submit would refuse; makes a draft with the files, and leaves it",
    };

    private static readonly Option<FileInfo> Table = new("--csv")
    {
        Description = "Many depositions from a table: a row for each, columns are the convention's fields, 'files' lists paths beside the table; several values are separated by ';'",
        HelpName = "TABLE.csv",
    };

    public static Command Create()
    {
        var deposit = new Command("deposit", "Create a deposition, upload its files, submit it and watch it to its verdict")
        {
            Files,
            Convention,
            Table,
            EmbargoInput.Option,
            Check,
        };
        MetadataInput.AddTo(deposit);
        deposit.Validators.Add(static result =>
        {
            var files = result.GetResult(Files)?.Tokens.Select(static token => token.Value).ToList() ?? [];
            var isMany = result.GetResult(Table) is not null || files.Any(Directory.Exists);
            if (isMany && (files.Count > 1 || (result.GetResult(Table) is not null && files.Count > 0)))
            {
                result.AddError("many depositions come from one directory, or from one table: give nothing else beside it");
            }

            if (isMany && (result.GetResult(MetadataInput.File) is not null || result.GetResult(SetAssignment.Option) is not null))
            {
                result.AddError("many depositions have their metadata in the directory or table: leave --metadata and --set out");
            }

            foreach (var missing in files.Where(file => !isMany && !File.Exists(file)))
            {
                result.AddError($"there is no file {missing}");
            }

            foreach (var name in files.GroupBy(Path.GetFileName).Where(static group => group.Count() > 1))
            {
                result.AddError($"two files are named {name.Key}: a deposition has one of each name");
            }
        });
        deposit.Does(RunAsync);
        return deposit;
    }

    private static async Task<int> RunAsync(CommandContext context)
    {
        var embargo = EmbargoInput.Parse(context.Get(EmbargoInput.Option));
        FileSystemInfo? many = context.Get(Table) is { } table ? table : context.GetAll(Files) is [{ } one] && Directory.Exists(one.FullName) ? new DirectoryInfo(one.FullName) : null;
        if (many is not null)
        {
            return many.Exists
                ? await DepositManyCommand.RunAsync(context, context.Get(Convention)!, many, embargo, context.Get(Check))
                : throw new UsageException($"there is no file {many.FullName}");
        }

        var metadata = await MetadataInput.ReadAsync(context);
        var deposition = await context.Osa.Depositions.CreateAsync(context.Get(Convention)!, metadata, null, context.CancellationToken);
        Tell(context.Screen, "created", new JsonObject { ["deposition_srn"] = deposition.Srn }, $"draft {deposition.Srn}");
        try
        {
            await UploadAsync(context, deposition, context.GetAll(Files));
            if (embargo is not null)
            {
                await deposition.SetEmbargoAsync(embargo, context.CancellationToken);
            }

            if (context.Get(Check))
            {
                return await CheckAsync(context, deposition);
            }
        }
        catch (Exception error) when (error is OperationCanceledException or OsaClientException or IOException)
        {
            context.Screen.Note($"The draft stays. Go on with: osa deposition upload|set|submit {deposition.Srn}");
            throw;
        }

        return await DepositionCommands.SubmitAsync(context, deposition, watch: true);
    }

    /// <summary>Uploads with progress, one file after the other.</summary>
    public static async Task UploadAsync(CommandContext context, DepositionHandle deposition, IReadOnlyList<FileInfo> files) =>
        await TransferBars.RunAsync(context.Screen, "uploaded", [.. files.Select(static file => (file.Name, file.Length))], async (i, progress) =>
        {
            var stored = await deposition.UploadFileAsync(files[i].FullName, null, progress, context.CancellationToken);
            if (context.Screen.Json)
            {
                Screen.WriteJson(Event("uploaded", new JsonObject { ["file"] = stored.ToJson() }));
            }
        });

    private static async Task<int> CheckAsync(CommandContext context, DepositionHandle deposition)
    {
        var violations = await deposition.ValidateAsync(context.CancellationToken);
        Tell(
            context.Screen,
            "checked",
            new JsonObject
            {
                ["deposition_srn"] = deposition.Srn,
                ["valid"] = violations.Count == 0,
                ["violations"] = new JsonArray([.. violations.Select(static violation => violation.ToJson())]),
            },
            violations.Count == 0 ? "nothing would be refused" : $"a submit would be refused: {violations.Count} violation(s)");
        if (!context.Screen.Json)
        {
            context.Screen.WriteViolations(violations);
        }

        context.Screen.Note($"The draft stays. Submit it with: osa deposition submit {deposition.Srn} --watch");
        return violations.Count == 0 ? ExitCode.Ok : ExitCode.Invalid;
    }

    private static void Tell(Screen screen, string name, JsonObject values, string line) => screen.Done(Event(name, values), line);

    /// <summary>A line of the stream that <c>--json</c> writes: <c>event</c> says which.</summary>
    public static JsonObject Event(string name, JsonObject values)
    {
        values.Insert(0, "event", name);
        return values;
    }
}
