using System.Globalization;
using System.Text.Json.Nodes;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>A convention with records of known metadata and feature rows, for every test of <see cref="QueryTests"/>.</summary>
public sealed class QueriedArchive(SharedNode shared) : IAsyncLifetime
{
    public const int Records = 5;
    private const int RowsOfRecord = 40;

    public string Convention { get; } = Documents.NewId("queried");

    public string Table { get; } = Documents.NewTable("queried");

    /// <summary>Every row by column, as it was published; the record's metadata as metadata.NAME.</summary>
    public List<Dictionary<string, object?>> Rows { get; } = [];

    public async ValueTask InitializeAsync()
    {
        JsonObject document = Documents.Convention(
            Convention, "1.0.0",
            Documents.Hook(Table, [
                Documents.Column("label", "string"), Documents.Column("position", "integer", required: true), Documents.Column("score", "number"), Documents.Column("significant", "boolean"),
                Documents.Column("measured_at", "string", "date-time"), Documents.Column("day", "string", "date"), Documents.Column("details", "object")]));
        document["schema"]!.AsArray().Add(Documents.Field("organism", "text"));
        document["schema"]!.AsArray().Add(Documents.Field("mass", "number"));
        document["schema"]!.AsArray().Add(Documents.Field("keywords", "text", cardinality: "zero_or_more"));
        await shared.Archive.RegisterAsync(document);
        var random = new Random(7);
        string[] labels = ["", "a", "A", "ab", "é", "𝛼-helix", "it's \"quoted\" \\ and %_", "\u0001control", new string('x', 520), new string('x', 520) + "y"];
        for (int r = 0; r < Records; r++)
        {
            JsonObject metadata = Documents.Metadata(null);
            metadata["organism"] = r == 4 ? null : labels[r + 2];
            metadata["mass"] = r == 3 ? null : r * 1.5;
            metadata["keywords"] = r == 2 ? null : new JsonArray([.. Enumerable.Range(0, r).Select(i => JsonValue.Create("k" + i))]);
            var rows = new JsonArray();
            for (int i = 0; i < RowsOfRecord; i++)
            {
                rows.Add(new JsonObject
                {
                    ["label"] = random.Next(6) == 0 ? null : labels[random.Next(labels.Length)],
                    ["position"] = random.Next(-3, 4) * (random.Next(8) == 0 ? 1L << 40 : 1),
                    ["score"] = random.Next(5) == 0 ? null : random.Next(-4, 5) / 4.0,
                    ["significant"] = random.Next(4) == 0 ? null : random.Next(2) == 0,
                    ["measured_at"] = random.Next(4) == 0 ? null : new DateTime(2026, 1, 1 + random.Next(4), 0, 0, random.Next(2), DateTimeKind.Utc).ToString("yyyy-MM-dd'T'HH:mm:ss'Z'"),
                    ["day"] = random.Next(4) == 0 ? null : new DateOnly(2026, 2, 1 + random.Next(4)).ToString("yyyy-MM-dd"),
                    ["details"] = random.Next(2) == 0 ? null : new JsonObject { ["n"] = i },
                });
            }

            metadata["behaviour"] = Documents.Emit(rows.ToJsonString()).ToJsonString();
            foreach (string name in metadata.Where(m => m.Value is null).Select(m => m.Key).ToList())
            {
                metadata.Remove(name);
            }

            Client.Depositions.DepositionHandle draft = await shared.Archive.Ada.Depositions.CreateAsync(Convention, metadata);
            ValidationRun run = await Archive.VerdictAsync(await draft.SubmitAsync());
            Assert.True(run.Status == RunStatus.Passed, run.Summary);
            foreach (JsonNode? row in rows)
            {
                Dictionary<string, object?> values = row!.AsObject().ToDictionary(v => v.Key, v => Plain(v.Key, v.Value));
                values["record_srn"] = run.RecordSrn;
                values["metadata.organism"] = (string?)metadata["organism"];
                values["metadata.mass"] = (double?)metadata["mass"];
                values["metadata.keywords"] = metadata["keywords"]?.AsArray().Select(k => (string)k!).ToList();
                values["#"] = (long)Rows.Count;
                Rows.Add(values);
            }
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static object? Plain(string name, JsonNode? value) => value is null ? null : name switch
    {
        "label" => (string?)value,
        "position" => (long)value,
        "score" => (double)value,
        "significant" => (bool)value,
        "measured_at" => DateTime.Parse((string)value!, CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal),
        "day" => DateOnly.Parse((string)value!, CultureInfo.InvariantCulture),
        _ => value.ToJsonString(),
    };
}
