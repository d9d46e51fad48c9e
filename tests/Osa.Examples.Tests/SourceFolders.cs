using System.Security.Cryptography;
using System.Text.Json;

namespace Osa.Examples.Tests;

/// <summary>What the node hands to a source: its folders and its variables.</summary>
/// <param name="Config">Content of <c>config.json</c>.</param>
/// <param name="Session">The cursor in <c>session.json</c>, or null for none.</param>
internal sealed record SourceCall(string Config, string? Session = null, string? Since = null, int? Limit = null, int? Offset = null)
{
    /// <summary>A call that pulls from there; a request is made twice before upstream counts as away.</summary>
    public static SourceCall To(Uri catalogue, int pageLimit = 200, int attempts = 2) =>
        new($$"""{"url":"{{catalogue}}","page_limit":{{pageLimit}},"attempts":{{attempts}}}""");

    /// <summary>The variables that are set, without those of the folders.</summary>
    public IEnumerable<KeyValuePair<string, string>> Variables
    {
        get
        {
            if (Since is not null)
                yield return new("OSA_SINCE", Since);
            if (Limit is not null)
                yield return new("OSA_LIMIT", $"{Limit}");
            if (Offset is not null)
                yield return new("OSA_OFFSET", $"{Offset}");
        }
    }
}

/// <summary>The three folders of one call, and what is in them afterwards.</summary>
internal sealed class SourceFolders : IDisposable
{
    private const UnixFileMode EverybodyWrites = (UnixFileMode)0b111_111_111;
    private readonly DirectoryInfo work = Directory.CreateTempSubdirectory("osa-source-");

    public SourceFolders(SourceCall call)
    {
        In = work.CreateSubdirectory("in").FullName;
        Out = work.CreateSubdirectory("out").FullName;
        Files = work.CreateSubdirectory("files").FullName;
        File.SetUnixFileMode(Out, EverybodyWrites);
        File.SetUnixFileMode(Files, EverybodyWrites);
        File.WriteAllText(Path.Combine(In, "config.json"), call.Config);
        if (call.Session is not null)
            File.WriteAllText(Path.Combine(In, "session.json"), JsonSerializer.Serialize(new { cursor = call.Session }));
    }

    public string In { get; }

    public string Out { get; }

    public string Files { get; }

    public Chunk Read(int exitCode, string log)
    {
        var records = Path.Combine(Out, "records.jsonl");
        var session = Path.Combine(Out, "session.json");
        return new Chunk(
            exitCode,
            log,
            File.Exists(records) ? [.. File.ReadAllLines(records).Select(line => ReadRecord(JsonElement.Parse(line)))] : [],
            File.Exists(session) ? JsonElement.Parse(File.ReadAllText(session)).GetProperty("cursor").GetString() : null);
    }

    public void Dispose()
    {
        try
        {
            work.Delete(recursive: true);
        }
        catch (UnauthorizedAccessException)
        {
            // What a container wrote as another user only root may delete; it stays in /tmp where the tests are not root.
        }
    }

    private PulledRecord ReadRecord(JsonElement line) => new(
        line.GetProperty("source_id").GetString()!,
        line.GetProperty("metadata"),
        [.. line.GetProperty("files").EnumerateArray().Select(ReadFile)],
        line.GetProperty("fetched_at").GetDateTimeOffset());

    private PulledFile ReadFile(JsonElement file)
    {
        var path = file.GetProperty("relative_path").GetString()!;
        return new PulledFile(file.GetProperty("name").GetString()!, path, Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Path.Combine(Files, path)))));
    }
}

/// <summary>What one call of a source left behind.</summary>
/// <param name="Session">The cursor of <c>session.json</c>; null where the pull is at its end.</param>
internal sealed record Chunk(int ExitCode, string Log, IReadOnlyList<PulledRecord> Records, string? Session)
{
    /// <summary>Itself, where the source succeeded.</summary>
    public Chunk Complete
    {
        get
        {
            Assert.True(ExitCode == 0, $"the source ended with exit code {ExitCode}: {Log}");
            return this;
        }
    }

    public IEnumerable<string> Ids => Records.Select(record => record.SourceId);
}

internal sealed record PulledRecord(string SourceId, JsonElement Metadata, IReadOnlyList<PulledFile> Files, DateTimeOffset FetchedAt);

internal sealed record PulledFile(string Name, string RelativePath, string Sha256);
