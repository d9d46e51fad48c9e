using System.Text;
using System.Text.Json;
using Osa.Domain.Conventions;
using Osa.Domain.Features;
using Osa.Domain.Hooks;
using Osa.Domain.Validation;

namespace Osa.Containers.Output;

/// <summary>What a container over many depositions says of one of them.</summary>
public abstract record BatchOutcome
{
    private BatchOutcome()
    {
    }

    /// <summary>Its checked features are a canonical file inside the stream that was written.</summary>
    public sealed record Passed(long Offset, long Length, long Rows, string? Sha256) : BatchOutcome;

    public sealed record Rejected(string? Reason) : BatchOutcome;

    public sealed record Failed(string? Reason) : BatchOutcome;
}

/// <summary>What a container over many depositions left behind.</summary>
/// <param name="Outcomes">By the token of the deposition; of those without an outcome there is none.</param>
/// <param name="Problem">Why nothing of it can be believed; null where it can.</param>
public sealed record BatchResult(IReadOnlyDictionary<string, BatchOutcome> Outcomes, string? Problem);

/// <summary>
/// Reads what the batch contract leaves in the output directory: <c>features.jsonl</c> with <c>{"id", "features"}</c>,
/// <c>rejections.jsonl</c> with <c>{"id", "reason"}</c> and <c>errors.jsonl</c> with <c>{"id", "error"}</c>, in constant memory but for one line.
/// </summary>
/// <remarks>
/// Each deposition stands in exactly one of the three. Whoever stands there twice has failed; a line that is none, or about somebody who
/// was not given, makes all of it worthless. Features that are no objects (<c>[null]</c>, <c>[3]</c>: what the Python SDK writes for a
/// function that returns nothing, or a number) are passed without a row. In a batch of one, <c>features.json</c> stands in for a line.
/// </remarks>
public static class BatchOutput
{
    private const string NoReason = "The hook rejected the deposition and gave no reason.";

    /// <param name="ids">The tokens that the container was given.</param>
    /// <param name="isWhole">The container ended by itself and well. Of one that did not, a last line that was cut off is left out.</param>
    /// <param name="canonical">Receives the checked features; worth nothing where there is a problem.</param>
    public static async Task<BatchResult> CheckAsync(
        OutputDirectory directory, IReadOnlyCollection<string> ids, HookManifest manifest, NodeLimits limits, bool isWhole, Stream canonical, CancellationToken cancellationToken)
    {
        var outcomes = new Dictionary<string, BatchOutcome>(ids.Count, StringComparer.Ordinal);
        HashSet<string> known = new(ids, StringComparer.Ordinal);
        using var features = new BatchFeatures(manifest, limits, canonical);
        string? problem =
            await ReadAsync("features.jsonl", "features", async (line, value) => await PassedAsync(features, line, value, cancellationToken))
            ?? await ReadAsync("rejections.jsonl", "reason", (_, value) => ValueTask.FromResult<BatchOutcome>(new BatchOutcome.Rejected(Reason(value, NoReason))))
            ?? await ReadAsync("errors.jsonl", "error", (_, value) => ValueTask.FromResult<BatchOutcome>(new BatchOutcome.Failed(Reason(value, "The hook failed on it and gave no reason."))))
            ?? (ids.Count == 1 && outcomes.Count == 0 ? await SingleAsync() : null);
        await features.CompleteAsync(cancellationToken);
        return new BatchResult(problem is null ? outcomes : [], problem);

        async Task<string?> ReadAsync(string name, string member, Func<BatchLine, ReadOnlyMemory<byte>, ValueTask<BatchOutcome>> read)
        {
            switch (directory.Open(name, limits.MaxFeatureBytes))
            {
                case OutputFile.Refused refused:
                    return refused.Problem;
                case OutputFile.Readable readable:
                    await using (readable.Content)
                    {
                        using var lines = new OutputLines(readable.Content, limits.MaxBatchLineBytes, takeUnended: isWhole);
                        byte[] wanted = Encoding.UTF8.GetBytes(member);
                        while (await lines.NextAsync(cancellationToken) is { } line)
                        {
                            BatchLine about;
                            try
                            {
                                about = BatchLine.Read(line.Span, wanted, limits.MaxJsonDepth + 2);
                            }
                            catch (JsonException)
                            {
                                return $"{name} line {lines.Number} is not a JSON object with a text \"id\"";
                            }

                            if (!known.Contains(about.Id))
                                return $"{name} line {lines.Number} is about \"{Shown(about.Id)}\", which the hook was not given";
                            BatchOutcome outcome = await read(about, about.Value is { } at ? line[at] : default);
                            if (!outcomes.TryAdd(about.Id, outcome))
                                outcomes[about.Id] = new BatchOutcome.Failed("The hook gave it more than one outcome.");
                        }

                        return lines.IsTooLong ? $"{name} line {lines.Number} is longer than {limits.MaxBatchLineBytes:N0} bytes, this node's limit" : null;
                    }

                default:
                    return null;
            }
        }

        async Task<string?> SingleAsync()
        {
            switch (directory.Open("features.json", limits.MaxBatchLineBytes))
            {
                case OutputFile.Refused refused:
                    return refused.Problem;
                case OutputFile.Readable readable:
                    await using (readable.Content)
                    {
                        byte[] content = new byte[readable.Length];
                        int length = await readable.Content.ReadAtLeastAsync(content, content.Length, throwOnEndOfStream: false, cancellationToken);
                        ReadOnlyMemory<byte> value = content.AsMemory(0, length);
                        outcomes[ids.First()] = await PassedAsync(features, default, value, cancellationToken);
                        return null;
                    }

                default:
                    return null;
            }
        }
    }

    private static async ValueTask<BatchOutcome> PassedAsync(BatchFeatures features, BatchLine line, ReadOnlyMemory<byte> value, CancellationToken cancellationToken)
    {
        if (value.IsEmpty)
            return new BatchOutcome.Failed("features: required, but missing");
        if (line.IsOnlyScalars)
            return new BatchOutcome.Passed(0, 0, 0, null);
        try
        {
            FeatureSegment segment = await features.AddAsync(value, cancellationToken);
            return new BatchOutcome.Passed(segment.Offset, segment.Summary.Bytes, segment.Summary.Rows, segment.Summary.Sha256);
        }
        catch (FeatureFileException malformed)
        {
            return new BatchOutcome.Failed(PlainText.Reason(malformed.Message));
        }
    }

    private static string? Reason(ReadOnlyMemory<byte> value, string otherwise) =>
        PlainText.Reason(value.IsEmpty ? null : BatchLine.TextOf(value.Span) is { Length: > 0 } text ? text : null) ?? otherwise;

    private static string Shown(string text) => PlainText.Clean(text.Length > 60 ? text[..60] + "…" : text);
}
