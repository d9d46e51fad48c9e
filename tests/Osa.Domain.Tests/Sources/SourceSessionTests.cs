using System.Text;
using Osa.Domain.Conventions;
using Osa.Domain.Sources;

namespace Osa.Domain.Tests.Sources;

public class SourceSessionTests
{
    private static readonly NodeLimits Limits = new();

    [Theory]
    [InlineData("")]
    [InlineData(" \n")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData(" { } ")]
    public void Nothing_null_and_an_empty_object_say_that_there_is_no_more(string text) => Assert.Equal((null, null), Read(text));

    [Fact]
    public void A_session_is_kept_in_one_spelling_so_that_the_same_one_is_seen_to_be_the_same()
    {
        Assert.Equal(("""{"a":[1,null],"next":100}""", null), Read("""{"next": 1e2, "a": [1, null]}"""));
        Assert.Equal(Read("""{"a":[1,null],"next":100}"""), Read("""{ "next" : 100 , "a" : [ 1 , null ] }"""));
    }

    [Theory]
    [InlineData("[1]", "must be a JSON object")]
    [InlineData("5", "must be a JSON object")]
    [InlineData("{", "is not valid JSON")]
    [InlineData("""{"a": 1} x""", "is not valid JSON")]
    [InlineData("""{"a": 1, "a": 2}""", "session.a: stands twice")]
    [InlineData("""{"a": "\u0000"}""", "session.a: has a NUL")]
    public void A_malformed_session_is_told(string text, string said)
    {
        (string? json, string? problem) = Read(text);
        Assert.Null(json);
        Assert.Contains(said, problem, StringComparison.Ordinal);
        Assert.StartsWith("session", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_text_too_large_or_too_deep_is_told()
    {
        Assert.Contains("UTF-8", SourceSession.Read([(byte)'{', 0xff, (byte)'}'], Limits).Problem, StringComparison.Ordinal);
        Assert.Contains("larger than", Read($$"""{"a": "{{new string('x', 1 << 20)}}"}""").Problem, StringComparison.Ordinal);
        Assert.Contains("deeper than", Read($"{{\"a\": {new string('[', 70)}{new string(']', 70)}}}").Problem, StringComparison.Ordinal);
    }

    private static (string? Json, string? Problem) Read(string text) => SourceSession.Read(Encoding.UTF8.GetBytes(text), Limits);
}
