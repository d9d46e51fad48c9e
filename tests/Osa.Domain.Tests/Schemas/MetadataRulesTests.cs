using CsCheck;
using Osa.Domain.Conventions;
using Osa.Domain.Schemas;

namespace Osa.Domain.Tests.Schemas;

public class MetadataRulesTests
{
    private static readonly NodeLimits Limits = new();

    [Theory]
    [InlineData("\"abc\"", null)]
    [InlineData("\"\"", null)]
    [InlineData("1", "type")]
    [InlineData("true", "type")]
    [InlineData("[\"a\"]", "type")]
    [InlineData("null", "required")]
    public void A_text_is_a_text(string value, string? rule) => AssertRule(FieldType.Text, null, value, rule);

    [Theory]
    [InlineData("ab", null)]
    [InlineData("a", "min_length")]
    [InlineData("abcd", "max_length")]
    [InlineData("🧬🧬🧬", null)]
    [InlineData("🧬", "min_length")]
    public void Length_counts_in_code_points(string value, string? rule) => AssertRule(FieldType.Text, new TextConstraints(2, 3), $"\"{value}\"", rule);

    [Theory]
    [InlineData("^[A-Z]+$", "ABC", null)]
    [InlineData("^[A-Z]+$", "ABc", "pattern")]
    [InlineData("b", "abc", null)]
    public void A_pattern_matches_a_part_unless_it_is_anchored(string pattern, string value, string? rule) =>
        AssertRule(FieldType.Text, new TextConstraints(Pattern: pattern), $"\"{value}\"", rule);

    [Fact]
    public void A_pattern_that_takes_too_long_refuses_the_value_and_not_the_node()
    {
        FieldDefinition field = Field(FieldType.Text, new TextConstraints(Pattern: "(.*a){500}")) with { Cardinality = Cardinality.ZeroOrMore };
        string slow = $"\"{new string('a', 400)}{new string('b', 30_000)}\"";
        string metadata = $$"""{"f": [{{string.Join(',', Enumerable.Repeat(slow, 30))}}]}""";
        Assert.Contains("in time", MetadataRules.Check([field], metadata, Limits)[^1].Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("5", null)]
    [InlineData("5.0", null)]
    [InlineData("0.5e1", null)]
    [InlineData("5.5", "integer_only")]
    [InlineData("-1", "min_value")]
    [InlineData("9007199254740993", "max_value")]
    [InlineData("9007199254740992", null)]
    [InlineData("9007199254740991.5", "integer_only")]
    [InlineData("\"5\"", "type")]
    public void Numbers_are_compared_without_rounding(string value, string? rule) =>
        AssertRule(FieldType.Number, new NumberConstraints(0, 9007199254740992, IntegerOnly: true), value, rule);

    [Theory]
    [InlineData("0.1", null)]
    [InlineData("0.1000000000000000000000001", "max_value")]
    [InlineData("0.09999", "min_value")]
    public void A_bound_is_the_number_that_was_written(string value, string? rule) => AssertRule(FieldType.Number, new NumberConstraints(0.1, 0.1), value, rule);

    [Fact]
    public void Whole_numbers_of_any_size_are_kept_exactly() => Gen.Long.Where(value => value != 0).Sample(value =>
        AssertRule(FieldType.Number, new NumberConstraints(IntegerOnly: true), $"{value}12345678901234567890", null));

    [Theory]
    [InlineData("2026-01-31", null)]
    [InlineData("2024-02-29", null)]
    [InlineData("0001-01-01", null)]
    [InlineData("2026-02-29", "date")]
    [InlineData("2026-1-31", "date")]
    [InlineData("31.01.2026", "date")]
    [InlineData("2026-01-31T10:00:00Z", "date")]
    [InlineData("2026-01-31\\n", "date")]
    [InlineData("٢٠٢٦-01-31", "date")]
    [InlineData("", "date")]
    public void A_date_is_a_day_of_the_calendar(string value, string? rule) => AssertRule(FieldType.Date, new DateConstraints(), $"\"{value}\"", rule);

    [Fact]
    public void Whoever_sends_a_time_is_told_the_date_that_would_do() =>
        Assert.Contains(
            "such as 2026-01-31 ",
            Assert.Single(MetadataRules.Check([Field(FieldType.Date, null)], """{"f": "2026-01-31T10:00:00Z"}""", Limits)).Message,
            StringComparison.Ordinal);

    [Theory]
    [InlineData("https://example.org", null)]
    [InlineData("HTTP://Example.ORG:8080/a?b=c#d", null)]
    [InlineData("https://exämple.org/蛋", null)]
    [InlineData("ftp://example.org", "url")]
    [InlineData("example.org", "url")]
    [InlineData("/path", "url")]
    [InlineData("https://", "url")]
    [InlineData("https:///x", "url")]
    [InlineData("https://a b", "url")]
    [InlineData(" https://example.org", "url")]
    [InlineData("javascript:alert(1)", "url")]
    [InlineData("https://example.com", "pattern")]
    public void An_address_is_absolute_and_of_the_web(string value, string? rule) =>
        AssertRule(FieldType.Url, rule == "pattern" ? new UrlConstraints("org") : null, $"\"{value}\"", rule);

    [Theory]
    [InlineData("true", null)]
    [InlineData("false", null)]
    [InlineData("\"true\"", "type")]
    [InlineData("1", "type")]
    public void A_boolean_is_true_or_false(string value, string? rule) => AssertRule(FieldType.Boolean, new BooleanConstraints(), value, rule);

    [Theory]
    [InlineData("GO:0008150", null)]
    [InlineData("NCBITaxon:9606", "allowed_terms")]
    [InlineData("go:0008150", "allowed_terms")]
    [InlineData("0008150", "curie")]
    [InlineData("GO:", "curie")]
    [InlineData("GO:00 08", "curie")]
    [InlineData("http://purl.obolibrary.org/obo/GO_0008150", "curie")]
    public void A_term_is_a_CURIE_of_those_that_are_allowed(string value, string? rule) =>
        AssertRule(FieldType.Term, new TermConstraints(["GO:0008150"]), $"\"{value}\"", rule);

    [Fact]
    public void A_term_without_a_list_is_any_CURIE() => AssertRule(FieldType.Term, null, "\"NCBITaxon:9606\"", null);

    [Theory]
    [InlineData(Cardinality.ExactlyOne, true, "{}", "required")]
    [InlineData(Cardinality.ExactlyOne, false, "{}", null)]
    [InlineData(Cardinality.ExactlyOne, false, """{"f":null}""", null)]
    [InlineData(Cardinality.OneOrMore, true, """{"f":null}""", "required")]
    [InlineData(Cardinality.OneOrMore, true, """{"f":[]}""", "cardinality")]
    [InlineData(Cardinality.OneOrMore, false, """{"f":[]}""", "cardinality")]
    [InlineData(Cardinality.OneOrMore, false, "{}", null)]
    [InlineData(Cardinality.OneOrMore, true, """{"f":["a","b"]}""", null)]
    [InlineData(Cardinality.OneOrMore, true, """{"f":"a"}""", "cardinality")]
    [InlineData(Cardinality.ZeroOrMore, true, """{"f":[]}""", null)]
    [InlineData(Cardinality.ZeroOrMore, true, "{}", "required")]
    [InlineData(Cardinality.ZeroOrMore, false, """{"f":{}}""", "cardinality")]
    [InlineData(Cardinality.ZeroOrMore, false, """{"f":[null]}""", "type")]
    public void Presence_and_number_of_values_are_checked(Cardinality cardinality, bool required, string metadata, string? rule)
    {
        var field = new FieldDefinition("f", FieldType.Text, required, cardinality);
        Assert.Equal(rule, MetadataRules.Check([field], metadata, Limits).SingleOrDefault()?.Rule);
    }

    [Fact]
    public void All_violations_come_at_once_with_their_paths()
    {
        FieldDefinition[] fields =
        [
            new("organism", FieldType.Term, true, Cardinality.ExactlyOne),
            new("ligands", FieldType.Text, false, Cardinality.ZeroOrMore, null, new TextConstraints(MaxLength: 3)),
            new("Organism name", FieldType.Text, true, Cardinality.ExactlyOne),
            new("mass", FieldType.Number, true, Cardinality.ExactlyOne),
        ];
        Assert.Equal(
            ["metadata.organism curie", "metadata.ligands[2] max_length", "metadata[\"Organism name\"] required", "metadata.mass type", "metadata.ligand unknown_field"],
            MetadataRules.Check(fields, """{"ligand": 1, "mass": "1", "organism": "human", "ligands": ["a", "b", "long"]}""", Limits).Rules());
    }

    [Fact]
    public void A_flood_of_violations_is_cut_short()
    {
        string metadata = $$"""{{{string.Join(',', Enumerable.Range(0, 50_000).Select(i => $"\"x{i}\":1"))}}}""";
        Assert.Equal(101, MetadataRules.Check([Field(FieldType.Text, null) with { Required = false }], metadata, Limits).Count);
    }

    [Theory]
    [InlineData("""{}""")]
    [InlineData("""{"anything": [1, {"a": null}], "text": "🧬 \ud83e\uddec", "n": 12345678901234567890.5e3}""")]
    public void A_draft_keeps_any_object(string json) => Assert.Equal(json.Length, MetadataRules.ParseObject(json, Limits).GetRawText().Length);

    [Theory]
    [InlineData("null", "metadata type")]
    [InlineData("[]", "metadata type")]
    [InlineData("", "metadata json")]
    [InlineData("{\"a\":NaN}", "metadata json")]
    [InlineData("{\"a\":1,}", "metadata json")]
    [InlineData("{/*x*/}", "metadata json")]
    [InlineData("{\"a\":{\"b\":[0,{\"c\":1,\"c\":2}]}}", "metadata.a.b[1].c duplicate_member")]
    [InlineData("{\"a\":[\"\\u0000\"]}", "metadata.a[0] unicode")]
    [InlineData("{\"a b\":\"\\udc00\\ud800\"}", "metadata[\"a b\"] unicode")]
    [InlineData("{\"a\":-1e131072}", "metadata.a number_range")]
    public void A_draft_takes_nothing_that_PostgreSQL_would_not_hold(string json, string expected)
    {
        Assert.Equal([expected], Broken.By(() => MetadataRules.ParseObject(json, Limits)).Rules());
        Assert.Equal([expected], MetadataRules.Check([], json, Limits).Rules());
    }

    [Fact]
    public void A_draft_is_bounded_in_size_and_depth()
    {
        Assert.Equal(["metadata max_bytes"], Broken.By(() => MetadataRules.ParseObject($$"""{"a":"{{new string('ä', 600_000)}}"}""", Limits)).Rules());
        Assert.Equal(["metadata max_bytes"], Broken.By(() => MetadataRules.ParseObject(new string(' ', 2 << 20), Limits)).Rules());
        string deep = string.Concat(Enumerable.Repeat("{\"a\":", 32)) + "1" + new string('}', 32);
        Assert.Equal("1", MetadataRules.ParseObject(deep, Limits).GetRawText()[160..161]);
        Assert.Equal("max_depth", Assert.Single(Broken.By(() => MetadataRules.ParseObject($$"""{"a":{{deep}}}""", Limits))).Rule);
    }

    private static FieldDefinition Field(FieldType type, FieldConstraints? constraints) => new("f", type, true, Cardinality.ExactlyOne, null, constraints);

    private static void AssertRule(FieldType type, FieldConstraints? constraints, string value, string? rule)
    {
        string[] expected = rule is null ? [] : [$"metadata.f {rule}"];
        Assert.Equal(expected, MetadataRules.Check([Field(type, constraints)], $$"""{"f": {{value}}}""", Limits).Rules());
        if (rule != "required" && rule != "type")
        {
            Assert.Equal(
                expected.Select(text => text.Replace("metadata.f", "metadata.f[0]", StringComparison.Ordinal)),
                MetadataRules.Check([Field(type, constraints) with { Cardinality = Cardinality.OneOrMore }], $$"""{"f": [{{value}}]}""", Limits).Rules());
        }
    }
}
