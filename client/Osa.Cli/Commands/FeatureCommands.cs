using System.CommandLine;
using System.Text.Json.Nodes;
using Osa.Cli.Output;
using Osa.Client.Features;
using Osa.V1;

namespace Osa.Cli.Commands;

/// <summary><c>osa features</c>: what hooks emitted, as typed rows.</summary>
internal static class FeatureCommands
{
    private static readonly Argument<string> Table = new("TABLE") { Description = "The feature table's name" };

    public static Command Create() => new("features", "Feature tables: what hooks emitted for published records")
    {
        List(),
        QueryCommands.Query(Table, "Rows of a feature table, in the order they were published unless sorted", static table => new QuerySource { Table = table }),
        QueryCommands.Export(Table, "All rows of a query over a feature table as one file, as of one moment", static table => new QuerySource { Table = table }),
    };

    private static Command List()
    {
        var list = new Command("list", "Every feature table with its owner and columns");
        list.Does(async context =>
        {
            var tables = await context.Osa.Features.CatalogAsync(context.CancellationToken);
            return await context.Screen.ListAsync(
                tables.ToAsyncEnumerable(),
                0,
                context.CancellationToken,
                new ListColumn<FeatureTable>("table", static table => table.Name),
                new ListColumn<FeatureTable>("convention", static table => table.ConventionId),
                new ListColumn<FeatureTable>("rows", static table => table.Cardinality),
                new ListColumn<FeatureTable>("version", static table => table.SchemaVersion.ToString()),
                new ListColumn<FeatureTable>("columns", static table => string.Join(", ", table.Columns.Select(static column => $"{column.Name} {column.Type}"))));
        });
        return list;
    }

    public static JsonObject ToJson(TypedFeatureRow row)
    {
        var json = new JsonObject
        {
            ["record_srn"] = row.RecordSrn.Length > 0 ? row.RecordSrn : null,
            ["run_id"] = row.RunId,
            ["created_at"] = Text(row.CreatedAt),
        };
        for (var i = 0; i < row.Columns.Count; i++)
        {
            json[row.Columns[i].Name] = Json(row.Values[i]);
        }

        return json;
    }

    public static JsonNode? Json(object? value) => value switch
    {
        null => null,
        JsonNode node => node.DeepClone(),
        long number => JsonValue.Create(number),
        double number when double.IsFinite(number) => JsonValue.Create(number),
        bool truth => JsonValue.Create(truth),
        var other => JsonValue.Create(Text(other)),
    };

    public static IReadOnlyList<ListColumn<TypedFeatureRow>> Columns(TypedFeatureRow first) =>
    [
        new("record_srn", static row => row.RecordSrn),
        .. first.Columns.Select(static column => new ListColumn<TypedFeatureRow>(column.Name, row => Text(row[column.Name]))),
    ];

    public static string Text(object? value) => value switch
    {
        null => "",
        DateTimeOffset time => time.UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.FFFFFFFZ"),
        DateOnly date => date.ToString("yyyy-MM-dd"),
        double number => number.ToString("R"),
        bool truth => truth ? "true" : "false",
        JsonNode node => node.ToLine(),
        _ => value.ToString() ?? "",
    };
}
