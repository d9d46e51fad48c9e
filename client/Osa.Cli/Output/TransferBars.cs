using Spectre.Console;

namespace Osa.Cli.Output;

/// <summary>Progress bars of file transfers on a terminal; a line per finished file when piped; nothing with --json.</summary>
internal static class TransferBars
{
    /// <param name="files">Name and size in bytes of each file.</param>
    /// <param name="transfer">Moves the file of that index.</param>
    public static async Task RunAsync(
        Screen screen, string verb, IReadOnlyList<(string Name, long Bytes)> files, Func<int, IProgress<long>?, Task> transfer)
    {
        if (!screen.Interactive)
        {
            for (var i = 0; i < files.Count; i++)
            {
                await transfer(i, null);
                screen.Line($"{verb} {files[i].Name} ({Show.Bytes(files[i].Bytes)})");
            }

            return;
        }

        await AnsiConsole.Progress()
            .Columns(
                new TaskDescriptionColumn { Alignment = Justify.Left },
                new ProgressBarColumn(),
                new PercentageColumn(),
                new DownloadedColumn(),
                new TransferSpeedColumn(),
                new RemainingTimeColumn())
            .StartAsync(async bars =>
            {
                for (var i = 0; i < files.Count; i++)
                {
                    var bar = bars.AddTask(TerminalText.Markup(files[i].Name), maxValue: Math.Max(files[i].Bytes, 1));
                    await transfer(i, new Report<long>(bytes => bar.Value = bytes));
                    bar.Value = bar.MaxValue;
                }
            });
    }
}
