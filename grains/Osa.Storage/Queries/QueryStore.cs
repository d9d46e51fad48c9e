using System.Collections.Concurrent;
using System.Text.Json;
using Npgsql;
using Osa.Domain.Access;
using Osa.Domain.Errors;
using Osa.Domain.Features;
using Osa.Domain.Hooks;
using Osa.Storage.Conventions;
using Osa.Storage.Features;

namespace Osa.Storage.Queries;

/// <summary>A column of an answer.</summary>
public sealed record ResultColumn(string Name, JsonType Type, string? Format, bool Required);

/// <param name="Values">One for each of the columns.</param>
/// <param name="NextCursor">Null on the last page.</param>
public sealed record QueryPage(IReadOnlyList<ResultColumn> Columns, IReadOnlyList<ColumnValues> Values, string? NextCursor);

/// <summary>Queries over feature tables and records: pages, counts and groups, of what the caller may see.</summary>
public sealed class QueryStore(Database database, FeatureTables tables, ConventionStore conventions, TimeProvider time)
{
    // What a source has changes with a registration; a moment later is early enough to see it.
    private static readonly TimeSpan Remembered = TimeSpan.FromSeconds(2);
    private const int MostRemembered = 1_000;

    private readonly ConcurrentDictionary<QuerySource, (QueryColumns Columns, long At)> _sources = new();

    public const int MaxSortKeys = 4;
    public const int MaxGroupColumns = 4;
    public const int MaxAggregates = 16;
    public const int MaxGroups = 10_000;

    private const int FirstPortion = 50;

    /// <exception cref="OsaException">InvalidArgument, NotFound.</exception>
    public async Task<IReadOnlyList<ResultColumn>> ColumnsAsync(QuerySource source, CancellationToken cancellation) =>
        [.. (await ColumnsOfAsync(source, cancellation)).All.Select(Result)];

    /// <param name="pageSize">1 to 5,000; 0 means 500. A page of large values may hold fewer rows.</param>
    /// <exception cref="OsaException">InvalidArgument with the path of what is wrong; NotFound; DeadlineExceeded.</exception>
    public async Task<QueryPage> PageAsync(Caller caller, Query query, int pageSize, string cursor, CancellationToken cancellation)
    {
        int wanted = Cursor.PageSize(pageSize, FeatureRows.DefaultPageSize, FeatureRows.MaxPageSize);
        QueryColumns columns = await ColumnsOfAsync(query.Source, cancellation);
        IReadOnlyList<QueryColumn> selected = columns.Select(query.Select);
        List<QueryColumn> keys = Keys(columns, query.Sort);
        string? binding = cursor.Length == 0 ? null : QueryCursor.Bind(query, caller.Role);
        int phases = keys is [{ IsNullable: true }] ? 2 : 1;
        QueryCursor? at = binding is null ? null : QueryCursor.Decode(cursor, binding, keys, phases);
        ColumnValues[] values = [];
        ResultColumn[] results = [];
        int rows = 0;
        long bytes = 0;
        bool more = false;
        await Timed(
            async c =>
            {
                for (int phase = at?.Phase ?? 0; phase < phases && !more; phase++)
                {
                    if (rows >= wanted)
                    {
                        // The first phase ended with the page: whatever the second has is on the next one.
                        more = true;
                        break;
                    }

                    bool ended = false;
                    while (!ended && !more)
                    {
                        int portion = Math.Min(wanted - rows, rows == 0 ? FirstPortion : (int)Math.Max(1, (FeatureRows.MaxPageBytes - bytes) / Math.Max(1, bytes / rows)));
                        var sql = new QuerySql(columns, literals: false);
                        await using NpgsqlCommand command = sql.Command(c, Page(columns, sql, caller, query, selected, keys, phase, phases, at?.Phase == phase ? at : null, portion + 1));
                        Task<NpgsqlDataReader> answer = command.ExecuteReaderAsync(cancellation);
                        if (values.Length == 0)
                        {
                            // While PostgreSQL works.
                            values = [.. selected.Select(c => ColumnValues.Of(c.StoredAs, portion))];
                            results = [.. selected.Select(Result)];
                            binding ??= QueryCursor.Bind(query, caller.Role);
                        }

                        await using NpgsqlDataReader reader = await answer;
                        // One row further than kept tells whether there are more.
                        ended = true;
                        for (int read = 0; await reader.ReadAsync(cancellation); read++)
                        {
                            if (read == portion)
                            {
                                ended = false;
                                break;
                            }

                            for (int i = 0; i < values.Length; i++)
                            {
                                bytes += values[i].Add(reader, i);
                            }

                            rows++;
                            if (read == portion - 1)
                            {
                                at = new QueryCursor(phase, [.. keys.Select((key, i) => StoredValue.Read(reader, values.Length + i, key.StoredAs))], reader.GetInt64(values.Length + keys.Count));
                            }
                        }

                        more = !ended && (rows >= wanted || bytes >= FeatureRows.MaxPageBytes);
                    }
                }

                return true;
            },
            cancellation);
        return new QueryPage(results, values, more ? at!.Encode(binding!) : null);
    }

    /// <summary>How many rows, counted, or as PostgreSQL guesses them.</summary>
    /// <exception cref="OsaException">As <see cref="PageAsync"/>.</exception>
    public async Task<long> CountAsync(Caller caller, QuerySource source, QueryFilter? filter, bool estimate, CancellationToken cancellation)
    {
        QueryColumns columns = await ColumnsOfAsync(source, cancellation);
        var sql = new QuerySql(columns, literals: estimate);
        string fromWhere = FromWhere(columns, sql, caller, filter);
        return await Timed(
            async c =>
            {
                string answer = (await sql.Command(c, estimate ? $"explain (format json) select 1 {fromWhere}" : $"select count(*)::text {fromWhere}").FirstOrDefault(r => r.GetString(0), cancellation))!;
                if (!estimate)
                {
                    return long.Parse(answer, System.Globalization.CultureInfo.InvariantCulture);
                }

                using JsonDocument plan = JsonDocument.Parse(answer);
                return (long)plan.RootElement[0].GetProperty("Plan").GetProperty("Plan Rows").GetDouble();
            },
            cancellation);
    }

    /// <summary>At most 10,000 groups, in their order.</summary>
    /// <exception cref="OsaException">As <see cref="PageAsync"/>; ResourceExhausted: more groups.</exception>
    public async Task<QueryPage> AggregateAsync(
        Caller caller, QuerySource source, QueryFilter? filter, IReadOnlyList<string> groupBy, IReadOnlyList<QueryAggregate> aggregates, CancellationToken cancellation)
    {
        if (groupBy.Count > MaxGroupColumns || aggregates.Count is 0 or > MaxAggregates)
        {
            throw OsaException.Invalid("aggregates", "count", $"1 to {MaxAggregates} aggregates over at most {MaxGroupColumns} columns of groups");
        }

        QueryColumns columns = await ColumnsOfAsync(source, cancellation);
        var sql = new QuerySql(columns, literals: false);
        List<(string Sql, ResultColumn Column)> selected =
        [
            .. groupBy.Select((name, i) => (sql.Column(name, $"group_by[{i}]"), i)).Select(g =>
            {
                _ = g.Item1.Order($"group_by[{g.i}]");
                return (g.Item1.IsText ? $"{g.Item1.Sql} collate \"C\"" : g.Item1.Sql, Result(g.Item1));
            }),
            .. aggregates.Select((a, i) => Aggregated(sql, a, i)),
        ];
        string groups = groupBy.Count == 0 ? "" : $" group by {string.Join(", ", Enumerable.Range(1, groupBy.Count))} order by {string.Join(", ", Enumerable.Range(1, groupBy.Count))}";
        string statement = $"select {string.Join(", ", selected.Select(s => s.Sql))} {FromWhere(columns, sql, caller, filter)}{groups} limit {MaxGroups + 1}";
        ColumnValues[] values = [.. selected.Select(s => ColumnValues.Of(FeatureColumnTypes.Of(s.Column.Type, s.Column.Format), 0))];
        List<int> rows = await Timed(c => sql.Command(c, statement).ToList(r => values.Select((v, i) => v.Add(r, i)).Sum(), cancellation), cancellation);
        return rows.Count > MaxGroups
            ? throw new OsaException(ErrorCode.ResourceExhausted, $"There are more than {MaxGroups:N0} groups: filter more, or group by something coarser")
            : new QueryPage([.. selected.Select(s => s.Column)], values, null);
    }

    /// <summary>The statement of an export, without parameters.</summary>
    internal async Task<(string Sql, IReadOnlyList<QueryColumn> Columns)> ExportAsync(Caller caller, Query query, Func<QueryColumn, string> expression, CancellationToken cancellation)
    {
        QueryColumns columns = await ColumnsOfAsync(query.Source, cancellation);
        IReadOnlyList<QueryColumn> selected = columns.Select(query.Select);
        List<QueryColumn> keys = Keys(columns, query.Sort);
        var sql = new QuerySql(columns, literals: true);
        Touch(sql, selected, keys);
        return (
            $"select {string.Join(", ", selected.Select(c => $"{expression(c)} as {SqlIdentifier.Quote(c.Name)}"))} {FromWhere(columns, sql, caller, query.Filter)} order by {OrderBy(columns, query.Sort, keys)}",
            selected);
    }

    private async Task<QueryColumns> ColumnsOfAsync(QuerySource source, CancellationToken cancellation)
    {
        if (_sources.TryGetValue(source, out (QueryColumns Columns, long At) known) && time.GetElapsedTime(known.At) < Remembered)
        {
            return known.Columns;
        }

        QueryColumns columns = await QueryColumns.OfAsync(source, tables, conventions, cancellation);
        if (_sources.Count >= MostRemembered)
        {
            _sources.Clear();
        }

        _sources[source] = (columns, time.GetTimestamp());
        return columns;
    }

    private static string Page(
        QueryColumns columns, QuerySql sql, Caller caller, Query query, IReadOnlyList<QueryColumn> selected, List<QueryColumn> keys, int phase, int phases, QueryCursor? after, int limit)
    {
        Touch(sql, selected, keys);
        string select = string.Join(", ", [.. selected.Select(c => c.Sql), .. keys.Select(k => k.Order("sort")), columns.Id]);
        string fromWhere = FromWhere(columns, sql, caller, query.Filter);
        bool descends = query.Sort.Count > 0 && query.Sort[^1].Descending;
        string beyond = descends ? "<" : ">";
        var conditions = new List<string>();
        bool ofNulls = phases == 2 && phase == (query.Sort[0].Descending ? 0 : 1);
        if (phases == 2)
        {
            // Nulls apart from the rest, so that each can be read in the order of an index.
            conditions.Add($"{keys[0].Order("sort")} is {(ofNulls ? "" : "not ")}null");
        }

        if (after is not null)
        {
            string id = sql.Value(after.Id);
            conditions.Add(
                keys.Count == 0 || ofNulls ? $"{columns.Id} {beyond} {id}"
                : keys.Count == 1 ? $"({keys[0].Order("sort")}, {columns.Id}) {beyond} ({sql.Value(after.Keys[0]!)}, {id})"
                : Beyond(columns, sql, query.Sort, keys, after, beyond, id));
        }

        string order = ofNulls ? $"{columns.Id}{(descends ? " desc" : "")}" : OrderBy(columns, query.Sort, keys);
        return $"select {select} {fromWhere}{string.Concat(conditions.Select(c => $" and {c}"))} order by {order} limit {limit}";
    }

    // The first key is beyond, or it is equal and the second is beyond, and so on; nulls are largest.
    private static string Beyond(QueryColumns columns, QuerySql sql, IReadOnlyList<QuerySort> sort, List<QueryColumn> keys, QueryCursor after, string beyond, string id)
    {
        var equal = new List<string>();
        var any = new List<string>();
        for (int i = 0; i < keys.Count; i++)
        {
            string key = keys[i].Order("sort");
            string? further = (after.Keys[i], sort[i].Descending) switch
            {
                (null, false) => null,
                (null, true) => $"{key} is not null",
                ({ } value, false) => $"({key} > {sql.Value(value)} or {key} is null)",
                ({ } value, true) => $"{key} < {sql.Value(value)}",
            };
            if (further is not null)
            {
                any.Add(string.Join(" and ", equal.Append(further)));
            }

            equal.Add(after.Keys[i] is { } same ? $"{key} = {sql.Value(same)}" : $"{key} is null");
        }

        any.Add(string.Join(" and ", equal.Append($"{columns.Id} {beyond} {id}")));
        return $"({string.Join(" or ", any.Select(a => $"({a})"))})";
    }

    private static string OrderBy(QueryColumns columns, IReadOnlyList<QuerySort> sort, List<QueryColumn> keys) => string.Join(
        ", ", [.. keys.Select((k, i) => k.Order("sort") + (sort[i].Descending ? " desc" : "")), columns.Id + (sort.Count > 0 && sort[^1].Descending ? " desc" : "")]);

    private static List<QueryColumn> Keys(QueryColumns columns, IReadOnlyList<QuerySort> sort)
    {
        if (sort.Count > MaxSortKeys)
        {
            throw OsaException.Invalid("sort", "count", $"at most {MaxSortKeys} columns");
        }

        List<QueryColumn> keys = [.. sort.Select((s, i) => columns.Find(s.Column, $"sort[{i}].column"))];
        for (int i = 0; i < keys.Count; i++)
        {
            _ = keys[i].Order($"sort[{i}].column");
        }

        return keys.Distinct().Count() == keys.Count ? keys : throw OsaException.Invalid("sort", "unique", "names a column twice");
    }

    private static void Touch(QuerySql sql, params IEnumerable<QueryColumn>[] used)
    {
        foreach (QueryColumn column in used.SelectMany(u => u))
        {
            _ = sql.Column(column.Name, "select");
        }
    }

    // The filter may be what needs the records; what it needs is known when it has been written.
    private static string FromWhere(QueryColumns columns, QuerySql sql, Caller caller, QueryFilter? filter)
    {
        if (filter is not null)
        {
            foreach (string name in Names(filter))
            {
                _ = sql.Column(name, "filter");
            }
        }

        return columns.FromWhere(sql, caller, filter);
    }

    private static IEnumerable<string> Names(QueryFilter filter)
    {
        var open = new Stack<QueryFilter>([filter]);
        while (open.TryPop(out QueryFilter? part))
        {
            switch (part)
            {
                case QueryFilter.All all:
                    all.Filters.ToList().ForEach(open.Push);
                    break;
                case QueryFilter.Any any:
                    any.Filters.ToList().ForEach(open.Push);
                    break;
                case QueryFilter.Not not:
                    open.Push(not.Filter);
                    break;
                case QueryFilter.Compare compare:
                    yield return compare.Column;
                    break;
            }
        }
    }

    private static (string Sql, ResultColumn Column) Aggregated(QuerySql sql, QueryAggregate aggregate, int at)
    {
        string field = $"aggregates[{at}]";
        if (aggregate.Function == "count" && aggregate.Column is null)
        {
            return ("count(*)", new ResultColumn("count", JsonType.Integer, null, true));
        }

        QueryColumn column = sql.Column(aggregate.Column ?? throw OsaException.Invalid(field + ".column", "required", $"{aggregate.Function} needs a column"), field + ".column");
        string name = $"{aggregate.Function}_{column.Name}";
        return (aggregate.Function, column.StoredAs) switch
        {
            ("count", _) => ($"count({column.Sql})", new ResultColumn(name, JsonType.Integer, null, true)),
            ("avg", FeatureColumnType.Bigint or FeatureColumnType.Double) => ($"avg({column.Sql})::double precision", new ResultColumn(name, JsonType.Number, null, false)),
            ("min" or "max", FeatureColumnType.Text) => ($"{aggregate.Function}({column.Sql} collate \"C\")", Result(column) with { Name = name, Required = false }),
            ("min" or "max", FeatureColumnType.Bigint or FeatureColumnType.Double or FeatureColumnType.Timestamp or FeatureColumnType.Date) =>
                ($"{aggregate.Function}({column.Sql})", Result(column) with { Name = name, Required = false }),
            ("min" or "max" or "avg", _) => throw OsaException.Invalid(field, "type", $"'{column.Name}' has no {aggregate.Function}"),
            _ => throw OsaException.Invalid(field + ".function", "choice", "is one of count, min, max, avg"),
        };
    }

    private static ResultColumn Result(QueryColumn column) => new(column.Name, column.Type, column.Format, !column.IsNullable);

    private Task<T> Timed<T>(Func<NpgsqlConnection, Task<T>> work, CancellationToken cancellation) => database.Query(
        async c =>
        {
            try
            {
                return await work(c);
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.QueryCanceled && !cancellation.IsCancellationRequested)
            {
                throw new OsaException(ErrorCode.DeadlineExceeded, "The query took longer than 30 s: filter or sort by columns that have an index, or export it", null, e);
            }
        },
        cancellation);
}
