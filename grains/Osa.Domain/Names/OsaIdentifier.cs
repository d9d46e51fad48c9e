using System.Text.RegularExpressions;

namespace Osa.Domain.Names;

/// <summary>The names that become PostgreSQL identifiers, path components and environment values: hooks and feature columns.</summary>
public static partial class OsaIdentifier
{
    /// <summary>One sentence for error messages.</summary>
    public const string Rule = "a lower-case letter, then up to 62 of a-z, 0-9 and underscore";

    /// <summary>True for <c>^[a-z][a-z0-9_]{0,62}$</c> (PostgreSQL keeps 63 bytes of a name).</summary>
    public static bool IsValid(string? name) => name is not null && Pattern().IsMatch(name);

    [GeneratedRegex(@"\A[a-z][a-z0-9_]{0,62}\z", RegexOptions.NonBacktracking)]
    private static partial Regex Pattern();
}
