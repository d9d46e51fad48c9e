using System.Globalization;
using System.Text.Encodings.Web;
using System.Text.Json;
using CsCheck;
using Osa.Domain.Features;
using Osa.Domain.Hooks;
using Osa.Storage.Features;
using static Osa.Storage.Tests.Features.FeatureDatabase;

namespace Osa.Storage.Tests.Features;

[Collection(nameof(FeatureDatabase))]
public sealed class FeatureRoundTripTests(FeatureDatabase db)
{
    private static readonly JsonSerializerOptions Plain = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static TheoryData<JsonType, string?, string, object> Exact => new()
    {
        { JsonType.String, null, "\"\"", "" },
        { JsonType.String, null, "\"it's \\\"quoted\\\" \\\\ \\n\\t\\u0001 {a,b} 'x' \\\\N \\\\.\"", "it's \"quoted\" \\ \n\t\u0001 {a,b} 'x' \\N \\." },
        { JsonType.String, null, "\"🧬 \\ud83e\\uddec é \u200d\ufffd\uffff\"", "🧬 🧬 é \u200d\ufffd\uffff" },
        { JsonType.Integer, null, "9223372036854775807", long.MaxValue },
        { JsonType.Integer, null, "-9223372036854775808", long.MinValue },
        { JsonType.Integer, null, "0", 0L },
        { JsonType.Number, null, "1.7976931348623157e308", double.MaxValue },
        { JsonType.Number, null, "-1.7976931348623157E+308", double.MinValue },
        { JsonType.Number, null, "5e-324", double.Epsilon },
        { JsonType.Number, null, "-0.0", -0.0 },
        { JsonType.Number, null, "0.1", 0.1 },
        { JsonType.Number, null, "9007199254740993", 9007199254740992.0 },
        { JsonType.Boolean, null, "true", true },
        { JsonType.Boolean, null, "false", false },
        { JsonType.String, "date", "\"0001-01-01\"", DateOnly.MinValue },
        { JsonType.String, "date", "\"9999-12-31\"", DateOnly.MaxValue },
        { JsonType.String, "date", "\"2024-02-29\"", new DateOnly(2024, 2, 29) },
        { JsonType.String, "date-time", "\"0001-01-01T00:00:00Z\"", DateTime.MinValue },
        { JsonType.String, "date-time", "\"9999-12-31T23:59:59.999999Z\"", DateTime.MaxValue.AddTicks(-9) },
        { JsonType.String, "date-time", "\"2026-01-31T12:00:00.25+05:30\"", new DateTime(2026, 1, 31, 6, 30, 0, 250) },
        { JsonType.String, "date-time", "\"2000-01-01T00:00:00.000001-00:00\"", new DateTime(2000, 1, 1).AddMicroseconds(1) },
        { JsonType.String, "date-time", "\"1999-12-31T23:59:59.999999z\"", new DateTime(2000, 1, 1).AddMicroseconds(-1) },
        { JsonType.String, "uuid", "\"123E4567-e89b-12d3-a456-426614174000\"", Guid.Parse("123e4567-e89b-12d3-a456-426614174000") },
        { JsonType.String, "colour", "\"red\"", "red" },
    };

    [Theory]
    [MemberData(nameof(Exact))]
    public async Task Every_type_comes_back_as_it_was(JsonType type, string? format, string json, object expected)
    {
        HookManifest manifest = Manifest(db.NewName(), Column("x", type, format, required: true));

        FeatureRow row = Assert.Single(await db.RoundTrip(manifest, $"{{\"x\":{json}}}"));

        Assert.Equal(expected, Assert.Single(row.Values));
        if (expected is double d)
            Assert.Equal(BitConverter.DoubleToInt64Bits(d), BitConverter.DoubleToInt64Bits((double)row.Values[0]!));
    }

    [Theory]
    [InlineData(JsonType.Array, "[]")]
    [InlineData(JsonType.Array, "[1,[2,[3,{\"deep\":[null,true,\"\\ud83e\\uddec\"]}]],-0.5e-7]")]
    [InlineData(JsonType.Object, "{}")]
    [InlineData(JsonType.Object, "{\"a\":{\"b\":[{\"c\":{}}]},\"\":\"empty key\",\"q\\\"\\\\\":\"\\/\\b\\f\"}")]
    [InlineData(JsonType.Array, "[123456789012345678901234567890.123456789012345678901234567890]")]
    [InlineData(JsonType.Array, "[1e131071,1e-16383]")]
    public async Task Arrays_and_objects_are_real_jsonb(JsonType type, string json)
    {
        HookManifest manifest = Manifest(db.NewName(), Column("x", type, required: true));

        FeatureRow row = Assert.Single(await db.RoundTrip(manifest, $"[{{\"x\": {json.Replace(",", " ,\n ", StringComparison.Ordinal)} }}]"));

        AssertSameJson(json, Assert.IsType<JsonText>(row.Values[0]).Json);
        Assert.Equal(type.ToString().ToLowerInvariant(), await db.Scalar<string>($"select jsonb_typeof(x) from features.{manifest.Name}"));
    }

    [Fact]
    public async Task Null_and_missing_are_NULL_and_the_order_of_members_does_not_matter()
    {
        HookManifest manifest = Manifest(
            db.NewName(), Column("t", JsonType.String), Column("n", JsonType.Number), Column("o", JsonType.Object), Column("b", JsonType.Boolean));

        IReadOnlyList<FeatureRow> rows = await db.RoundTrip(manifest, """[{"b":true,"t":"x","o":null},{"n":1},{},{"t":null,"n":null,"o":null,"b":null}]""");

        Assert.Equal<object?>(["x", null, null, true], rows[0].Values);
        Assert.Equal<object?>([null, 1.0, null, null], rows[1].Values);
        Assert.All(rows.Skip(2), r => Assert.All(r.Values, Assert.Null));
        Assert.Equal(4, await db.Scalar<long>($"select count(*) from features.{manifest.Name} where o is null"));
    }

    [Fact]
    public async Task Whatever_is_declared_and_emitted_is_read_back() =>
        await (from columns in GenColumn.Array[0, 8]
               from rows in GenRow(columns).Array[0, 12]
               select (columns, rows)).SampleAsync(
            async sample =>
            {
                (GeneratedColumn[] columns, GeneratedRow[] rows) = sample;
                HookManifest manifest = Manifest(db.NewName("random"), [.. columns.Select((c, i) => Column($"c{i}", c.Type, c.Format, c.Required))]);

                IReadOnlyList<FeatureRow> stored = await db.RoundTrip(manifest, $"[{string.Join(",\n", rows.Select(r => r.Json))}]");

                Assert.Equal(rows.Length, stored.Count);
                for (int r = 0; r < rows.Length; r++)
                {
                    for (int c = 0; c < columns.Length; c++)
                        AssertSame(rows[r].Values[c], stored[r].Values[c]);
                }
            },
            iter: 150);

    [Theory]
    [InlineData("x", 24)]
    [InlineData("x", 30)]
    [InlineData("random", 40)]
    [InlineData("x", 3_000)]
    [InlineData("random", 300)]
    public async Task A_row_that_passes_the_check_fits_its_page(string kind, int length)
    {
        // As many text columns as the check lets through, of lengths that PostgreSQL moves, compresses or keeps in line.
        var random = new Random(1);
        string Text() => kind == "x" ? new string('x', length) : Convert.ToBase64String(random.GetItems([.. Enumerable.Range(0, 256).Select(b => (byte)b)], length))[..length];
        int count = 500;
        while (true)
        {
            HookManifest manifest = Manifest(db.NewName("wide"), [.. Enumerable.Range(0, count).Select(i => Column($"c{i}", JsonType.String))]);
            string json = "{" + string.Join(',', manifest.Columns.Select(c => $"\"{c.Name}\":\"{Text()}\"")) + "}";
            try
            {
                await Canonical(manifest, json);
            }
            catch (FeatureFileException)
            {
                count--;
                continue;
            }

            Assert.InRange(count, 250, 400);
            Assert.Single(await db.RoundTrip(manifest, json));
            return;
        }
    }

    [Fact]
    public async Task Five_hundred_numbers_fit_a_row()
    {
        HookManifest manifest = Manifest(db.NewName("wide"), [.. Enumerable.Range(0, 500).Select(i => Column($"c{i}", i % 2 == 0 ? JsonType.Number : JsonType.Boolean))]);

        Assert.Single(await db.RoundTrip(manifest, "{" + string.Join(',', manifest.Columns.Select(c => $"\"{c.Name}\":{(c.Type == JsonType.Number ? "0.5" : "true")}")) + "}"));
    }

    private static readonly Gen<string> GenText = Gen.OneOf(
        Gen.String[Gen.Char.AlphaNumeric, 0, 20],
        OneOf("", "\"", "\\", "\\N", "\\.", "it's", "🧬🧬", "\u0001\u001f\u007f", "é", "\ud7ff\ue000\ufffd", "{\"a\":1}", "null", "\r\n\t"),
        Gen.String[Gen.Char.Where(c => c != 0 && !char.IsSurrogate(c)), 0, 50],
        Gen.Int[0x10000, 0x10FFFF].Array[0, 5].Select(points => string.Concat(points.Select(char.ConvertFromUtf32))));

    private static readonly Gen<(string Json, object? Value)> GenJson = Gen.Recursive<(string, object?)>((depth, self) =>
    {
        Gen<(string Json, object? Value)> leaf = Gen.OneOf(
            GenText.Select(t => (JsonSerializer.Serialize(t), (object?)null)),
            Gen.Double.Where(double.IsFinite).Select(d => (d.ToString("R"), (object?)null)),
            Gen.Long.Select(l => (l.ToString(), (object?)null)),
            OneOf(("null", (object?)null), ("true", null), ("false", null)));
        return depth > 4
            ? leaf
            : Gen.Frequency(
                (2, leaf),
                (1, self.Array[0, 4].Select(items => ($"[{string.Join(',', items.Select(i => i.Item1))}]", (object?)null))),
                (1, Gen.Select(GenText, self).Array[0, 4].Select(items => ($"{{{string.Join(',', items.DistinctBy(i => i.Item1).Select(i => $"{JsonSerializer.Serialize(i.Item1)} : {i.Item2.Item1}"))}}}", (object?)null))));
    });

    private static readonly Gen<GeneratedColumn> GenColumn = Gen.Select(
        OneOf<(JsonType, string?, Gen<(string, object?)>)>(
            (JsonType.String, null, Gen.Select(GenText, Gen.Bool, (t, plain) => (JsonSerializer.Serialize(t, plain ? Plain : null), (object?)t))),
            (JsonType.Number, null, Gen.Double.Where(double.IsFinite).Select(d => (d.ToString("R"), (object?)d))),
            (JsonType.Integer, null, Gen.Long.Select(l => (l.ToString(), (object?)l))),
            (JsonType.Boolean, null, Gen.Bool.Select(b => (b ? "true" : "false", (object?)b))),
            (JsonType.String, "date", Gen.Int[0, DateOnly.MaxValue.DayNumber].Select(DateOnly.FromDayNumber).Select(d => ($"\"{d:yyyy-MM-dd}\"", (object?)d))),
            (JsonType.String, "date-time", Gen.Select(Gen.Long[14 * TimeSpan.TicksPerHour, DateTime.MaxValue.Ticks - (15 * TimeSpan.TicksPerHour)], Gen.Int[-14 * 60, 14 * 60], Timestamp)),
            (JsonType.String, "uuid", Gen.Guid.Select(g => ($"\"{g}\"", (object?)g))),
            (JsonType.Array, null, GenJson.Array[0, 5].Select(items => $"[{string.Join(" , ", items.Select(i => i.Json))}]").Select(j => (j, (object?)new JsonText(j)))),
            (JsonType.Object, null, GenJson.Select(v => $"{{\"k\":{v.Json}}}").Select(j => (j, (object?)new JsonText(j))))),
        Gen.Bool,
        (type, required) => new GeneratedColumn(type.Item1, type.Item2, required, type.Item3));

    private static Gen<T> OneOf<T>(params T[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);

    private static (string Json, object? Value) Timestamp(long ticks, int offsetMinutes)
    {
        ticks -= ticks % TimeSpan.TicksPerMicrosecond;
        var instant = new DateTime(ticks, DateTimeKind.Utc);
        var local = new DateTimeOffset(instant).ToOffset(TimeSpan.FromMinutes(offsetMinutes));
        return ($"\"{local.ToString("yyyy-MM-ddTHH:mm:ss.ffffffzzz", CultureInfo.InvariantCulture)}\"", instant);
    }

    private static Gen<GeneratedRow> GenRow(GeneratedColumn[] columns)
    {
        Gen<(string? Json, object? Value)[]> values = columns.Length == 0
            ? Gen.Const(Array.Empty<(string?, object?)>())
            : columns
                .Select(c => c.Required
                    ? c.Value.Select(v => ((string?)v.Json, v.Value))
                    : Gen.Frequency((6, c.Value.Select(v => ((string?)v.Json, v.Value))), (1, Gen.Const(((string?)"null", (object?)null))), (1, Gen.Const(((string?)null, (object?)null)))))
                .Aggregate(
                    Gen.Const(Array.Empty<(string?, object?)>()),
                    (all, next) => Gen.Select(all, next, (a, n) => ((string?, object?)[])[.. a, n]));
        return Gen.Select(values, Gen.Bool, (v, reversed) =>
        {
            IEnumerable<string> members = v.Select((x, i) => (x.Json, i)).Where(x => x.Json is not null).Select(x => $"\"c{x.i}\": {x.Json}");
            return new GeneratedRow($"{{{string.Join(", ", reversed ? members.Reverse() : members)}}}", [.. v.Select(x => x.Value)]);
        });
    }

    private static void AssertSame(object? expected, object? actual)
    {
        if (expected is JsonText json)
            AssertSameJson(json.Json, Assert.IsType<JsonText>(actual).Json);
        else
            Assert.Equal(expected, actual);
    }

    private static void AssertSameJson(string expected, string actual)
    {
        using JsonDocument e = JsonDocument.Parse(expected);
        using JsonDocument a = JsonDocument.Parse(actual);
        Assert.True(JsonElement.DeepEquals(e.RootElement, a.RootElement), $"expected {expected}, got {actual}");
    }

    private sealed record GeneratedColumn(JsonType Type, string? Format, bool Required, Gen<(string Json, object? Value)> Value);

    private sealed record GeneratedRow(string Json, object?[] Values);
}
