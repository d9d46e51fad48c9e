using System.CommandLine;
using Osa.Cli.Input;
using Osa.Cli.Output;
using Osa.V1;

namespace Osa.Cli.Commands;

/// <summary><c>osa record</c>: what was published.</summary>
internal static class RecordCommands
{
    private static readonly Argument<string> Srn = new("RECORD") { Description = "The record's SRN, with its version" };

    private static readonly Argument<string> Convention = new("CONVENTION") { Description = "The convention's id" };

    public static Command Create() => new("record", "Records: what passed, immutable, under a permanent name")
    {
        ShowOne(),
        List(),
        QueryCommands.Query(Convention, "The records of a convention, in the order they were published unless sorted", static id => new QuerySource { RecordsOf = id }),
        QueryCommands.Export(Convention, "All records of a query as one file, as of one moment", static id => new QuerySource { RecordsOf = id }),
        Download(),
        NewVersion(),
        Release(),
        Withdraw(),
    };

    private static Command ShowOne()
    {
        var show = new Command("show", "One record: metadata, files, and what judged it") { Srn };
        show.Does(async context =>
        {
            var record = await context.Osa.Records.GetAsync(context.Get(Srn), context.CancellationToken);
            return context.Screen.Show(record, () => Write(context.Screen, record));
        });
        return show;
    }

    private static void Write(Screen screen, Record record)
    {
        screen.Facts(
            ("record", record.Srn),
            ("withdrawn", record.WithdrawnAt is null ? null : $"{Show.Time(record.WithdrawnAt)}: {record.WithdrawnBecause}"),
            ("current version", record.CurrentSrn),
            ("embargo", EmbargoInput.Show(record.Embargo)),
            ("published", Show.Time(record.PublishedAt)),
            ("convention", record.Provenance?.ConventionSrn),
            ("schema", record.Provenance?.SchemaSrn),
            ("deposition", record.Provenance?.DepositionSrn),
            ("run", record.Provenance?.RunSrn),
            ("upstream id", record.Provenance?.SourceId),
            ("metadata", record.MetadataJson));
        foreach (var file in record.Files)
        {
            screen.Line($"file {file.Name}: {Show.Bytes(file.Size)}, {file.Checksum}");
        }

        foreach (var hook in record.Provenance?.Hooks ?? [])
        {
            screen.Line($"hook {hook.Hook}: {Show.Rows(hook.Rows)}, {hook.Digest}");
        }
    }

    private static Command List()
    {
        var convention = new Option<string>("--convention") { Description = "Only of this convention: an id (all versions) or an SRN (one)", HelpName = "ID" };
        var all = new Option<bool>("--all-versions") { Description = "Old versions too" };
        var limit = NumberRange.Limit();
        var list = new Command("list", "Records, newest first") { convention, all, limit };
        list.Does(context => context.Screen.ListAsync(
            context.Osa.Records.ListAsync(context.Get(convention), allVersions: context.Get(all), cancellationToken: context.CancellationToken),
            context.Get(limit),
            context.CancellationToken,
            new ListColumn<Record>("record", static record => record.Srn),
            new ListColumn<Record>("published", static record => Show.Time(record.PublishedAt)),
            new ListColumn<Record>("convention", static record => record.Provenance?.ConventionSrn),
            new ListColumn<Record>("metadata", static record => record.MetadataJson)));
        return list;
    }

    private static Command NewVersion()
    {
        var create = new Command("new-version", "Open a draft of the next version of your record, with its metadata and files") { Srn };
        create.Does(async context =>
        {
            var draft = await context.Osa.Depositions.NewVersionAsync(context.Get(Srn), context.CancellationToken);
            context.Screen.Done(new() { ["deposition_srn"] = draft.Srn }, draft.Srn);
            context.Screen.Note($"Change it with: osa deposition set|upload|delete-file {draft.Srn}, then: osa deposition submit {draft.Srn} --watch");
            return ExitCode.Ok;
        });
        return create;
    }

    private static Command Release()
    {
        var release = new Command("release", "End the embargo of a record: from now on everybody sees it (its owner, and curators)") { Srn };
        release.Does(async context =>
        {
            await context.Osa.Curation.ReleaseRecordAsync(context.Get(Srn), context.CancellationToken);
            return context.Screen.Done(new() { ["record_srn"] = context.Get(Srn) }, $"released {context.Get(Srn)}");
        });
        return release;
    }

    private static Command Withdraw()
    {
        var reason = Reason.Required("Shown to everybody who asks for the record");
        var withdraw = new Command("withdraw", "Take a record back: a tombstone stays, its feature rows go (curators only)") { Srn, reason };
        withdraw.Does(async context =>
        {
            var withdrawn = await context.Osa.Curation.WithdrawRecordAsync(context.Get(Srn), context.Get(reason)!, context.CancellationToken);
            return context.Screen.Done(withdrawn.ToJson(), $"withdrawn, with {Show.Rows(withdrawn.Rows)} of features");
        });
        return withdraw;
    }

    private static Command Download()
    {
        var download = new Command("download", "Get the files of a record, checked against their checksums") { Srn, FileDownload.Names, FileDownload.To, FileDownload.Force };
        download.Does(async context =>
        {
            var srn = context.Get(Srn);
            var record = await context.Osa.Records.GetAsync(srn, context.CancellationToken);
            return await FileDownload.RunAsync(
                context,
                [.. record.Files.Select(static file => (file.Name, file.Size, file.Checksum))],
                (name, file, progress) => context.Osa.Records.DownloadAsync(srn, name, file, progress, context.CancellationToken));
        });
        return download;
    }
}
