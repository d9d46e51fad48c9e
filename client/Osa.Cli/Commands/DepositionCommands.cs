using System.CommandLine;
using System.Text.Json.Nodes;
using Grpc.Core;
using Osa.Cli.Input;
using Osa.Cli.Output;
using Osa.Client;
using Osa.Client.Depositions;
using Osa.V1;

namespace Osa.Cli.Commands;

/// <summary><c>osa deposition</c>: the steps of a deposit one by one.</summary>
internal static class DepositionCommands
{
    private static readonly Argument<string> Srn = new("DEPOSITION") { Description = "The deposition's SRN" };

    public static Command Create() => new("deposition", "Depositions, step by step: create, fill, check and submit a draft")
    {
        New(),
        List(),
        ShowOne(),
        Set(),
        Upload(),
        Download(),
        DeleteFile(),
        Validate(),
        Submit(),
        Cancel(),
        Withdraw(),
        SetEmbargo(),
    };

    /// <summary>Submits, and watches where that is wanted.</summary>
    public static async Task<int> SubmitAsync(CommandContext context, DepositionHandle deposition, bool watch)
    {
        Client.Runs.RunHandle run;
        try
        {
            run = await deposition.SubmitAsync(null, context.CancellationToken);
        }
        catch (OsaClientException error) when (error.Code is StatusCode.InvalidArgument or StatusCode.FailedPrecondition)
        {
            context.Screen.Note($"The draft stays as it is. Put it right with: osa deposition set|upload|delete-file {deposition.Srn}");
            throw;
        }

        context.Screen.Done(
            DepositCommand.Event("submitted", new JsonObject { ["deposition_srn"] = deposition.Srn, ["run_srn"] = run.Srn }), $"submitted, run {run.Srn}");
        return watch
            ? await RunView.FollowAsync(context, run, state => DepositCommand.Event("run", new JsonObject { ["run"] = state.ToJson() }))
            : ExitCode.Ok;
    }

    private static Command New()
    {
        var convention = new Option<string>("--convention")
        {
            Description = "An SRN, or an id alone for the newest version",
            HelpName = "ID",
            Required = true,
        };
        var create = new Command("create", "Create a draft") { convention };
        MetadataInput.AddTo(create);
        create.Does(async context =>
        {
            var metadata = await MetadataInput.ReadAsync(context);
            var deposition = await context.Osa.Depositions.CreateAsync(context.Get(convention)!, metadata, null, context.CancellationToken);
            return context.Screen.Done(new() { ["srn"] = deposition.Srn }, deposition.Srn);
        });
        return create;
    }

    private static Command List()
    {
        var everybody = new Option<bool>("--everybody") { Description = "Everybody's (curators only)" };
        var convention = new Option<string>("--convention") { Description = "Only of this convention, id or SRN", HelpName = "ID" };
        var status = new Option<string>("--status") { Description = "Only in this state" };
        var states = Enum.GetValues<DepositionStatus>().Where(static state => state != DepositionStatus.Unspecified).ToDictionary(static state => ProtoJson.State(state)!);
        status.AcceptOnlyFromAmong([.. states.Keys]);
        var limit = NumberRange.Limit();
        var list = new Command("list", "Your depositions, newest first") { everybody, convention, status, limit };
        list.Does(context => context.Screen.ListAsync(
            context.Osa.Depositions.ListAsync(
                context.Get(everybody),
                context.Get(status) is { } state ? states[state] : DepositionStatus.Unspecified,
                context.Get(convention),
                cancellationToken: context.CancellationToken),
            context.Get(limit),
            context.CancellationToken,
            new ListColumn<Deposition>("deposition", static deposition => deposition.Srn),
            new ListColumn<Deposition>("status", static deposition => ProtoJson.State(deposition.Status)),
            new ListColumn<Deposition>("convention", static deposition => deposition.ConventionSrn),
            new ListColumn<Deposition>("updated", static deposition => Show.Time(deposition.UpdatedAt)),
            new ListColumn<Deposition>("record", static deposition => deposition.RecordSrn)));
        return list;
    }

    private static Command ShowOne()
    {
        var show = new Command("show", "One deposition: its state, metadata and files") { Srn };
        show.Does(async context => Write(context.Screen, await Handle(context).GetAsync(context.CancellationToken)));
        return show;
    }

    private static Command Set()
    {
        var set = new Command("set", "Change the metadata of a draft: --metadata replaces all of it, --set writes single fields over what is there") { Srn };
        MetadataInput.AddTo(set);
        set.Validators.Add(static result =>
        {
            if (result.GetResult(MetadataInput.File) is null && result.GetResult(SetAssignment.Option) is null)
            {
                result.AddError("say what to set: --metadata FILE.json, or --set FIELD=VALUE");
            }
        });
        set.Does(async context =>
        {
            var deposition = Handle(context);
            var metadata = context.Get(MetadataInput.File) is null
                ? MetadataInput.Apply(context.Get(SetAssignment.Option), await CurrentAsync(deposition, context.CancellationToken))
                : await MetadataInput.ReadAsync(context);
            return Write(context.Screen, await deposition.SetMetadataAsync(metadata!, context.CancellationToken));
        });
        return set;
    }

    private static async Task<JsonObject> CurrentAsync(DepositionHandle deposition, CancellationToken cancellationToken) =>
        ProtoJson.Document((await deposition.GetAsync(cancellationToken)).MetadataJson) as JsonObject ?? [];

    private static Command Upload()
    {
        var files = new Argument<FileInfo[]>("FILES") { Description = "The files to add; one of the same name is replaced", Arity = ArgumentArity.OneOrMore };
        files.AcceptExistingOnly();
        var upload = new Command("upload", "Add files to a draft") { Srn, files };
        upload.Does(async context =>
        {
            await DepositCommand.UploadAsync(context, Handle(context), context.GetAll(files));
            return ExitCode.Ok;
        });
        return upload;
    }

    private static Command Download()
    {
        var download = new Command("download", "Get the files of a deposition") { Srn, FileDownload.Names, FileDownload.To, FileDownload.Force };
        download.Does(async context =>
        {
            var handle = Handle(context);
            var deposition = await handle.GetAsync(context.CancellationToken);
            return await FileDownload.RunAsync(
                context,
                [.. deposition.Files.Select(static file => (file.Name, file.Size, file.Checksum))],
                (name, file, progress) => handle.DownloadAsync(name, file, progress, context.CancellationToken));
        });
        return download;
    }

    private static Command DeleteFile()
    {
        var name = new Argument<string>("NAME") { Description = "The file's name in the deposition" };
        var delete = new Command("delete-file", "Take a file out of a draft") { Srn, name };
        delete.Does(async context => Write(context.Screen, await Handle(context).DeleteFileAsync(context.Get(name), context.CancellationToken)));
        return delete;
    }

    private static Command Validate()
    {
        var validate = new Command("validate", "Say what a submit would refuse, without submitting") { Srn };
        validate.Does(async context =>
        {
            var violations = await Handle(context).ValidateAsync(context.CancellationToken);
            context.Screen.Done(
                new()
                {
                    ["valid"] = violations.Count == 0,
                    ["violations"] = new JsonArray([.. violations.Select(static violation => violation.ToJson())]),
                },
                violations.Count == 0 ? "nothing would be refused" : $"a submit would be refused: {violations.Count} violation(s)");
            if (!context.Screen.Json)
            {
                context.Screen.WriteViolations(violations);
            }

            return violations.Count == 0 ? ExitCode.Ok : ExitCode.Invalid;
        });
        return validate;
    }

    private static Command Submit()
    {
        var watch = new Option<bool>("--watch") { Description = "Watch the run to its verdict" };
        var submit = new Command("submit", "Submit a draft for validation") { Srn, watch };
        submit.Does(context => SubmitAsync(context, Handle(context), context.Get(watch)));
        return submit;
    }

    private static Command Cancel()
    {
        var reason = Reason.Optional("Kept with the deposition");
        var cancel = new Command("cancel", "Take a deposition out of its run or review, back to draft") { Srn, reason };
        cancel.Does(async context => Write(context.Screen, await Handle(context).CancelAsync(context.Get(reason) ?? "", context.CancellationToken)));
        return cancel;
    }

    private static Command Withdraw()
    {
        var reason = Reason.Optional("Kept with the deposition");
        var withdraw = new Command("withdraw", "Give a deposition up for good; a published one is a record, which a curator withdraws") { Srn, reason };
        withdraw.Does(async context => Write(context.Screen, await Handle(context).WithdrawAsync(context.Get(reason) ?? "", context.CancellationToken)));
        return withdraw;
    }

    private static Command SetEmbargo()
    {
        var embargo = new Command("embargo", "Say until when the record that a draft becomes is held: seen by you and curators only") { Srn, EmbargoInput.Option };
        embargo.Does(async context => Write(context.Screen, await Handle(context).SetEmbargoAsync(EmbargoInput.Parse(context.Get(EmbargoInput.Option)), context.CancellationToken)));
        return embargo;
    }

    private static DepositionHandle Handle(CommandContext context) => context.Osa.Depositions.Handle(context.Get(Srn));

    private static int Write(Screen screen, Deposition deposition) => screen.Show(deposition, () =>
    {
        screen.Facts(
            ("deposition", deposition.Srn),
            ("status", ProtoJson.State(deposition.Status)),
            ("convention", deposition.ConventionSrn),
            ("run", deposition.RunSrn),
            ("record", deposition.RecordSrn),
            ("new version of", deposition.RevisesSrn),
            ("embargo", EmbargoInput.Show(deposition.Embargo)),
            ("notice", deposition.Notice),
            ("owner", deposition.OwnerId),
            ("created", Show.Time(deposition.CreatedAt)),
            ("updated", Show.Time(deposition.UpdatedAt)),
            ("metadata", deposition.MetadataJson));
        foreach (var reason in deposition.Reasons)
        {
            screen.Line($"sent back: {reason}");
        }

        foreach (var file in deposition.Files)
        {
            screen.Line($"file {file.Name}: {Show.Bytes(file.Size)}, {file.Checksum}");
        }
    });
}
