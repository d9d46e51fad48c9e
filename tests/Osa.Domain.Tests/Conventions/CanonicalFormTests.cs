using System.Collections;
using System.Text.Json.Nodes;
using CsCheck;
using Osa.Domain.Conventions;
using static Osa.Domain.Tests.Conventions.Documents;

namespace Osa.Domain.Tests.Conventions;

public class CanonicalFormTests
{
    private static readonly NodeLimits Limits = new();

    [Fact]
    public void A_convention_reads_back_from_its_canonical_form_unchanged() => DocumentGen.Convention.Sample(convention =>
    {
        string canonical = ConventionDocumentWriter.Canonical(convention);
        ConventionDocument read = ConventionDocumentReader.Read(canonical, Limits);
        Assert.Equal(Everything(convention), Everything(read));
        Assert.Equal(canonical, ConventionDocumentWriter.Canonical(read));
        Assert.Equal(ConventionDocumentWriter.ContentHash(convention), ConventionDocumentWriter.ContentHash(read));
    });

    [Fact]
    public void The_order_of_members_and_defaults_left_out_change_nothing()
    {
        JsonObject shuffled = Shuffle(Valid()).AsObject();
        shuffled.Remove("source");
        shuffled["hooks"]![1]!["limits"] = JsonNode.Parse("""{"cpu": 0.50, "memory": "0.5Gi", "pids": 256, "timeout_seconds": 300}""");
        Assert.Equal(Hash(Valid()), Hash(shuffled));
        Assert.Matches("^[0-9a-f]{64}$", Hash(shuffled));
    }

    [Fact]
    public void Configuration_that_went_through_jsonb_is_the_same()
    {
        JsonObject document = Valid();
        document["hooks"]![0]!["config"] = JsonNode.Parse("""{"a": {"y": "ü", "z": null}, "b": [1, 1.0, 100]}""");
        Assert.Equal(Hash(Valid()), Hash(document));
        Assert.Contains("\"config\":{\"a\":{\"y\":\"ü\",\"z\":null},\"b\":[1,1.0,100]}", ConventionDocumentWriter.Canonical(Read(document)), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("title", "\"Protein sequence\"")]
    [InlineData("description", null)]
    [InlineData("schema[0].constraints.unit", null)]
    [InlineData("schema[1].constraints.max_value", "1000001")]
    [InlineData("file_requirements.max_count", "3")]
    [InlineData("hooks[0].config.b[0]", "2")]
    [InlineData("hooks[0].limits.pids", "65")]
    [InlineData("hooks[1].manifest.feature_schema.columns[2].format", "null")]
    public void Any_change_of_meaning_changes_the_hash(string path, string? json) =>
        Assert.NotEqual(Hash(Valid()), ConventionDocumentWriter.ContentHash(ConventionDocumentReader.Read(With(path, json), Limits)));

    [Fact]
    public void Constraints_are_written_alone_for_those_who_show_a_schema()
    {
        ConventionDocument convention = Read(Valid());
        Assert.Equal("", ConventionDocumentWriter.ConstraintsJson(null));
        Assert.Equal(
            """{"type":"number","min_value":0,"max_value":1000000,"integer_only":false,"unit":"Da"}""",
            ConventionDocumentWriter.ConstraintsJson(convention.Schema[1].Constraints));
    }

    private static ConventionDocument Read(JsonObject document) => ConventionDocumentReader.Read(document.ToJsonString(), Limits);

    private static string Hash(JsonObject document) => ConventionDocumentWriter.ContentHash(Read(document));

    private static JsonNode Shuffle(JsonNode node) => node switch
    {
        JsonObject members => new JsonObject(members.Reverse().Select(member => KeyValuePair.Create(member.Key, member.Value is null ? null : Shuffle(member.Value)))),
        JsonArray items => new JsonArray([.. items.Select(item => item is null ? null : Shuffle(item))]),
        _ => node.DeepClone(),
    };

    /// <summary>Every property of every part, found by reflection: a writer that forgets one cannot hide it.</summary>
    private static string Everything(object? value) => value switch
    {
        null => "null",
        JsonObject config => $"{{{string.Join(",", config.OrderBy(member => member.Key, StringComparer.Ordinal).Select(member => $"{member.Key}={Everything(member.Value)}"))}}}",
        JsonArray items => $"[{string.Join(",", items.Select(Everything))}]",
        JsonNode leaf => leaf.ToJsonString(),
        string or ValueType => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{value.GetType().Name} {value}"),
        IEnumerable list => $"[{string.Join(",", list.Cast<object?>().Select(Everything))}]",
        _ => $"{value.GetType().Name}({string.Join(",", value.GetType().GetProperties().Where(property => property.GetIndexParameters().Length == 0 && !property.GetMethod!.IsStatic).Select(property => $"{property.Name}:{Everything(property.GetValue(value))}"))})",
    };
}
