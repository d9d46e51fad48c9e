using System.Text.Json;
using Grpc.Core;
using Osa.Client.Features;
using Osa.V1;

namespace Osa.Client.Queries;

/// <summary>The rows of an answer that came as columns.</summary>
internal static class AnswerRows
{
    /// <exception cref="OsaClientException">DataLoss: the values are not as the columns say.</exception>
    public static IReadOnlyList<TypedRow> Of(IReadOnlyList<Column> columns, IReadOnlyList<ColumnValues> values)
    {
        if (values.Count != columns.Count)
        {
            throw new OsaClientException(StatusCode.DataLoss, $"values of {values.Count} columns where there are {columns.Count}");
        }

        object?[][] rows = [];
        for (var at = 0; at < columns.Count; at++)
        {
            var count = Count(columns[at], values[at]);
            if (at == 0)
            {
                rows = [.. Enumerable.Range(0, count).Select(_ => new object?[columns.Count])];
            }

            if (count != rows.Length)
            {
                throw new OsaClientException(StatusCode.DataLoss, $"column {columns[at].Name}: {count} values in {rows.Length} rows");
            }

            Fill(rows, at, columns[at], values[at]);
        }

        return [.. rows.Select(row => new TypedRow(columns, row))];
    }

    private static int Count(Column column, ColumnValues values) => column.Type switch
    {
        "integer" => values.Integers.Count,
        "number" => values.Numbers.Count,
        "boolean" => values.Booleans.Count,
        "string" when column.Format == "date-time" => values.DateTimes.Count,
        _ => values.Texts.Count,
    };

    private static void Fill(object?[][] rows, int at, Column column, ColumnValues values)
    {
        var nulls = values.Nulls.Count == 0 ? null : values.Nulls.ToHashSet();
        var value = Reader(column, values);
        try
        {
            for (var row = 0; row < rows.Length; row++)
            {
                rows[row][at] = nulls is not null && nulls.Contains((uint)row) ? null : value(row);
            }
        }
        catch (Exception error) when (error is FormatException or JsonException or ArgumentOutOfRangeException or OverflowException)
        {
            throw new OsaClientException(StatusCode.DataLoss, $"column {column.Name}: {error.Message}", null, error);
        }
    }

    private static Func<int, object?> Reader(Column column, ColumnValues values) => column.Type switch
    {
        "integer" => row => values.Integers[row],
        "number" => row => values.Numbers[row],
        "boolean" => row => values.Booleans[row],
        "string" when column.Format == "date-time" => row => DateTimeOffset.UnixEpoch.AddTicks(checked(values.DateTimes[row] * TimeSpan.TicksPerMicrosecond)),
        _ => row => TypedRow.OfText(column, values.Texts[row]),
    };
}
