using System.CommandLine;
using System.Text.Json.Nodes;
using Osa.Cli.Output;

namespace Osa.Cli.Commands;

/// <summary>Files of the node written to this machine.</summary>
internal static class FileDownload
{
    public static Argument<string[]> Names { get; } = new("NAMES") { Description = "Which files; default all", Arity = ArgumentArity.ZeroOrMore };

    public static Option<DirectoryInfo> To { get; } = new("--to")
    {
        Description = "Where to",
        HelpName = "DIR",
        DefaultValueFactory = static _ => new DirectoryInfo("."),
    };

    public static Option<bool> Force { get; } = new("--force") { Description = "Overwrite files that are there" };

    /// <param name="files">What there is: name, size in bytes, checksum.</param>
    /// <param name="fetch">Writes the file of that name to a stream.</param>
    public static async Task<int> RunAsync(
        CommandContext context,
        IReadOnlyList<(string Name, long Bytes, string Checksum)> files,
        Func<string, Stream, IProgress<long>?, Task> fetch)
    {
        var wanted = context.GetAll(Names);
        var chosen = wanted.Length == 0 ? files : [.. wanted.Select(name => Choose(files, name))];
        var directory = context.Get(To)!.FullName;
        foreach (var (name, _, _) in chosen)
        {
            var path = LocalPath(directory, name);
            if (!context.Get(Force) && Path.Exists(path))
            {
                throw new UsageException($"{path} is there already: --force overwrites, --to writes elsewhere");
            }
        }

        Directory.CreateDirectory(directory);
        await TransferBars.RunAsync(context.Screen, "downloaded", [.. chosen.Select(static file => (file.Name, file.Bytes))], async (i, progress) =>
        {
            var path = LocalPath(directory, chosen[i].Name);
            // Under its own name only when it is whole and its checksum right.
            var part = $"{path}.{Guid.NewGuid():N}.part";
            try
            {
                await using (var file = new FileStream(part, new FileStreamOptions
                {
                    Mode = FileMode.CreateNew,
                    Access = FileAccess.Write,
                    Options = FileOptions.Asynchronous,
                }))
                {
                    await fetch(chosen[i].Name, file, progress);
                }

                File.Move(part, path, context.Get(Force));
            }
            finally
            {
                File.Delete(part);
            }

            if (context.Screen.Json)
            {
                Screen.WriteJson(new JsonObject
                {
                    ["name"] = chosen[i].Name,
                    ["path"] = path,
                    ["size"] = chosen[i].Bytes,
                    ["checksum"] = chosen[i].Checksum,
                });
            }
        });
        return ExitCode.Ok;
    }

    /// <summary>Names come from strangers: one that is not a plain file name here is refused, not repaired.</summary>
    public static string LocalPath(string directory, string name)
    {
        var plain = name.Length > 0 && name is not ("." or "..") && Path.GetFileName(name) == name && !name.Contains('\\', StringComparison.Ordinal)
            && TerminalText.Line(name) == name;
        return plain ? Path.Combine(directory, name) : throw new UsageException($"the file name '{name}' cannot be used on this machine");
    }

    private static (string Name, long Bytes, string Checksum) Choose(IReadOnlyList<(string Name, long Bytes, string Checksum)> files, string name)
    {
        var found = files.Where(file => file.Name == name).ToList();
        return found.Count > 0
            ? found[0]
            : throw new UsageException($"there is no file '{name}': {string.Join(", ", files.Select(static file => file.Name))}");
    }
}
