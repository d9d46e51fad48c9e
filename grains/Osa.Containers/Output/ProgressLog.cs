using System.Buffers;
using System.Text.Json;
using Osa.Domain.Validation;

namespace Osa.Containers.Output;

/// <summary>
/// Reads <c>progress.jsonl</c>: one JSON object per line, <c>{"step"?, "status", "message"?}</c>. Lines that are blank, not JSON or not an
/// object are skipped; a missing status reads as <c>unknown</c>. A rejection's legacy <c>reason</c> stands in for its message.
/// </summary>
public static class ProgressLog
{
    /// <summary>Largest file that is read, in bytes.</summary>
    public const long MaxFileBytes = 32L << 20;

    /// <summary>Longest line that is read, in bytes; a longer one is skipped.</summary>
    public const int MaxLineBytes = 64 << 10;

    /// <summary>Lines kept from the beginning and as many from the end; of those between, the last rejection.</summary>
    public const int KeptLines = 500;

    /// <summary>The lines of a file that has ended, and what was wrong with it as a whole.</summary>
    public static (IReadOnlyList<ProgressLine> Lines, string? Problem) Read(OutputDirectory output)
    {
        switch (output.Open("progress.jsonl", MaxFileBytes))
        {
            case OutputFile.Refused refused:
                return ([], refused.Problem);
            case OutputFile.Readable readable:
                using (readable.Content)
                    return (Parse(readable.Content), null);
            default:
                return ([], null);
        }
    }

    /// <exception cref="IOException">The file cannot be read.</exception>
    public static IReadOnlyList<ProgressLine> Parse(Stream stream)
    {
        List<ProgressLine> first = [];
        Queue<ProgressLine> last = new();
        ProgressLine? droppedRejection = null;
        byte[] buffer = ArrayPool<byte>.Shared.Rent(2 * MaxLineBytes);
        try
        {
            int filled = 0;
            bool skipping = false;
            while (true)
            {
                int read = stream.Read(buffer, filled, buffer.Length - filled);
                filled += read;
                int start = 0;
                while (buffer.AsSpan(start, filled - start).IndexOf((byte)'\n') is var end and >= 0)
                {
                    if (!skipping)
                        Keep(buffer.AsSpan(start, end));
                    skipping = false;
                    start += end + 1;
                }

                if (read == 0)
                {
                    if (!skipping)
                        Keep(buffer.AsSpan(start, filled - start));
                    break;
                }

                filled -= start;
                buffer.AsSpan(start, filled).CopyTo(buffer);
                if (filled > MaxLineBytes)
                {
                    skipping = true;
                    filled = 0;
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        return droppedRejection is null ? [.. first, .. last] : [.. first, droppedRejection, .. last];

        void Keep(ReadOnlySpan<byte> line)
        {
            if (ParseLine(line) is not { } parsed)
                return;
            if (first.Count < KeptLines)
            {
                first.Add(parsed);
                return;
            }

            last.Enqueue(parsed);
            if (last.Count > KeptLines && last.Dequeue() is { Status: "rejected" } dropped)
                droppedRejection = dropped;
        }
    }

    /// <summary>One line, or null where it says nothing.</summary>
    internal static ProgressLine? ParseLine(ReadOnlySpan<byte> line)
    {
        if (line.Length > MaxLineBytes || line.IndexOf((byte)'{') < 0)
            return null;
        try
        {
            Utf8JsonReader reader = new(line, new JsonReaderOptions { MaxDepth = 32 });
            using JsonDocument document = JsonDocument.ParseValue(ref reader);
            JsonElement root = document.RootElement;
            if (root.ValueKind != JsonValueKind.Object || line[(int)reader.BytesConsumed..].IndexOfAnyExcept(" \t\r"u8) >= 0)
                return null;
            string status = Text(root, "status"u8) ?? "unknown";
            string? message = Text(root, "message"u8) ?? (status == "rejected" ? Text(root, "reason"u8) : null);
            return new ProgressLine(status, Text(root, "step"u8), message);
        }
        catch (JsonException)
        {
            return null;
        }
    }

    // Cleaned and bounded; null for what is missing, not a string or blank.
    private static string? Text(JsonElement line, ReadOnlySpan<byte> name)
    {
        if (!line.TryGetProperty(name, out JsonElement value) || value.ValueKind != JsonValueKind.String)
            return null;
        try
        {
            return PlainText.Reason(value.GetString());
        }
        catch (InvalidOperationException)
        {
            // Lone surrogates or bytes that are not UTF-8.
            return null;
        }
    }
}
