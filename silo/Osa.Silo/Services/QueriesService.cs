using System.Globalization;
using Google.Protobuf;
using Grpc.Core;
using Osa.Domain.Errors;
using Osa.Domain.Names;
using Osa.Silo.Access;
using Osa.Storage.Queries;
using Osa.V1;
using ColumnValues = Osa.Storage.Queries.ColumnValues;
using ExportFormat = Osa.Storage.Queries.ExportFormat;
using QueryPage = Osa.Storage.Queries.QueryPage;
using QuerySource = Osa.Storage.Queries.QuerySource;
using SortKey = Osa.V1.SortKey;

namespace Osa.Silo.Services;

/// <summary>Queries over gRPC.</summary>
public sealed class QueriesService(QueryStore queries, QueryExport exports) : Queries.QueriesBase
{
    // The protocol's own limit of nesting is larger than ours, which the storage says with the path.
    private const int DeepestConversion = 64;

    public override async Task<V1.QueryColumns> Columns(QueryColumnsRequest request, ServerCallContext context) =>
        new() { Columns = { (await queries.ColumnsAsync(Source(request.Source), context.CancellationToken)).Select(Message) } };

    public override async Task<V1.QueryPage> Rows(QueryRequest request, ServerCallContext context)
    {
        Query query = new(Source(request.Source), Condition(request.Filter), Sort(request.Sort), request.Select);
        QueryPage page = await queries.PageAsync(CallerInterceptor.CallerOf(context), query, request.PageSize, request.Cursor, context.CancellationToken);
        return new V1.QueryPage { Columns = { page.Columns.Select(Message) }, Values = { page.Values.Select(Message) }, NextCursor = page.NextCursor ?? "" };
    }

    public override async Task<CountResponse> Count(CountRequest request, ServerCallContext context) => new()
    {
        Rows = await queries.CountAsync(CallerInterceptor.CallerOf(context), Source(request.Source), Condition(request.Filter), request.Estimate, context.CancellationToken),
        Estimated = request.Estimate,
    };

    public override async Task<AggregateResponse> Aggregate(AggregateRequest request, ServerCallContext context)
    {
        QueryPage groups = await queries.AggregateAsync(
            CallerInterceptor.CallerOf(context), Source(request.Source), Condition(request.Filter), request.GroupBy,
            [.. request.Aggregates.Select(a => new QueryAggregate(a.Function, a.Column.Length == 0 ? null : a.Column))], context.CancellationToken);
        return new AggregateResponse { Columns = { groups.Columns.Select(Message) }, Values = { groups.Values.Select(Message) } };
    }

    public override async Task Export(ExportRequest request, IServerStreamWriter<ExportPart> responseStream, ServerCallContext context)
    {
        ExportFormat format = request.Format switch
        {
            V1.ExportFormat.Csv => ExportFormat.Csv,
            V1.ExportFormat.JsonLines => ExportFormat.JsonLines,
            V1.ExportFormat.Parquet => ExportFormat.Parquet,
            _ => throw OsaException.Invalid("format", "choice", "is one of csv, json_lines, parquet"),
        };
        bool first = true;
        await exports.WriteAsync(
            CallerInterceptor.CallerOf(context), new Query(Source(request.Source), Condition(request.Filter), Sort(request.Sort), request.Select), format,
            async (position, bytes) =>
            {
                // Written out when this returns, so that the buffer may be used again.
                await responseStream.WriteAsync(new ExportPart { EventPosition = first ? position : 0, Data = UnsafeByteOperations.UnsafeWrap(bytes) }, context.CancellationToken);
                first = false;
            },
            context.CancellationToken);
    }

    private static QuerySource Source(V1.QuerySource? source) => new(
        source is { SourceCase: V1.QuerySource.SourceOneofCase.Table } ? source.Table : null,
        source is { SourceCase: V1.QuerySource.SourceOneofCase.RecordsOf } ? source.RecordsOf : null,
        source is { AllVersions: true });

    private static List<QuerySort> Sort(IEnumerable<SortKey> keys) => [.. keys.Select(k => new QuerySort(k.Column, k.Descending))];

    private static QueryFilter? Condition(Filter? filter) => filter is null ? null : Condition(filter, "filter", 1);

    private static QueryFilter Condition(Filter filter, string path, int depth) => depth > DeepestConversion
        ? throw OsaException.Invalid(path, "size", "is nested too deep")
        : filter.KindCase switch
        {
            Filter.KindOneofCase.All => new QueryFilter.All([.. filter.All.Filters.Select((f, i) => Condition(f, $"{path}.all[{i}]", depth + 1))]),
            Filter.KindOneofCase.Any => new QueryFilter.Any([.. filter.Any.Filters.Select((f, i) => Condition(f, $"{path}.any[{i}]", depth + 1))]),
            Filter.KindOneofCase.Not => new QueryFilter.Not(Condition(filter.Not, path + ".not", depth + 1)),
            Filter.KindOneofCase.Compare => new QueryFilter.Compare(
                filter.Compare.Column,
                filter.Compare.Op is > Operator.Unspecified and <= Operator.IsNull
                    ? (QueryOperator)((int)filter.Compare.Op - 1)
                    : throw OsaException.Invalid(path + ".compare.op", "required", "is not an operator"),
                [.. filter.Compare.Values.Select((v, i) => Value(v, $"{path}.compare.values[{i}]"))]),
            _ => throw OsaException.Invalid(path, "required", "is neither all, any, not nor compare"),
        };

    private static object Value(FeatureValue value, string path) => value.KindCase switch
    {
        FeatureValue.KindOneofCase.Text => value.Text,
        FeatureValue.KindOneofCase.Integer => value.Integer,
        FeatureValue.KindOneofCase.Number => value.Number,
        FeatureValue.KindOneofCase.Boolean => value.Boolean,
        FeatureValue.KindOneofCase.DateTime when DateTimeOffset.TryParse(
            value.DateTime, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset time) => time.UtcDateTime,
        FeatureValue.KindOneofCase.DateTime => throw OsaException.Invalid(path, "date_time", "is not an instant such as 2026-01-31T12:00:00Z"),
        _ => throw OsaException.Invalid(path, "type", "is no value to compare with; null has an operator of its own"),
    };

    private static Column Message(ResultColumn column) => new() { Name = column.Name, Type = WireName.Of(column.Type), Format = column.Format ?? "", Required = column.Required };

    private static V1.ColumnValues Message(ColumnValues column)
    {
        var message = new V1.ColumnValues();
        message.Nulls.AddRange(column.Nulls.Select(row => (uint)row));
        switch (column.Values)
        {
            case List<string> texts:
                message.Texts.AddRange(texts);
                break;
            case List<long> integers:
                message.Integers.AddRange(integers);
                break;
            case List<double> numbers:
                message.Numbers.AddRange(numbers);
                break;
            case List<bool> booleans:
                message.Booleans.AddRange(booleans);
                break;
            case List<DateTime> times:
                message.DateTimes.AddRange(times.Select(time => (time - DateTime.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond));
                break;
            case List<DateOnly> dates:
                message.Texts.AddRange(dates.Select(date => date.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)));
                break;
            case List<Guid> ids:
                message.Texts.AddRange(ids.Select(id => id.ToString("D")));
                break;
        }

        return message;
    }
}
