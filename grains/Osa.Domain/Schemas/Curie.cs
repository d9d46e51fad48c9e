using System.Text.RegularExpressions;

namespace Osa.Domain.Schemas;

/// <summary>Compact names of ontology terms, <c>prefix:reference</c>, such as <c>GO:0008150</c>.</summary>
internal static partial class Curie
{
    public const string Rule = "a CURIE such as GO:0008150 (prefix, colon, reference; no blanks, at most 255 characters)";

    /// <summary>An IRI (<c>http://…</c>) is not one: it names the same term in another way, and comparing would miss it.</summary>
    public static bool IsValid(string text) => text.Length <= 255 && Pattern().IsMatch(text) && !text.Contains("://", StringComparison.Ordinal);

    [GeneratedRegex(@"\A[A-Za-z_][A-Za-z0-9_.\-]*:[^\s\p{Cc}]+\z", RegexOptions.NonBacktracking)]
    private static partial Regex Pattern();
}
