using System.Text;
using System.Text.Json;
using Osa.Domain.Errors;

namespace Osa.Domain.Json;

/// <summary>
/// JSON from outside, as far as this node and PostgreSQL's jsonb can hold it without changing it: bounded in size, depth and
/// digits, no member twice, no NUL, no lone surrogates.
/// </summary>
internal static class StrictJson
{
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <summary>The object that <paramref name="json"/> is, or null after adding what is wrong with it.</summary>
    /// <param name="name">What the text is called in messages, e.g. <c>metadata</c>.</param>
    /// <param name="path">Path of the root in violations; empty where members stand for themselves.</param>
    public static JsonElement? ReadObject(string json, string name, string path, int maxBytes, int maxDepth, ViolationList violations)
    {
        int before = violations.Count;
        string root = path.Length == 0 ? name : path;
        if (Encode(json, root, maxBytes, violations) is not { } utf8)
        {
            return null;
        }

        try
        {
            Walk(utf8, root, path, maxDepth, violations);
            if (violations.Count > before)
            {
                return null;
            }

            using var document = JsonDocument.Parse(utf8, new JsonDocumentOptions { MaxDepth = maxDepth });
            return document.RootElement.Clone();
        }
        catch (JsonException e)
        {
            int position = e.Message.IndexOf(" LineNumber:", StringComparison.Ordinal);
            string problem = Shown.Clean(position < 0 ? e.Message : e.Message[..position], 200);
            violations.Add(root, "json", $"is not valid JSON at line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}: {problem}");
            return null;
        }
    }

    private static byte[]? Encode(string json, string root, int maxBytes, ViolationList violations)
    {
        try
        {
            // A character takes at least one byte, so nothing large is ever encoded.
            byte[]? utf8 = json.Length > maxBytes ? null : Utf8.GetBytes(json);
            if (utf8 is null || utf8.Length > maxBytes)
            {
                violations.Add(root, "max_bytes", $"is larger than {maxBytes} bytes of UTF-8");
                return null;
            }

            return utf8;
        }
        catch (EncoderFallbackException e)
        {
            violations.Add(root, "unicode", $"has a lone surrogate at character {e.Index}, which is no text");
            return null;
        }
    }

    private static void Walk(byte[] utf8, string root, string path, int maxDepth, ViolationList violations)
    {
        var reader = new Utf8JsonReader(utf8, new JsonReaderOptions { MaxDepth = maxDepth == int.MaxValue ? maxDepth : maxDepth + 1 });
        var open = new Stack<Level>();
        while (reader.Read())
        {
            if (open.Count == 0 && reader.TokenType is not (JsonTokenType.StartObject or JsonTokenType.EndObject))
            {
                violations.Add(root, "type", "must be a JSON object");
                return;
            }

            switch (reader.TokenType)
            {
                case JsonTokenType.PropertyName:
                    CheckName(ref reader, open, path, violations);
                    break;
                case JsonTokenType.EndObject or JsonTokenType.EndArray:
                    open.Pop();
                    break;
                default:
                    if (open.TryPeek(out Level? level))
                    {
                        level.Index++;
                    }

                    if (reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray)
                    {
                        if (open.Count == maxDepth)
                        {
                            violations.Add(PathOf(open, path), "max_depth", $"is nested deeper than {maxDepth} levels");
                            return;
                        }

                        open.Push(new Level(reader.TokenType == JsonTokenType.StartObject));
                    }
                    else
                    {
                        CheckValue(ref reader, open, path, violations);
                    }

                    break;
            }
        }
    }

    private static void CheckName(ref Utf8JsonReader reader, Stack<Level> open, string path, ViolationList violations)
    {
        Level level = open.Peek();
        if (TextProblem(ref reader, out string? name) is { } problem)
        {
            level.Name = "?";
            violations.Add(PathOf(open, path), "unicode", $"the member's name {problem}");
        }
        else
        {
            level.Name = name;
            if (!level.Names!.Add(name!))
            {
                violations.Add(PathOf(open, path), "duplicate_member", "stands twice in the same object; leave one");
            }
        }
    }

    private static void CheckValue(ref Utf8JsonReader reader, Stack<Level> open, string path, ViolationList violations)
    {
        if (reader.TokenType == JsonTokenType.String && TextProblem(ref reader, out _) is { } problem)
        {
            violations.Add(PathOf(open, path), "unicode", problem);
        }
        else if (reader.TokenType == JsonTokenType.Number && !ExactNumber.TryParse(Encoding.ASCII.GetString(reader.ValueSpan), out _))
        {
            violations.Add(
                PathOf(open, path),
                "number_range",
                $"has more than {ExactNumber.MaxDigits} digits before or after the point; send it as text if it must be kept");
        }
    }

    private static string? TextProblem(ref Utf8JsonReader reader, out string? text)
    {
        try
        {
            text = reader.GetString()!;
            return text.Contains('\0', StringComparison.Ordinal) ? "has a NUL character (\\u0000), which PostgreSQL cannot hold" : null;
        }
        catch (InvalidOperationException)
        {
            text = null;
            return "has a lone surrogate (half of a \\uD800-\\uDFFF pair), which is no text";
        }
    }

    private static string PathOf(Stack<Level> open, string path) => open.Reverse().Aggregate(
        path,
        (at, level) => level.Names is null ? JsonPath.Item(at, level.Index) : level.Name is null ? at : JsonPath.Member(at, level.Name));

    private sealed class Level(bool isObject)
    {
        public HashSet<string>? Names { get; } = isObject ? new HashSet<string>(StringComparer.Ordinal) : null;

        public string? Name { get; set; }

        public int Index { get; set; } = -1;
    }
}
