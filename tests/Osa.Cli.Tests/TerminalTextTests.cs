using System.Globalization;
using CsCheck;
using Osa.Cli.Commands;
using Osa.Cli.Output;
using Spectre.Console;

namespace Osa.Cli.Tests;

public sealed class TerminalTextTests
{
    [Fact]
    public void Nothing_that_moves_a_cursor_or_reorders_text_gets_through() =>
        Gen.String.Sample(text =>
        {
            Assert.DoesNotContain(TerminalText.Line(text), IsDangerous);
            Assert.DoesNotContain(TerminalText.Block(text).Replace("\n", "", StringComparison.Ordinal), IsDangerous);
        });

    [Fact]
    public void Markup_of_the_node_is_shown_and_not_obeyed() =>
        Gen.String[Gen.Char["[]/redbol \u001b"], 0, 30].Sample(text =>
            Assert.Equal($"<{TerminalText.Line(text)}>", Markup.Remove($"<{TerminalText.Markup(text)}>")));

    [Theory]
    [InlineData("\u001b[31mred\u001b[0m", "\uFFFD[31mred\uFFFD[0m")]
    [InlineData("\u001b]0;title\u0007", "\uFFFD]0;title\uFFFD")]
    [InlineData("\u009b2J", "\uFFFD2J")]
    [InlineData("a\tb\r\nc", "a b  c")]
    [InlineData("evil\u202Etxt.exe", "evil\uFFFDtxt.exe")]
    [InlineData("Ångström 🧬 蛋白質", "Ångström 🧬 蛋白質")]
    public void Each_kind_of_text(string text, string shown) => Assert.Equal(shown, TerminalText.Line(text));

    [Fact]
    public void Half_a_character_is_shown_as_none() => Assert.Equal("\uFFFDx", TerminalText.Line("\uD800x"));

    [Theory]
    [InlineData("../etc/passwd")]
    [InlineData("/etc/passwd")]
    [InlineData("..")]
    [InlineData("")]
    [InlineData("a\\b")]
    [InlineData("a\u001bb")]
    public void A_file_name_that_leads_elsewhere_is_refused(string name) =>
        Assert.Throws<UsageException>(() => FileDownload.LocalPath("/tmp", name));

    private static bool IsDangerous(char c) =>
        char.IsControl(c) || (CharUnicodeInfo.GetUnicodeCategory(c) is UnicodeCategory.Format && c is not '\u200C' and not '\u200D');
}
