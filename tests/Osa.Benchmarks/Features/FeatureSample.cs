using System.Globalization;
using System.Text;
using Osa.Domain.Hooks;

namespace Osa.Benchmarks.Features;

/// <summary>Rows of six mixed columns (text, bigint, double, boolean, date-time, jsonb), as a hook would write them and as psql reads them.</summary>
internal static class FeatureSample
{
    public static HookManifest Manifest(string name) => new(name, "Sample", HookContract.Record, FeatureCardinality.Many,
    [
        new ColumnDefinition("label", JsonType.String, null, Required: true),
        new ColumnDefinition("position", JsonType.Integer, null, Required: true),
        new ColumnDefinition("mass", JsonType.Number, null, Required: false),
        new ColumnDefinition("unique_hit", JsonType.Boolean, null, Required: false),
        new ColumnDefinition("measured_at", JsonType.String, "date-time", Required: false),
        new ColumnDefinition("composition", JsonType.Object, null, Required: false),
    ]);

    public static async Task WriteJsonAsync(string path, int rows)
    {
        await using var file = new StreamWriter(path, append: false, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), 1 << 16);
        await file.WriteAsync("[\n");
        foreach (Row r in Rows(rows))
        {
            await file.WriteAsync(
                $$"""{"label": "{{r.Label}}", "position": {{r.Position}}, "mass": {{r.Mass:R}}, "unique_hit": {{(r.Unique ? "true" : "false")}}, "measured_at": "{{r.MeasuredAt}}", "composition": {{r.Composition}}}""");
            await file.WriteAsync(r.Position + 1 < rows ? ",\n" : "\n]\n");
        }
    }

    /// <summary>PostgreSQL's text format of COPY, with the record and run in front.</summary>
    public static async Task WriteTextAsync(string path, int rows, string recordSrn, Guid run)
    {
        await using var file = new StreamWriter(path, append: false, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), 1 << 16);
        foreach (Row r in Rows(rows))
            await file.WriteAsync($"{recordSrn}\t{run}\t{r.Label}\t{r.Position}\t{r.Mass:R}\t{(r.Unique ? 't' : 'f')}\t{r.MeasuredAt}\t{r.Composition}\n");
    }

    /// <summary>The same as CSV.</summary>
    public static async Task WriteCsvAsync(string path, int rows, string recordSrn, Guid run)
    {
        await using var file = new StreamWriter(path, append: false, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false), 1 << 16);
        foreach (Row r in Rows(rows))
            await file.WriteAsync($"{recordSrn},{run},{r.Label},{r.Position},{r.Mass:R},{(r.Unique ? 't' : 'f')},{r.MeasuredAt},\"{r.Composition.Replace("\"", "\"\"", StringComparison.Ordinal)}\"\n");
    }

    private static IEnumerable<Row> Rows(int rows)
    {
        var random = new Random(42);
        var start = new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc);
        char[] letters = [.. "ACDEFGHIKLMNPQRSTVWY"];
        for (int i = 0; i < rows; i++)
        {
            string peptide = new(random.GetItems(letters, random.Next(6, 30)));
            string composition = $$"""{"length": {{peptide.Length}}, "basic": {{peptide.Count(c => c is 'K' or 'R' or 'H')}}, "windows": [{{random.NextDouble():F4}}, {{random.NextDouble():F4}}]}""";
            yield return new Row(
                peptide, i, random.NextDouble() * 4000, random.Next(2) == 0,
                start.AddMicroseconds(random.NextInt64(30_000_000_000_000)).ToString("yyyy-MM-ddTHH:mm:ss.ffffffZ", CultureInfo.InvariantCulture), composition);
        }
    }

    private sealed record Row(string Label, int Position, double Mass, bool Unique, string MeasuredAt, string Composition);
}
