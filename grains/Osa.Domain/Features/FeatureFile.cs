using System.Buffers;
using System.Text.Json;
using Osa.Domain.Conventions;
using Osa.Domain.Hooks;

namespace Osa.Domain.Features;

/// <summary>What a checked features file came to.</summary>
/// <param name="Rows">Feature rows.</param>
/// <param name="Bytes">Size of the canonical file.</param>
/// <param name="Sha256">SHA-256 of the canonical file, as 64 lower-case hex digits.</param>
public sealed record FeatureFileSummary(long Rows, long Bytes, string Sha256);

/// <summary>
/// Checks what a hook left in <c>features.json</c> and brings it into canonical form (<see cref="CanonicalFeatures"/>).
/// The file is hostile: it is read as a stream in constant memory, and what PostgreSQL could not hold is refused with its path.
/// </summary>
/// <remarks>
/// <para>An array of objects is as many rows, one object is one row; <c>null</c>, <c>[]</c> and <c>[null]</c> are no rows.</para>
/// <para>
/// Nothing is rounded or coerced on the way, except where JSON itself draws no line: 1.0 and 1e3 are integers (as in JSON Schema),
/// a number becomes the nearest double, and inside arrays and objects a number keeps its digits but not the sign of zero.
/// A date-time is RFC 3339 with an offset, in the years 1 to 9999, without leap seconds, and to the microsecond: further digits must be zeros.
/// A repeated key is refused, in a row and inside its values.
/// </para>
/// </remarks>
public static class FeatureFile
{
    private const int InitialBufferBytes = 256 << 10;

    // A character of a JSON text takes at most six bytes of its file for each byte of UTF-8 (\u0041).
    private const int MaxEscapeFactor = 6;

    /// <summary>Checks <paramref name="featuresJson"/> and writes its rows to <paramref name="canonical"/>.</summary>
    /// <param name="featuresJson">Content of features.json, or null where the hook left none.</param>
    /// <param name="canonical">Receives the canonical form; worth nothing when this throws.</param>
    /// <exception cref="FeatureFileException">The first thing that is wrong, with its path.</exception>
    public static async Task<FeatureFileSummary> CheckAsync(
        Stream? featuresJson, HookManifest manifest, NodeLimits limits, Stream canonical, CancellationToken cancellationToken)
    {
        using var output = new CanonicalFeatureWriter(canonical, manifest.Columns, limits.MaxFeatureBytes);
        output.Begin();
        if (featuresJson is not null)
            await ParseAsync(featuresJson, new FeatureFileParser(manifest, limits, output), limits, output, cancellationToken);
        FeatureFileSummary summary = output.End();
        await output.FlushAsync(cancellationToken);
        return summary;
    }

    private static async Task ParseAsync(
        Stream input, FeatureFileParser parser, NodeLimits limits, CanonicalFeatureWriter output, CancellationToken cancellationToken)
    {
        long maxTokenBytes = ((long)limits.MaxFeatureValueBytes * MaxEscapeFactor) + 2;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(InitialBufferBytes);
        try
        {
            var state = new JsonReaderState(new JsonReaderOptions { MaxDepth = limits.MaxJsonDepth + 1 });
            int length = 0;
            long total = 0;
            bool atEnd = false;
            while (!atEnd)
            {
                int read = await input.ReadAtLeastAsync(buffer.AsMemory(length), buffer.Length - length, throwOnEndOfStream: false, cancellationToken);
                atEnd = read < buffer.Length - length;
                int start = total == 0 && buffer.AsSpan(0, read).StartsWith("\uFEFF"u8) ? 3 : 0;
                length += read;
                total += read;
                if (total > limits.MaxFeatureBytes)
                    throw new FeatureFileException("features", $"the file is longer than {limits.MaxFeatureBytes:N0} bytes, this node's limit");

                bool more = true;
                while (more)
                {
                    (int consumed, more) = parser.Consume(buffer.AsSpan(start, length - start), atEnd, ref state);
                    start += consumed;
                    if (more || atEnd)
                        await output.FlushAsync(cancellationToken);
                }

                buffer.AsSpan(start, length - start).CopyTo(buffer);
                length -= start;
                if (length == buffer.Length)
                    buffer = Grow(buffer, maxTokenBytes, parser, limits);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static byte[] Grow(byte[] buffer, long maxTokenBytes, FeatureFileParser parser, NodeLimits limits)
    {
        if (buffer.Length > maxTokenBytes)
            throw parser.ValueTooLong(limits.MaxFeatureValueBytes);
        byte[] larger = ArrayPool<byte>.Shared.Rent(buffer.Length * 2);
        buffer.CopyTo(larger, 0);
        ArrayPool<byte>.Shared.Return(buffer);
        return larger;
    }
}
