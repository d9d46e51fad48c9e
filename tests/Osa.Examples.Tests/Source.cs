using System.Collections.Concurrent;

namespace Osa.Examples.Tests;

/// <summary>The source's program in this process.</summary>
internal static class Source
{
    public static async Task<Chunk> RunAsync(SourceCall call, CancellationToken cancellationToken = default)
    {
        using var folders = new SourceFolders(call);
        var environment = new ConcurrentDictionary<string, string>(call.Variables)
        {
            ["OSA_IN"] = folders.In,
            ["OSA_OUT"] = folders.Out,
            ["OSA_FILES"] = folders.Files,
        };
        await using var log = new StringWriter();
        var exitCode = await ProteinSource.Program.RunAsync(environment.GetValueOrDefault, TimeProvider.System, log, cancellationToken);
        return folders.Read(exitCode, log.ToString());
    }

    /// <summary>Chunk after chunk, each from the session of the one before it, as the node does.</summary>
    /// <param name="afterChunk">Called after each chunk with its number, from 1.</param>
    public static async Task<IReadOnlyList<Chunk>> PullAsync(SourceCall call, Action<int>? afterChunk = null)
    {
        var chunks = new List<Chunk>();
        do
        {
            chunks.Add((await RunAsync(call with { Session = chunks.LastOrDefault()?.Session })).Complete);
            afterChunk?.Invoke(chunks.Count);
        }
        while (chunks[^1].Session is not null);
        return chunks;
    }
}
