using Osa.Domain.Errors;

namespace Osa.Domain.Tests.Errors;

public class OsaExceptionTests
{
    [Fact]
    public void A_refusal_quotes_its_first_violation_and_carries_all()
    {
        var first = new Violation("title", "required", "is required");
        Assert.Equal("The document: title: is required", OsaException.Invalid("The document", [first]).Message);
        var two = OsaException.Invalid("The document", [first, first with { Field = "version" }]);
        Assert.Equal("The document: 2 problems, the first: title: is required", two.Message);
        Assert.Equal(2, two.Violations.Count);
    }

    [Fact]
    public void Each_kind_of_error_has_its_code()
    {
        Assert.Equal((ErrorCode.NotFound, "Record x was not found"), Parts(OsaException.NotFound("Record x")));
        Assert.Equal((ErrorCode.FailedPrecondition, "not a draft"), Parts(OsaException.Precondition("not a draft")));
        var cause = new TimeoutException();
        var away = OsaException.Unavailable("the database is away", cause);
        Assert.Equal((ErrorCode.Unavailable, "the database is away"), Parts(away));
        Assert.Same(cause, away.InnerException);
        Assert.Empty(away.Violations);
    }

    [Fact]
    public void Only_the_first_hundred_violations_are_listed()
    {
        var violations = new ViolationList();
        for (int i = 0; i < 1_000; i++)
        {
            violations.Add($"f{i}", "rule", "message");
        }

        Assert.Equal(101, violations.ToList().Count);
        Assert.StartsWith("900 more problems", violations.ToList()[^1].Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a\0b\u001b[1m", "'a\uFFFDb\uFFFD[1m'")]
    [InlineData("🧬🧬🧬🧬🧬🧬🧬🧬", "'🧬🧬🧬🧬🧬🧬🧬…'")]
    public void Text_from_outside_is_shown_clean_and_short(string text, string shown) => Assert.Equal(shown, Shown.Quote(text, 7));

    [Fact]
    public void Half_a_character_is_never_shown() => Assert.Equal("'\uFFFDx'", Shown.Quote("\ud800x"));

    [Theory]
    [InlineData("tittle", "did you mean 'title'?")]
    [InlineData("VERSION", "did you mean 'version'?")]
    [InlineData("elephant", "allowed are: title, version")]
    public void The_nearest_allowed_name_is_suggested(string text, string hint) => Assert.Equal(hint, Shown.Nearest(text, ["title", "version"]));

    [Fact]
    public void Long_lists_of_allowed_names_are_shortened()
    {
        Assert.EndsWith("and 88 more", Shown.Nearest("something else", [.. Enumerable.Range(0, 100).Select(i => $"f{i}")]), StringComparison.Ordinal);
        Assert.Equal("none is allowed here", Shown.Nearest("x", []));
    }

    private static (ErrorCode, string) Parts(OsaException error) => (error.Code, error.Message);
}
