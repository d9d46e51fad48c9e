using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Osa.Cli.Input;

/// <summary>Metadata as a file or as assignments.</summary>
internal static class MetadataInput
{
    public static Option<FileInfo> File { get; } = new("--metadata")
    {
        Description = "Metadata from a file with one JSON object",
        HelpName = "FILE.json",
    };

    public static void AddTo(Command command)
    {
        command.Options.Add(File);
        command.Options.Add(SetAssignment.Option);
        command.Validators.Add(static result =>
        {
            if (result.GetResult(File) is not null && result.GetResult(SetAssignment.Option) is not null)
            {
                result.AddError("give either --metadata or --set, not both");
            }
        });
    }

    /// <summary>The metadata that was given; null for none.</summary>
    public static async Task<JsonObject?> ReadAsync(CommandContext context) =>
        context.Get(File) is { } file
            ? await JsonDocumentFile.ReadObjectAsync(file.FullName, context.CancellationToken)
            : Apply(context.Get(SetAssignment.Option), []);

    /// <summary><paramref name="metadata"/> with the assignments written over it; null without any assignment.</summary>
    public static JsonObject? Apply(SetAssignment[]? assignments, JsonObject metadata)
    {
        if (assignments is not { Length: > 0 })
        {
            return null;
        }

        foreach (var (field, value) in assignments)
        {
            metadata[field] = value.DeepClone();
        }

        return metadata;
    }
}

/// <summary>A JSON file of this machine.</summary>
internal static class JsonDocumentFile
{
    // The node's own limits are smaller; this one keeps a wrong file name from filling memory.
    private const long MaxBytes = 64 << 20;

    /// <summary>The text of the file, or of stdin for <c>-</c>, when it is one JSON object.</summary>
    public static async Task<string> ReadTextAsync(string path, CancellationToken cancellationToken)
    {
        if (path != "-" && new FileInfo(path) is { Exists: true, Length: > MaxBytes })
        {
            throw new UsageException($"{path}: larger than {MaxBytes >> 20} MiB");
        }

        var text = path == "-"
            ? await Console.In.ReadToEndAsync(cancellationToken)
            : await System.IO.File.ReadAllTextAsync(path, cancellationToken);
        try
        {
            using var document = JsonDocument.Parse(text);
            return document.RootElement.ValueKind == JsonValueKind.Object
                ? text
                : throw new UsageException($"{path}: expected one JSON object, found {document.RootElement.ValueKind.ToString().ToLowerInvariant()}");
        }
        catch (JsonException error)
        {
            throw new UsageException($"{path}: not JSON: {error.Message}");
        }
    }

    public static async Task<JsonObject> ReadObjectAsync(string path, CancellationToken cancellationToken) =>
        JsonNode.Parse(await ReadTextAsync(path, cancellationToken))!.AsObject();
}
