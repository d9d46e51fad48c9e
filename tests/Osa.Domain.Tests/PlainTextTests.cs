using System.Text;
using CsCheck;
using Osa.Domain.Validation;

namespace Osa.Domain.Tests;

public sealed class PlainTextTests
{
    [Theory]
    [InlineData("plain\n\ttext", "plain\n\ttext")]
    [InlineData("\u001b[1;31mred\u001b[0m", "red")]
    [InlineData("\u001b]0;title\u0007shown", "shown")]
    [InlineData("\u001b]8;;http://x\u001b\\link", "link")]
    [InlineData("\u001bcreset", "reset")]
    [InlineData("cut \u001b", "cut ")]
    [InlineData("cut \u001b[", "cut ")]
    [InlineData("nul\0 bell\a back\b cr\r\n", "nul bell back cr\n")]
    [InlineData("\u202egnp.exe", "gnp.exe")]
    [InlineData("👩\u200d🔬 é", "👩\u200d🔬 é")]
    [InlineData("c1 \u009b31m", "c1 31m")]
    public void Text_keeps_its_words_and_loses_what_steers_a_terminal(string text, string expected) =>
        Assert.Equal(expected, PlainText.Clean(text));

    [Fact]
    public void A_lone_surrogate_becomes_the_replacement_character() => Assert.Equal("a\ufffdb\ufffd", PlainText.Clean("a\ud800b\udc00"));

    [Fact]
    public void Nothing_that_is_cleaned_holds_what_postgresql_or_a_terminal_could_not() =>
        Gen.String[Gen.Char, 0, 200].Sample(text =>
        {
            string clean = PlainText.Clean(text);
            return clean.All(c => c is '\n' or '\t' || !char.IsControl(c))
                && Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(clean)) == clean
                && PlainText.Clean(clean) == clean;
        });

    [Fact]
    public void A_reason_is_bounded_and_never_cut_inside_a_character()
    {
        string reason = PlainText.Reason(string.Concat(Enumerable.Repeat("🧬", 100_000)))!;

        Assert.InRange(reason.Length, PlainText.MaxReasonLength - 2, PlainText.MaxReasonLength);
        Assert.EndsWith("🧬…", reason, StringComparison.Ordinal);
        Assert.Null(PlainText.Reason(" \n "));
        Assert.Null(PlainText.Reason(null));
        Assert.Equal("…🧬", PlainText.Tail("🧬🧬🧬", 3));
    }
}
