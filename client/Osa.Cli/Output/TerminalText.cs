using System.Globalization;
using System.Text;
using Spectre.Console;

namespace Osa.Cli.Output;

/// <summary>
/// The edge where text of the node (names, reasons, logs, all of them written by strangers) meets a terminal: nothing in it may move the cursor,
/// change colours, or hide or reorder what is shown.
/// </summary>
internal static class TerminalText
{
    private const char Replacement = '\uFFFD';

    /// <summary>Text on one line: line breaks and tabs become spaces, everything else that is not visible becomes U+FFFD.</summary>
    public static string Line(string? text) => Clean(text, keepLines: false);

    /// <summary>Text of several lines, such as a log.</summary>
    public static string Block(string? text) => Clean(text, keepLines: true);

    /// <summary><see cref="Line"/> where markup is read.</summary>
    public static string Markup(string? text) => Line(text).EscapeMarkup();

    private static string Clean(string? text, bool keepLines)
    {
        var cleaned = new StringBuilder(text?.Length ?? 0);
        // Runes: a lone surrogate comes out as U+FFFD.
        foreach (var rune in (text ?? "").EnumerateRunes())
        {
            switch (Rune.GetUnicodeCategory(rune))
            {
                case UnicodeCategory.Control when rune.Value == '\n' && keepLines:
                    cleaned.Append('\n');
                    break;
                case UnicodeCategory.Control when rune.Value == '\r' && keepLines:
                    break;
                case UnicodeCategory.Control when rune.Value is '\n' or '\r' or '\t':
                case UnicodeCategory.LineSeparator or UnicodeCategory.ParagraphSeparator:
                    cleaned.Append(' ');
                    break;
                case UnicodeCategory.Control or UnicodeCategory.OtherNotAssigned or UnicodeCategory.PrivateUse or UnicodeCategory.Surrogate:
                // Direction overrides and invisible characters, but not the joiner that emoji and some scripts need.
                case UnicodeCategory.Format when rune.Value is not 0x200C and not 0x200D:
                    cleaned.Append(Replacement);
                    break;
                default:
                    cleaned.Append(rune);
                    break;
            }
        }

        return cleaned.ToString();
    }
}
