using System.Globalization;
using System.Text;

namespace Osa.Domain.Validation;

/// <summary>
/// Makes text from a container fit for people, terminals and PostgreSQL: no NUL, no control or formatting characters except
/// newline and tab, no escape sequences of terminals, no lone surrogates.
/// </summary>
public static class PlainText
{
    /// <summary>Longest reason that is kept, in UTF-16 code units. The end of a longer one is cut off.</summary>
    public const int MaxReasonLength = 4_000;

    /// <summary>A reason as a hook gave it: cleaned, trimmed, and at most <see cref="MaxReasonLength"/> long; null when nothing is left.</summary>
    public static string? Reason(string? text)
    {
        if (text is null)
            return null;
        // Cleaning only shortens, so what lies far beyond the limit need not be looked at.
        string clean = Clean(text.Length > 4 * MaxReasonLength ? text[..(4 * MaxReasonLength)] : text).Trim();
        return clean.Length == 0 ? null : clean.Length <= MaxReasonLength ? clean : CutBefore(clean, MaxReasonLength - 1) + "…";
    }

    /// <summary>The last <paramref name="length"/> code units of a text.</summary>
    public static string Tail(string text, int length)
    {
        if (text.Length <= length)
            return text;
        int start = text.Length - length;
        return "…" + text[(char.IsLowSurrogate(text[start]) ? start + 1 : start)..];
    }

    public static string Clean(string text)
    {
        StringBuilder clean = new(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            char c = text[i];
            if (c == '\u001b')
            {
                i = EndOfEscape(text, i);
            }
            else if (c is '\n' or '\t')
            {
                clean.Append(c);
            }
            else if (char.IsHighSurrogate(c) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
            {
                clean.Append(c).Append(text[++i]);
            }
            else if (char.IsSurrogate(c))
            {
                clean.Append('\ufffd');
            }
            // Format characters reorder or hide text; the joiners shape letters and emoji.
            else if (!char.IsControl(c) && (CharUnicodeInfo.GetUnicodeCategory(c) != UnicodeCategory.Format || c is '\u200c' or '\u200d'))
            {
                clean.Append(c);
            }
        }

        return clean.ToString();
    }

    // Index of the last character of the escape sequence (ECMA-48: CSI … final byte, OSC … BEL or ST, else one character).
    private static int EndOfEscape(string text, int start)
    {
        int i = start + 1;
        if (i >= text.Length)
            return start;
        if (text[i] == '[')
        {
            for (i++; i < text.Length && text[i] is >= ' ' and <= '?'; i++)
                continue;
            return i < text.Length && text[i] is >= '@' and <= '~' ? i : i - 1;
        }

        if (text[i] == ']')
        {
            for (int end = i + 1; end < text.Length && text[end] != '\n'; end++)
            {
                if (text[end] == '\a')
                    return end;
                if (text[end] == '\u001b')
                    return end + 1 < text.Length && text[end + 1] == '\\' ? end + 1 : end - 1;
            }

            return i;
        }

        return text[i] is >= ' ' and <= '~' ? i : start;
    }

    private static string CutBefore(string text, int length) => text[..(char.IsHighSurrogate(text[length - 1]) ? length - 1 : length)];
}
