using System.Globalization;
using System.Text.Json;

namespace Osa.Examples.ProteinSource;

/// <summary>What the node hands to a source: configuration and session in <c>OSA_IN</c>, the rest in the environment.</summary>
/// <param name="Catalogue">Root of the upstream catalogue; <c>url</c> of <c>config.json</c>.</param>
/// <param name="PageLimit">Most records of one chunk; <c>page_limit</c>.</param>
/// <param name="Attempts">How often a request is made before upstream counts as away; <c>attempts</c>.</param>
/// <param name="Since">Only what changed at this time or later; null takes everything.</param>
/// <param name="Limit">Most records that are wanted; null for all.</param>
/// <param name="Offset">How many entries of the listing were taken before; a session knows better.</param>
/// <param name="Cursor">Where the chunk before this one ended; null at the beginning.</param>
/// <param name="OutFolder">Where the records go.</param>
/// <param name="FilesFolder">Where their files go.</param>
internal sealed record SourceInput(
    Uri Catalogue, int PageLimit, int Attempts, DateTimeOffset? Since, int? Limit, int Offset, string? Cursor, string OutFolder, string FilesFolder)
{
    public const int DefaultPageLimit = 200;
    public const int MaxPageLimit = 500;
    public const int DefaultAttempts = 7;
    public const int MaxAttempts = 20;

    /// <param name="environment">The variable of that name, or null.</param>
    /// <exception cref="InvalidDataException">A value is wrong; the message names it.</exception>
    /// <exception cref="IOException">There is no <c>config.json</c>.</exception>
    /// <exception cref="JsonException">A document is no JSON.</exception>
    public static SourceInput Read(Func<string, string?> environment)
    {
        var folder = environment("OSA_IN") ?? "/osa/in";
        using var config = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "config.json")));
        return new SourceInput(
            ReadUrl(config.RootElement),
            ReadNumber(config.RootElement, "page_limit", 1, MaxPageLimit, DefaultPageLimit),
            ReadNumber(config.RootElement, "attempts", 2, MaxAttempts, DefaultAttempts),
            ReadSince(environment("OSA_SINCE")),
            ReadCount("OSA_LIMIT", environment("OSA_LIMIT")),
            ReadCount("OSA_OFFSET", environment("OSA_OFFSET")) ?? 0,
            ReadCursor(Path.Combine(folder, "session.json")),
            environment("OSA_OUT") ?? "/osa/out",
            environment("OSA_FILES") ?? "/osa/files");
    }

    private static Uri ReadUrl(JsonElement config)
    {
        var url = config.ValueKind == JsonValueKind.Object && config.TryGetProperty("url", out var value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;
        return Uri.TryCreate(url, UriKind.Absolute, out var catalogue) && catalogue.Scheme is "http" or "https"
            ? catalogue
            : throw new InvalidDataException($"config.json: url: expected the catalogue's address such as http://172.17.0.1:7410, got {(url is null ? "none" : $"'{url}'")}");
    }

    private static int ReadNumber(JsonElement config, string name, int least, int most, int otherwise)
    {
        if (!config.TryGetProperty(name, out var value))
            return otherwise;
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) && number >= least && number <= most
            ? number
            : throw new InvalidDataException($"config.json: {name}: expected an integer from {least} to {most}, got {value.GetRawText()}");
    }

    private static DateTimeOffset? ReadSince(string? text)
    {
        if (string.IsNullOrEmpty(text))
            return null;
        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var since)
            ? since
            : throw new InvalidDataException($"OSA_SINCE: expected a time such as 2026-01-05T00:00:00Z, got '{text}'");
    }

    private static int? ReadCount(string name, string? text)
    {
        if (string.IsNullOrEmpty(text))
            return null;
        return int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var count)
            ? count
            : throw new InvalidDataException($"{name}: expected a number of records, got '{text}'");
    }

    private static string? ReadCursor(string path)
    {
        if (!File.Exists(path))
            return null;
        using var session = JsonDocument.Parse(File.ReadAllBytes(path));
        return session.RootElement.ValueKind == JsonValueKind.Object && session.RootElement.TryGetProperty("cursor", out var cursor) && cursor.ValueKind == JsonValueKind.String
            ? cursor.GetString()
            : throw new InvalidDataException($"session.json: expected {{\"cursor\": \"...\"}}, got {session.RootElement.GetRawText()}");
    }
}
