using System.Text.RegularExpressions;

namespace Osa.Domain.Names;

/// <summary>Names that people give (titles, fields, files): any script, and nothing that cannot be seen.</summary>
internal static partial class VisibleText
{
    /// <summary>Why <paramref name="text"/> is no such name, or null.</summary>
    public static string? Problem(string text) =>
        text.Length == 0 ? "must not be empty"
        : Control().IsMatch(text) ? "must not hold control characters, line breaks, or marks that turn the direction of writing"
        : char.IsWhiteSpace(text[0]) || char.IsWhiteSpace(text[^1]) ? "must not begin or end with a blank"
        : null;

    // Zero-width joiners stay allowed: Persian, Indic scripts and emoji need them.
    [GeneratedRegex(@"[\p{Cc}\u2028\u2029\u200E\u200F\u202A-\u202E\u2066-\u2069\uFEFF\uFFFE\uFFFF]", RegexOptions.NonBacktracking)]
    private static partial Regex Control();
}
