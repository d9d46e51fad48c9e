using System.Globalization;
using System.Text.Json;
using Npgsql;
using Osa.Domain.Errors;
using Osa.Domain.Features;
using Osa.Domain.Names;

namespace Osa.Storage.Queries;

/// <summary>
/// Writes the conditions of one statement. Values become parameters; where a statement takes none (COPY, EXPLAIN) they are written as
/// typed literals, whose only free text is quoted.
/// </summary>
internal sealed class QuerySql(QueryColumns columns, bool literals)
{
    public const int MaxDepth = 16;
    public const int MaxNodes = 200;
    public const int MaxValues = 1_000;

    private readonly List<object> _parameters = [];
    private int _nodes;

    /// <summary>Records have been named: they must be joined.</summary>
    public bool UsesMetadata { get; private set; }

    public NpgsqlCommand Command(NpgsqlConnection connection, string sql) => connection.Command(sql, [.. _parameters]);

    /// <exception cref="OsaException">InvalidArgument: no such column.</exception>
    public QueryColumn Column(string name, string field)
    {
        QueryColumn column = columns.Find(name, field);
        UsesMetadata |= column.MetadataField is not null;
        return column;
    }

    public string Value(object value)
    {
        if (!literals)
        {
            _parameters.Add(value);
            return "$" + _parameters.Count.ToString(CultureInfo.InvariantCulture);
        }

        return value switch
        {
            string text => Quoted(text),
            long number => number.ToString(CultureInfo.InvariantCulture) + "::bigint",
            double number => Quoted(number.ToString("R", CultureInfo.InvariantCulture)) + "::double precision",
            bool truth => truth ? "true" : "false",
            DateTime time => Quoted(time.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture)) + "::timestamptz",
            DateOnly date => Quoted(date.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)) + "::date",
            Guid id => Quoted(id.ToString("D")) + "::uuid",
            string[] texts => $"array[{string.Join(", ", texts.Select(Quoted))}]::text[]",
            Array list => $"array[{string.Join(", ", list.Cast<object>().Select(Value))}]",
            _ => throw new InvalidOperationException($"no literal for {value.GetType()}"),
        };
    }

    /// <exception cref="OsaException">InvalidArgument, with the path of what is wrong.</exception>
    public string Where(QueryFilter filter, string path = "filter", int depth = 1)
    {
        if (depth > MaxDepth || ++_nodes > MaxNodes)
        {
            throw OsaException.Invalid(path, "size", $"a filter has at most {MaxNodes} parts, nested {MaxDepth} deep");
        }

        return filter switch
        {
            QueryFilter.All all => all.Filters.Count == 0 ? "true" : $"({string.Join(" and ", all.Filters.Select((f, i) => Where(f, $"{path}.all[{i}]", depth + 1)))})",
            QueryFilter.Any any => any.Filters.Count == 0 ? "false" : $"({string.Join(" or ", any.Filters.Select((f, i) => Where(f, $"{path}.any[{i}]", depth + 1)))})",
            // Unknown is false here: an unknown inside does not hold, so its opposite does.
            QueryFilter.Not not => $"(({Where(not.Filter, path + ".not", depth + 1)}) is not true)",
            QueryFilter.Compare compare => Compare(compare, path + ".compare"),
            _ => throw new InvalidOperationException($"a filter of type {filter.GetType()}"),
        };
    }

    private string Compare(QueryFilter.Compare compare, string path)
    {
        QueryColumn column = Column(compare.Column, path + ".column");
        (int least, int most) = compare.Operator switch { QueryOperator.In => (0, MaxValues), QueryOperator.IsNull => (0, 0), _ => (1, 1) };
        if (compare.Values.Count < least || compare.Values.Count > most)
        {
            throw OsaException.Invalid(path + ".values", "count", $"{WireName.Of(compare.Operator)} takes {(least == most ? $"{least}" : $"{least} to {most}")} values, not {compare.Values.Count}");
        }

        if (compare.Operator == QueryOperator.IsNull)
        {
            return column.IsList ? $"({column.Sql} is null or {column.Sql} in ('null'::jsonb, '[]'::jsonb))" : $"({column.Sql} is null)";
        }

        if (column.IsList)
        {
            return compare.Operator switch
            {
                QueryOperator.Equal or QueryOperator.In => Any(compare.Values, v => $"{column.Sql} @> {Value(JsonSerializer.Serialize(Scalar(v, path)))}::jsonb"),
                QueryOperator.NotEqual => $"(({column.Sql} @> {Value(JsonSerializer.Serialize(Scalar(compare.Values[0], path)))}::jsonb) is not true)",
                _ => throw OsaException.Invalid(path + ".op", "type", $"'{column.Name}' holds several values: it can be equal to one, in some, or null"),
            };
        }

        if (column.StoredAs == FeatureColumnType.Json)
        {
            throw OsaException.Invalid(path + ".op", "type", $"'{column.Name}' holds arrays or objects: it can only be null");
        }

        List<object> values = [.. compare.Values.Select((v, i) => Typed(column, v, $"{path}.values[{i}]"))];
        return compare.Operator switch
        {
            QueryOperator.Equal => Equal(column, values),
            QueryOperator.In => values.Count == 0 ? "false" : Equal(column, values),
            QueryOperator.NotEqual => $"(({Equal(column, values)}) is not true)",
            QueryOperator.Prefix => Prefix(column, values[0], path),
            QueryOperator.Less => Ordered(column, "<", values[0]),
            QueryOperator.LessOrEqual => Ordered(column, "<=", values[0]),
            QueryOperator.Greater => Ordered(column, ">", values[0]),
            QueryOperator.GreaterOrEqual => Ordered(column, ">=", values[0]),
            _ => throw OsaException.Invalid(path + ".op", "required", "is not an operator"),
        };
    }

    private string Equal(QueryColumn column, List<object> values)
    {
        if (column.MetadataField is { } field)
        {
            // As the index of metadata has it, and once more as the type has it.
            return Any(values, v => $"(r.metadata @> {Value(JsonSerializer.Serialize(new Dictionary<string, object> { [field] = v }))}::jsonb and {column.Sql} = {Value(v)})");
        }

        if (column.IsText)
        {
            string[] texts = [.. values.Cast<string>()];
            return texts is [{ } one]
                ? $"({column.Order("")} = {Value(Cut(one))} and {column.Sql} = {Value(one)})"
                : $"({column.Order("")} = any ({Value(texts.Select(Cut).ToArray())}) and {column.Sql} = any ({Value(texts)}))";
        }

        return values is [{ } single] ? $"({column.Sql} = {Value(single)})" : $"({column.Sql} = any ({Value(ArrayOf(values))}))";
    }

    // The second condition decides; the first is what the index knows, and follows from it.
    private string Ordered(QueryColumn column, string op, object value) => column.IsText
        ? $"({column.Order("")} {op[..1]}= {Value(Cut((string)value))} and {column.Sql} collate \"C\" {op} {Value(value)})"
        : $"({column.Sql} {op} {Value(value)})";

    private string Prefix(QueryColumn column, object value, string path) => !column.IsText
        ? throw OsaException.Invalid(path + ".op", "type", $"'{column.Name}' is no text: only texts have a prefix")
        : ((string)value).Length <= QueryColumn.IndexedLength ? $"({column.Order("")} ^@ {Value(value)})" : $"starts_with({column.Sql}, {Value(value)})";

    private static string Any(IEnumerable<object> values, Func<object, string> condition) => values.Any() ? $"({string.Join(" or ", values.Select(condition))})" : "false";

    private static string Cut(string text)
    {
        int characters = 0;
        for (int i = 0; i < text.Length; i++)
        {
            if (characters++ == QueryColumn.IndexedLength)
            {
                return text[..i];
            }

            if (char.IsHighSurrogate(text[i]))
            {
                i++;
            }
        }

        return text;
    }

    private static Array ArrayOf(List<object> values) => values[0] switch
    {
        long => values.Cast<long>().ToArray(),
        double => values.Cast<double>().ToArray(),
        bool => values.Cast<bool>().ToArray(),
        DateTime => values.Cast<DateTime>().ToArray(),
        DateOnly => values.Cast<DateOnly>().ToArray(),
        Guid => values.Cast<Guid>().ToArray(),
        _ => throw new InvalidOperationException($"no array of {values[0].GetType()}"),
    };

    private static object Scalar(object value, string path) => value switch
    {
        string text => Storable(text, path),
        long or bool => value,
        double number when double.IsFinite(number) => value,
        _ => throw OsaException.Invalid(path + ".values", "type", "is compared with a text, a number or a boolean"),
    };

    /// <summary>The value as the column's type has it.</summary>
    internal static object Typed(QueryColumn column, object value, string path) => (column.StoredAs, value) switch
    {
        (FeatureColumnType.Text, string text) => Storable(text, path),
        (FeatureColumnType.Bigint, long) or (FeatureColumnType.Boolean, bool) or (FeatureColumnType.Timestamp, DateTime) => value,
        (FeatureColumnType.Bigint, double number) when number == Math.Truncate(number) && Math.Abs(number) < 9e15 => (long)number,
        (FeatureColumnType.Double, double number) when double.IsFinite(number) => value,
        (FeatureColumnType.Double, long number) => (double)number,
        (FeatureColumnType.Date, string text) when DateOnly.TryParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture, DateTimeStyles.None, out DateOnly date) => date,
        (FeatureColumnType.Timestamp, string text) when DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset time) => time.UtcDateTime,
        (FeatureColumnType.Uuid, string text) when Guid.TryParseExact(text, "D", out Guid id) => id,
        _ => throw OsaException.Invalid(path, "type", $"'{column.Name}' is {column.StoredAs switch
        {
            FeatureColumnType.Text => "a text",
            FeatureColumnType.Bigint => "an integer",
            FeatureColumnType.Double => "a number",
            FeatureColumnType.Boolean => "true or false",
            FeatureColumnType.Timestamp => "an instant such as 2026-01-31T12:00:00Z",
            FeatureColumnType.Date => "a date such as 2026-01-31",
            _ => "a uuid",
        }}, and is compared with one"),
    };

    private static string Storable(string text, string path)
    {
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] == '\0' || (char.IsSurrogate(text[i]) && !(char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[++i]))))
            {
                throw OsaException.Invalid(path, "text", "holds NUL or half of a surrogate pair, which no stored text does");
            }
        }

        return text;
    }

    // Backslashes are only letters in PostgreSQL's standard strings, which no session here changes.
    private static string Quoted(string text) => "'" + text.Replace("'", "''", StringComparison.Ordinal) + "'";
}
