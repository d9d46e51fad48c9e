using System.Text.Json;
using System.Text.Json.Nodes;
using CsCheck;
using Osa.Cli.Input;

namespace Osa.Cli.Tests;

public sealed class SetAssignmentTests
{
    private static readonly Gen<string> Field = Gen.String[Gen.Char.AlphaNumeric, 1, 20];

    private static JsonNode Value(string field, string text)
    {
        Assert.True(SetAssignment.TryParse($"{field}={text}", out var assignment));
        Assert.Equal(field, assignment.Field);
        return assignment.Value;
    }

    [Fact]
    public void A_value_that_is_no_json_number_boolean_array_or_string_is_text_as_it_stands() =>
        Gen.Select(Field, Gen.String).Sample((field, text) =>
        {
            var value = Value(field, text);
            Assert.True(IsTyped(text) ? JsonNode.DeepEquals(JsonNode.Parse(text), value) : value.GetValue<string>() == text);
        });

    [Fact]
    public void A_number_stays_the_number_that_was_written() =>
        Gen.Select(Field, Gen.OneOf(Gen.Long.Select(static n => n.ToString()), Gen.Double.Where(double.IsFinite).Select(static n => n.ToString("R"))))
            .Sample((field, number) => Assert.Equal(number, Value(field, number).ToJsonString()));

    [Fact]
    public void Any_text_can_be_written_as_a_json_string() =>
        Gen.Select(Field, Gen.String[Gen.Char['\u0000', '\uD7FF'], 0, 50])
            .Sample((field, text) => Assert.Equal(text, Value(field, JsonSerializer.Serialize(text)).GetValue<string>()));

    [Fact]
    public void Arrays_of_text_come_out_as_they_went_in() =>
        Gen.Select(Field, Gen.String[Gen.Char['\u0000', '\uD7FF'], 0, 20].Array[0, 5])
            .Sample((field, items) => Assert.Equal(items, Value(field, JsonSerializer.Serialize(items)).AsArray().Select(item => item!.GetValue<string>())));

    [Theory]
    [InlineData("true", JsonValueKind.True)]
    [InlineData("false", JsonValueKind.False)]
    [InlineData("-1.5e3", JsonValueKind.Number)]
    [InlineData("[1,2]", JsonValueKind.Array)]
    [InlineData("null", JsonValueKind.String)]
    [InlineData("{\"a\":1}", JsonValueKind.String)]
    [InlineData("007", JsonValueKind.String)]
    [InlineData("NaN", JsonValueKind.String)]
    [InlineData("[1,", JsonValueKind.String)]
    [InlineData("", JsonValueKind.String)]
    [InlineData("a=b=c", JsonValueKind.String)]
    public void Each_form_has_its_type(string text, JsonValueKind kind) => Assert.Equal(kind, Value("field", text).GetValueKind());

    [Theory]
    [InlineData("")]
    [InlineData("field")]
    [InlineData("=value")]
    public void What_is_no_assignment_is_refused(string text) => Assert.False(SetAssignment.TryParse(text, out _));

    private static bool IsTyped(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text);
            return document.RootElement.ValueKind is not (JsonValueKind.Null or JsonValueKind.Object);
        }
        catch (JsonException)
        {
            return false;
        }
    }
}
