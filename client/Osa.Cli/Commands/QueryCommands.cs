using System.CommandLine;
using System.Text.Json.Nodes;
using Osa.Cli.Input;
using Osa.Cli.Output;
using Osa.Client.Features;
using Osa.V1;

namespace Osa.Cli.Commands;

/// <summary><c>query</c> and <c>export</c> of feature tables and records.</summary>
internal static class QueryCommands
{
    private const int LargestPage = 5_000;

    private static readonly Option<string> Where = new("--where") { Description = FilterText.Help, HelpName = "CONDITION" };

    private static readonly Option<string[]> Sort = new("--sort")
    {
        Description = "Columns to sort by, separated by commas; - before one sorts from the largest",
        HelpName = "COLUMNS",
        AllowMultipleArgumentsPerToken = false,
    };

    private static readonly Option<string> Select = new("--select") { Description = "Columns to show, separated by commas; default all but metadata", HelpName = "COLUMNS" };

    private static readonly Option<string> Record = new("--record") { Description = "Only of this record, whichever version it is", HelpName = "SRN" };

    private static readonly Option<bool> AllVersions = new("--all-versions") { Description = "Old versions of records too" };

    /// <param name="source">What the argument names.</param>
    public static Command Query(Argument<string> argument, string description, Func<string, QuerySource> source)
    {
        var count = new Option<bool>("--count") { Description = "Only how many rows there are" };
        var estimate = new Option<bool>("--estimate") { Description = "Only about how many rows there are, at once" };
        var groupBy = new Option<string>("--group-by") { Description = "Columns of groups, separated by commas, with --aggregate", HelpName = "COLUMNS" };
        var aggregate = new Option<string>("--aggregate") { Description = "What groups come to, separated by commas: count, count:COLUMN, min:COLUMN, max:COLUMN, avg:COLUMN", HelpName = "LIST" };
        var limit = NumberRange.Limit();
        var query = new Command("query", description) { argument, Record, Where, Sort, Select, AllVersions, count, estimate, groupBy, aggregate, limit };
        query.Does(async context =>
        {
            var from = Source(context, source(context.Get(argument)));
            var filter = Condition(context, from);
            if (context.Get(count) || context.Get(estimate))
            {
                var answer = await context.Osa.Queries.CountAsync(new CountRequest { Source = from, Filter = filter, Estimate = context.Get(estimate) }, context.CancellationToken);
                return context.Screen.Done(answer.ToJson(), $"{answer.Rows}");
            }

            if (context.Get(groupBy) is not null || context.Get(aggregate) is not null)
            {
                var groups = await context.Osa.Queries.AggregateAsync(
                    new AggregateRequest { Source = from, Filter = filter, GroupBy = { Parts(context.Get(groupBy)) }, Aggregates = { Parts(context.Get(aggregate) ?? "count").Select(Aggregate) } },
                    context.CancellationToken);
                return await ShowAsync(context, groups.ToAsyncEnumerable(), context.Get(limit));
            }

            var most = context.Get(limit);
            var rows = context.Osa.Queries.RowsAsync(
                new QueryRequest
                {
                    Source = from,
                    Filter = filter,
                    Sort = { Keys(context.Get(Sort)) },
                    Select = { Parts(context.Get(Select)) },
                    PageSize = most is > 0 and < LargestPage ? most.Value : LargestPage,
                },
                context.CancellationToken);
            return await ShowAsync(context, rows, most);
        });
        return query;
    }

    /// <inheritdoc cref="Query"/>
    public static Command Export(Argument<string> argument, string description, Func<string, QuerySource> source)
    {
        var format = new Option<string>("--format") { Description = "csv, jsonl or parquet; default by the file's name, else csv", HelpName = "FORMAT" };
        format.AcceptOnlyFromAmong("csv", "jsonl", "parquet");
        var output = new Option<FileInfo>("--output", "-o") { Description = "Write to this file; default stdout", HelpName = "FILE" };
        var export = new Command("export", description) { argument, Record, Where, Sort, Select, AllVersions, format, output };
        export.Does(async context =>
        {
            var file = context.Get(output);
            var request = new ExportRequest
            {
                Source = Source(context, source(context.Get(argument))),
                Filter = Condition(context, source(context.Get(argument))),
                Sort = { Keys(context.Get(Sort)) },
                Select = { Parts(context.Get(Select)) },
                Format = (context.Get(format) ?? file?.Extension.TrimStart('.')) switch { "jsonl" => ExportFormat.JsonLines, "parquet" => ExportFormat.Parquet, _ => ExportFormat.Csv },
            };
            if (file is null)
            {
                await using var stdout = Console.OpenStandardOutput();
                await context.Osa.Queries.ExportAsync(request, stdout, context.CancellationToken);
                return ExitCode.Ok;
            }

            // Under its name only when it is whole.
            var partial = file.FullName + ".part";
            long position;
            await using (var stream = new FileStream(partial, FileMode.Create, FileAccess.Write))
            {
                position = await context.Osa.Queries.ExportAsync(request, stream, context.CancellationToken);
            }

            File.Move(partial, file.FullName, overwrite: true);
            return context.Screen.Done(
                new JsonObject { ["file"] = file.FullName, ["bytes"] = new FileInfo(file.FullName).Length, ["event_position"] = position },
                $"{file.FullName}: {Show.Bytes(new FileInfo(file.FullName).Length)}, as of event {position}");
        });
        return export;
    }

    // Whoever pipes rows wants the values themselves: CSV, or objects with --json.
    private static async Task<int> ShowAsync(CommandContext context, IAsyncEnumerable<TypedRow> rows, int? limit)
    {
        if (context.Screen.Interactive || context.Screen.Json)
        {
            return await context.Screen.ListAsync(rows, limit, ToJson, Columns, context.CancellationToken);
        }

        var isFirst = true;
        await foreach (var row in (limit is > 0 ? rows.Take(limit.Value) : rows).WithCancellation(context.CancellationToken))
        {
            if (isFirst)
            {
                Console.WriteLine(Csv.Line(row.Columns.Select(static column => column.Name)));
                isFirst = false;
            }

            Console.WriteLine(Csv.Line(row.Values.Select(static value => value is null ? null : FeatureCommands.Text(value))));
        }

        return ExitCode.Ok;
    }

    private static QuerySource Source(CommandContext context, QuerySource source)
    {
        source.AllVersions = context.Get(AllVersions) || context.Get(Record) is not null;
        return source;
    }

    private static Filter? Condition(CommandContext context, QuerySource source)
    {
        var where = FilterText.Parse(context.Get(Where));
        if (context.Get(Record) is not { } record)
        {
            return where;
        }

        var one = new Filter { Compare = new Comparison { Column = source.SourceCase is QuerySource.SourceOneofCase.Table ? "record_srn" : "srn", Op = Operator.Equal, Values = { new FeatureValue { Text = record } } } };
        return where is null ? one : new Filter { All = new FilterList { Filters = { one, where } } };
    }

    private static string[] Parts(string? text) => text?.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) ?? [];

    private static IEnumerable<SortKey> Keys(string[]? texts) =>
        (texts ?? []).SelectMany(Parts).Select(static key => key[0] == '-' ? new SortKey { Column = key[1..], Descending = true } : new SortKey { Column = key });

    private static Aggregate Aggregate(string text) => text.Split(':', 2) is [{ } function, { } column] ? new Aggregate { Function = function, Column = column } : new Aggregate { Function = text };

    private static JsonObject ToJson(TypedRow row) => new(row.Columns.Select((column, i) => KeyValuePair.Create(column.Name, FeatureCommands.Json(row.Values[i]))));

    private static IReadOnlyList<ListColumn<TypedRow>> Columns(TypedRow first) =>
        [.. first.Columns.Select(static (column, i) => new ListColumn<TypedRow>(column.Name, row => FeatureCommands.Text(row.Values[i])))];
}
