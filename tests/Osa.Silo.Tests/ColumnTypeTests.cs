using System.Globalization;
using System.Text.Json.Nodes;
using Osa.Client.Features;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>From a hook's <c>features.json</c> through its table and back, value by value.</summary>
public sealed class ColumnTypeTests(SharedNode shared)
{
    private Archive Archive => shared.Archive;

    [Fact]
    public async Task Every_declared_type_round_trips_exactly()
    {
        (string convention, string table) = await RegisterAsync();
        const string Rows = """
            [
              {"text": "\"quoted\", 'single', back\\slash, tab\t, line\n, 🧬 e\u0301 \u200d %s", "big": 9223372036854775807, "ratio": 0.1, "flag": true, "day": "2026-02-28",
               "at": "2026-02-28T23:59:59.123456+05:30", "uid": "123e4567-e89b-12d3-a456-426614174000",
               "list": [1, [2, {"deep": [null, "🧪", 9223372036854775807, 0.1]}], []], "tree": {"a": {"b": [{}]}, "": "empty name", "q\"": "\\"}},
              {"text": "", "big": -9223372036854775808, "ratio": 1.7976931348623157e308, "flag": false, "day": "0001-01-01", "at": "1969-12-31T23:59:59Z",
               "uid": "00000000-0000-0000-0000-000000000000", "list": [], "tree": {}},
              {"text": null, "big": null, "ratio": null, "flag": null, "day": null, "at": null, "uid": null, "list": null, "tree": null},
              {"ratio": 5e-324},
              {"ratio": -3, "big": 0, "day": "9999-12-31"}
            ]
            """;

        Record record = await Archive.PublishAsync(convention, Documents.Emit(Rows));
        List<TypedFeatureRow> rows = await Archive.RowsAsync(table, record.Srn);

        Assert.Equal(5, rows.Count);
        Assert.Equal("\"quoted\", 'single', back\\slash, tab\t, line\n, 🧬 e\u0301 \u200d %s", rows[0]["text"]);
        Assert.Equal((long.MaxValue, 0.1, true), (rows[0]["big"], rows[0]["ratio"], rows[0]["flag"]));
        Assert.Equal(new DateOnly(2026, 2, 28), rows[0]["day"]);
        Assert.Equal(DateTimeOffset.Parse("2026-02-28T23:59:59.123456+05:30", CultureInfo.InvariantCulture), rows[0]["at"]);
        Assert.Equal(Guid.Parse("123e4567-e89b-12d3-a456-426614174000"), rows[0]["uid"]);
        JsonNode sent = JsonNode.Parse(Rows)![0]!;
        Assert.True(JsonNode.DeepEquals(sent["list"], (JsonNode?)rows[0]["list"]), rows[0]["list"]?.ToString());
        Assert.True(JsonNode.DeepEquals(sent["tree"], (JsonNode?)rows[0]["tree"]), rows[0]["tree"]?.ToString());
        Assert.Equal(("", long.MinValue, double.MaxValue, false), (rows[1]["text"], rows[1]["big"], rows[1]["ratio"], rows[1]["flag"]));
        Assert.Equal(DateOnly.MinValue, rows[1]["day"]);
        Assert.Equal(DateTimeOffset.FromUnixTimeSeconds(-1), rows[1]["at"]);
        Assert.All(rows[2].Values, Assert.Null);
        Assert.Equal(double.Epsilon, rows[3]["ratio"]);
        Assert.Equal((-3.0, 0L, DateOnly.MaxValue), (rows[4]["ratio"], rows[4]["big"], rows[4]["day"]));
    }

    [Fact]
    public async Task Columns_are_of_PostgreSQLs_own_types_and_nested_values_are_real_jsonb()
    {
        (string convention, string table) = await RegisterAsync();
        await Archive.PublishAsync(convention, Documents.Emit("""{"list": [{"a": 1}], "tree": {"a": [7]}}"""));

        Dictionary<string, string> types = (await Archive.QueryAsync(
            "select column_name, data_type from information_schema.columns where table_schema = 'features' and table_name = $1", table)).ToDictionary(c => c[0]!, c => c[1]!);

        Assert.Equal("text", types["text"]);
        Assert.Equal("bigint", types["big"]);
        Assert.Equal("double precision", types["ratio"]);
        Assert.Equal("boolean", types["flag"]);
        Assert.Equal("date", types["day"]);
        Assert.Equal("timestamp with time zone", types["at"]);
        Assert.Equal("uuid", types["uid"]);
        Assert.Equal(("jsonb", "jsonb"), (types["list"], types["tree"]));
        Assert.Equal(
            ["array", "object", "1", "7"],
            (await Archive.QueryAsync($"select jsonb_typeof(list), jsonb_typeof(tree), list->0->>'a', tree->'a'->>0 from features.\"{table}\"")).Single());
    }

    [Fact]
    public async Task What_a_column_cannot_hold_is_refused_with_the_path_of_the_value()
    {
        (string convention, _) = await RegisterAsync();
        (string Features, string Path)[] bad =
        [
            ("""{"text": 5}""", "features.text: expected string, got number"),
            ("""[{"text": "a"}, {"text": "b"}, {"text": ["c"]}]""", "features[2].text: expected string, got array"),
            ("""{"text": "a\u0000b"}""", "features.text"),
            ("""{"text": "\ud800"}""", "features.text"),
            ("""{"big": 9223372036854775808}""", "features.big"),
            ("""{"big": 1.5}""", "features.big"),
            ("""{"ratio": 1e999}""", "features.ratio"),
            ("""{"ratio": NaN}""", "features.ratio: NaN"),
            ("""{"flag": "yes"}""", "features.flag"),
            ("""{"day": "2026-02-30"}""", "features.day"),
            ("""{"at": "2026-02-28T10:00:00"}""", "features.at"),
            ("""{"uid": "not-a-uuid"}""", "features.uid"),
            ("""[{"list": [{"a": "\u0000"}]}]""", "features[0].list"),
            ("""{"tree": []}""", "features.tree"),
            ("""{"text": "a", "unknown": 1}""", "features.unknown: not a declared column"),
            ("""{"text": "a", "text": "b"}""", "features.text: given twice"),
            ("""[{"text": "a"}, 5]""", "features[1]: expected object"),
            ("\"text\"", "features: expected"),
            ("""{"text": """, "not JSON"),
            ("", "features"),
        ];

        await Expect.AllAsync(bad.Select(async b =>
        {
            (_, ValidationRun run) = await Archive.JudgeAsync(convention, Documents.Emit(b.Features));
            Assert.True(run.Status == RunStatus.Failed, $"{b.Features} was {run.Status}");
            Expect.Says("The hook's output is malformed: ", run.Hooks[0].Reason);
            Expect.Says(b.Path, run.Hooks[0].Reason);
            return run;
        }));
    }

    [Fact]
    public async Task A_required_value_may_neither_be_missing_nor_null()
    {
        string id = Documents.NewId("required");
        string table = Documents.NewTable("required");
        await Archive.RegisterAsync(Documents.Convention(id, "1.0.0", Documents.Hook(table, [Documents.Column("score", "number", required: true), Documents.Column("note", "string")], cardinality: "one")));

        (_, ValidationRun missing) = await Archive.JudgeAsync(id, Documents.Emit("""{"note": "no score"}"""));
        (_, ValidationRun isNull) = await Archive.JudgeAsync(id, Documents.Emit("""{"score": null}"""));
        (_, ValidationRun two) = await Archive.JudgeAsync(id, Documents.Emit("""[{"score": 1}, {"score": 2}]"""));

        Expect.Says("features.score: required, but missing", missing.Summary);
        Expect.Says("features.score: required, but null", isNull.Summary);
        Expect.Says("cardinality is one", two.Summary);
        Assert.Equal("0", await Archive.ValueAsync($"select count(*) from features.\"{table}\""));
    }

    private async Task<(string Convention, string Table)> RegisterAsync()
    {
        string id = Documents.NewId("types");
        string table = Documents.NewTable("types");
        await Archive.RegisterAsync(Documents.Convention(id, "1.0.0", Documents.Hook(table,
        [
            Documents.Column("text", "string"), Documents.Column("big", "integer"), Documents.Column("ratio", "number"), Documents.Column("flag", "boolean"),
            Documents.Column("day", "string", "date"), Documents.Column("at", "string", "date-time"), Documents.Column("uid", "string", "uuid"),
            Documents.Column("list", "array"), Documents.Column("tree", "object"),
        ])));
        return (id, table);
    }
}
