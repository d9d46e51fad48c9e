using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Osa.Domain.Features;

/// <summary>How pieces of a hostile file are read and quoted.</summary>
internal static class FeatureText
{
    private const int MaxQuoted = 60;

    public static string Kind(JsonTokenType token) => token switch
    {
        JsonTokenType.StartObject => "object",
        JsonTokenType.StartArray => "array",
        JsonTokenType.String => "string",
        JsonTokenType.Number => "number",
        JsonTokenType.True or JsonTokenType.False => "boolean",
        JsonTokenType.Null => "null",
        _ => token.ToString(),
    };

    /// <summary>The string or member name that was read, or null where it is not valid Unicode.</summary>
    public static string? TryGetString(ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString();
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    /// <summary>The member name that was read as a step of a path: <c>.name</c>, or <c>["odd name"]</c>.</summary>
    public static string Member(ref Utf8JsonReader reader) => Member(TryGetString(ref reader) ?? Encoding.UTF8.GetString(reader.ValueSpan));

    public static string Member(string name) =>
        name.Length is > 0 and <= 63 && name.All(c => char.IsAsciiLetterOrDigit(c) || c is '_' or '-') ? "." + name : $"[\"{Quote(name)}\"]";

    /// <summary>At most 60 characters of <paramref name="text"/>, none of which can do anything to a terminal.</summary>
    public static string Quote(string text) => text.Length <= MaxQuoted ? Printable(text) : Printable(text[..MaxQuoted]) + "…";

    public static string Quote(ReadOnlySpan<byte> utf8) =>
        Quote(Encoding.UTF8.GetString(utf8.Length <= 4 * MaxQuoted ? utf8 : utf8[..(4 * MaxQuoted)]));

    public static string Printable(string text) => string.Create(text.Length, text, static (span, source) =>
    {
        for (int i = 0; i < source.Length; i++)
        {
            span[i] = char.GetUnicodeCategory(source[i])
                is UnicodeCategory.Control or UnicodeCategory.Format or UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator
                or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse ? '?' : source[i];
        }
    });

    public static bool StartsWith(ReadOnlySpan<byte> utf8, string ascii) =>
        utf8.Length >= ascii.Length && Ascii.Equals(utf8[..ascii.Length], ascii);
}
