using System.CommandLine;
using Osa.Cli.Input;
using Osa.Cli.Output;
using Osa.V1;

namespace Osa.Cli.Commands;

/// <summary><c>osa record</c>: what was published.</summary>
internal static class RecordCommands
{
    private static readonly Argument<string> Srn = new("RECORD") { Description = "The record's SRN, with its version" };

    public static Command Create() => new("record", "Records: what passed, immutable, under a permanent name")
    {
        ShowOne(),
        List(),
        Download(),
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
            ("published", Show.Time(record.PublishedAt)),
            ("convention", record.Provenance?.ConventionSrn),
            ("schema", record.Provenance?.SchemaSrn),
            ("deposition", record.Provenance?.DepositionSrn),
            ("run", record.Provenance?.RunSrn),
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
        var limit = NumberRange.Limit();
        var list = new Command("list", "Records, newest first") { convention, limit };
        list.Does(context => context.Screen.ListAsync(
            context.Osa.Records.ListAsync(context.Get(convention), cancellationToken: context.CancellationToken),
            context.Get(limit),
            context.CancellationToken,
            new ListColumn<Record>("record", static record => record.Srn),
            new ListColumn<Record>("published", static record => Show.Time(record.PublishedAt)),
            new ListColumn<Record>("convention", static record => record.Provenance?.ConventionSrn),
            new ListColumn<Record>("metadata", static record => record.MetadataJson)));
        return list;
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
