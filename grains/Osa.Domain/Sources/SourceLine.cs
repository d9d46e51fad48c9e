using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Osa.Domain.Conventions;
using Osa.Domain.Depositions;
using Osa.Domain.Errors;
using Osa.Domain.Json;
using Osa.Domain.Names;

namespace Osa.Domain.Sources;

/// <summary>A file that a source names with a record.</summary>
/// <param name="Name">What it is called in the record.</param>
/// <param name="Path">Where the source has put it, below <c>/osa/files</c>.</param>
public sealed record SourceFile(string Name, string Path);

/// <summary>One line of a source's <c>records.jsonl</c>: <c>{"source_id", "metadata", "files": [{"name", "relative_path"}], "fetched_at"}</c>; other members are passed over.</summary>
/// <param name="MetadataJson">The canonical text of the metadata.</param>
public sealed record SourceLine(string SourceId, string MetadataJson, IReadOnlyList<SourceFile> Files)
{
    /// <summary>Longest id that an upstream system may give, in bytes of UTF-8: it names a directory.</summary>
    public const int MaxIdBytes = 200;

    private const int MaxPathBytes = 4_096;
    private const int MaxShown = 10;

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>The record that a line holds, or why it cannot be taken.</summary>
    public static (SourceLine? Line, string? SourceId, string? Problem) Read(ReadOnlySpan<byte> utf8, NodeLimits limits)
    {
        string text;
        try
        {
            text = Utf8.GetString(utf8);
        }
        catch (DecoderFallbackException)
        {
            return (null, null, "the line is not valid UTF-8");
        }

        var violations = new ViolationList();
        if (StrictJson.ReadObject(text, "line", "", limits.MaxSourceLineBytes, limits.MaxJsonDepth + 1, violations) is not { } root)
        {
            return (null, null, Said(violations));
        }

        string? id = root.TryGetProperty("source_id", out JsonElement given) && given.ValueKind == JsonValueKind.String ? given.GetString() : null;
        if (id is null || IdProblem(id) is not null)
        {
            return (null, id is null ? null : Shown.Clean(id, MaxIdBytes), id is null ? "source_id: must be a text" : $"source_id: {IdProblem(id)}");
        }

        JsonElement metadata = root.TryGetProperty("metadata", out JsonElement described) && described.ValueKind != JsonValueKind.Null ? described : default;
        if (metadata.ValueKind is not (JsonValueKind.Object or JsonValueKind.Undefined))
        {
            return (null, id, "metadata: must be an object");
        }

        List<SourceFile>? files = ReadFiles(root, id, limits, violations);
        return files is null ? (null, id, Said(violations)) : (new SourceLine(id, metadata.ValueKind == JsonValueKind.Undefined ? "{}" : CanonicalJson.Text(metadata), files), id, null);
    }

    /// <summary>Why an upstream id cannot be one here, or null: it names a directory, and it is shown to people.</summary>
    public static string? IdProblem(string id) =>
        id.Length == 0 ? "is empty"
        : VisibleText.Problem(id)
        ?? (Encoding.UTF8.GetByteCount(id) > MaxIdBytes ? $"is longer than {MaxIdBytes} bytes of UTF-8"
        : id.Contains('/', StringComparison.Ordinal) ? "has a '/': it names the directory of its files"
        : id is "." or ".." ? "stands for a directory"
        : null);

    /// <summary>What makes two pulls of one record the same: metadata and files, in any order. SHA-256, 64 lower-case hex digits.</summary>
    /// <param name="metadataJson">Canonical.</param>
    public static string ContentHash(string metadataJson, IEnumerable<(string Name, string Sha256)> files)
    {
        var text = new StringBuilder(metadataJson);
        foreach ((string name, string sha256) in files.OrderBy(f => f.Name, StringComparer.Ordinal))
        {
            // A name has no line break, and canonical JSON no bare one.
            text.Append('\n').Append(sha256).Append(' ').Append(name);
        }

        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }

    private static List<SourceFile>? ReadFiles(JsonElement root, string id, NodeLimits limits, ViolationList violations)
    {
        if (!root.TryGetProperty("files", out JsonElement given) || given.ValueKind == JsonValueKind.Null)
        {
            return [];
        }

        if (given.ValueKind != JsonValueKind.Array)
        {
            violations.Add("files", "type", "must be a list");
            return null;
        }

        if (given.GetArrayLength() > limits.MaxFiles)
        {
            violations.Add("files", "max_items", $"are {given.GetArrayLength()}; at most {limits.MaxFiles} are accepted");
            return null;
        }

        var files = new List<SourceFile>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (JsonElement item in given.EnumerateArray())
        {
            string path = JsonPath.Item("files", files.Count);
            string? name = Member(item, "name");
            if (name is null)
            {
                violations.Add(path, "name", "must be an object with a name, a text");
                return null;
            }

            if (FileRules.CheckName(name, limits, JsonPath.Member(path, "name")) is { } violation)
            {
                violations.Add(violation.Field, violation.Rule, violation.Message);
                return null;
            }

            if (!names.Add(name))
            {
                violations.Add(path, "duplicate", $"{Shown.Quote(name)} names an earlier file too");
                return null;
            }

            string place = Member(item, "relative_path") ?? $"{id}/{name}";
            if (PathProblem(place) is { } problem)
            {
                violations.Add(JsonPath.Member(path, "relative_path"), "path", $"{Shown.Quote(place)} {problem}");
                return null;
            }

            files.Add(new SourceFile(name, place));
        }

        return files;
    }

    // Whether something is there is for whoever opens it to say; what is said of it has to be short and readable.
    private static string? PathProblem(string path) =>
        VisibleText.Problem(path) ?? (Encoding.UTF8.GetByteCount(path) > MaxPathBytes ? $"is longer than {MaxPathBytes} bytes of UTF-8" : null);

    private static string? Member(JsonElement item, string name) =>
        item.ValueKind == JsonValueKind.Object && item.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    /// <summary>Why the record cannot be submitted to its convention, or null.</summary>
    /// <param name="files">What it brings, of whatever name.</param>
    public string? Problem(ConventionDocument convention, IReadOnlyList<SubmittedFile> files, NodeLimits limits)
    {
        List<Violation> violations = [.. files.Select(f => FileRules.CheckName(f.Name, limits, "files")).OfType<Violation>(), .. SubmissionRules.Check(convention, MetadataJson, files, limits)];
        return violations.Count == 0 ? null : string.Join("; ", violations.Take(MaxShown).Select(v => $"{v.Field}: {v.Message}")) + (violations.Count > MaxShown ? $"; and {violations.Count - MaxShown} more" : "");
    }

    private static string Said(ViolationList violations) => string.Join("; ", violations.ToList().Select(v => $"{v.Field}: {v.Message}"));
}
