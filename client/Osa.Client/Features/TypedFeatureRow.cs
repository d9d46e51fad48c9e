using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Grpc.Core;
using Osa.V1;

namespace Osa.Client.Features;

/// <summary>One row of an answer.</summary>
/// <param name="Columns">In the order of <paramref name="Values"/>.</param>
/// <param name="Values">
/// By the column's type: <see cref="string"/>, <see cref="long"/>, <see cref="double"/>, <see cref="bool"/>, <see cref="DateTimeOffset"/>,
/// <see cref="DateOnly"/>, <see cref="Guid"/>, <see cref="JsonNode"/> (arrays and objects) or null.
/// </param>
public record TypedRow(IReadOnlyList<Column> Columns, IReadOnlyList<object?> Values)
{
    /// <summary>The value of a column.</summary>
    /// <exception cref="KeyNotFoundException">The table has no such column.</exception>
    public object? this[string column]
    {
        get
        {
            for (var i = 0; i < Columns.Count; i++)
            {
                if (Columns[i].Name == column)
                {
                    return Values[i];
                }
            }

            throw new KeyNotFoundException($"there is no column '{column}': {string.Join(", ", Columns.Select(static c => c.Name))}");
        }
    }

    private protected static object?[] Typed(IReadOnlyList<Column> columns, IReadOnlyList<FeatureValue> values)
    {
        if (values.Count != columns.Count)
        {
            throw new OsaClientException(StatusCode.DataLoss, $"a row of {values.Count} values for {columns.Count} columns");
        }

        var typed = new object?[columns.Count];
        for (var i = 0; i < typed.Length; i++)
        {
            typed[i] = Typed(columns[i], values[i]);
        }

        return typed;
    }

    private static object? Typed(Column column, FeatureValue value)
    {
        try
        {
            return value.KindCase switch
            {
                FeatureValue.KindOneofCase.None => null,
                FeatureValue.KindOneofCase.Text => OfText(column, value.Text),
                FeatureValue.KindOneofCase.Integer => value.Integer,
                FeatureValue.KindOneofCase.Number => value.Number,
                FeatureValue.KindOneofCase.Boolean => value.Boolean,
                FeatureValue.KindOneofCase.DateTime =>
                    DateTimeOffset.Parse(value.DateTime, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal),
                FeatureValue.KindOneofCase.Json => OfText(column, value.Json),
                _ => throw new FormatException($"unknown kind {value.KindCase}"),
            };
        }
        catch (Exception error) when (error is FormatException or JsonException)
        {
            throw new OsaClientException(StatusCode.DataLoss, $"column {column.Name}: {error.Message}", null, error);
        }
    }

    /// <exception cref="FormatException">Not as the column's format has it.</exception>
    /// <exception cref="JsonException">No JSON where the column has arrays or objects.</exception>
    internal static object? OfText(Column column, string text) => (column.Type, column.Format) switch
    {
        ("array" or "object", _) => JsonNode.Parse(text),
        (_, "date") => DateOnly.ParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture),
        (_, "uuid") => Guid.ParseExact(text, "D"),
        _ => text,
    };
}

/// <summary>One row of a feature table.</summary>
/// <param name="Columns">The declared columns; system columns left out.</param>
public sealed record TypedFeatureRow(
    string RecordSrn, string RunId, DateTimeOffset CreatedAt, IReadOnlyList<Column> Columns, IReadOnlyList<object?> Values) : TypedRow(Columns, Values)
{
    internal static TypedFeatureRow From(IReadOnlyList<Column> columns, FeatureRow row) =>
        new(row.RecordSrn, row.RunId, row.CreatedAt?.ToDateTimeOffset() ?? default, columns, Typed(columns, row.Values));
}
