using System.Text.RegularExpressions;

namespace Osa.Domain.Schemas;

/// <summary>
/// Patterns that people write for metadata: .NET's regular expressions without back references, look-around and atomic groups,
/// so that the time of a match grows with the text and not with its square or worse.
/// </summary>
internal static class TextPattern
{
    /// <summary>Longest pattern, in UTF-16 characters.</summary>
    public const int MaxLength = 1_000;

    /// <summary>Counted repeats inside counted repeats may still cost much per character; past this a text counts as not checked.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(250);

    /// <summary>Why the pattern cannot be used, or null.</summary>
    public static string? Problem(string pattern)
    {
        if (pattern.Length > MaxLength)
        {
            return $"is longer than {MaxLength} characters";
        }

        try
        {
            _ = new Regex(pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant, Patience);
            return null;
        }
        catch (RegexParseException e)
        {
            return $"is not a regular expression: {e.Message}";
        }
        catch (NotSupportedException e)
        {
            return e.Message.Contains("automata", StringComparison.Ordinal)
                ? "repeats too much: its counted repeats multiply to more than this node will follow; use + or * instead of large counts"
                : $"uses what cannot be matched in bounded time ({Construct(e.Message)}); write it without back references, look-around and atomic groups";
        }
    }

    /// <summary>Null where matching took too long.</summary>
    public static bool? IsMatch(string pattern, string text)
    {
        try
        {
            return Regex.IsMatch(text, pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant, Patience);
        }
        catch (RegexMatchTimeoutException)
        {
            return null;
        }
    }

    private static string Construct(string message)
    {
        int quote = message.IndexOf('\'', StringComparison.Ordinal);
        return quote < 0 ? message : message[quote..].Trim('\'', '.');
    }
}
