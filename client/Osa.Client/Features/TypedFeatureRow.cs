using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Grpc.Core;
using Osa.V1;

namespace Osa.Client.Features;

/// <summary>One row of a feature table.</summary>
/// <param name="Columns">The declared columns, in the order of <paramref name="Values"/>; system columns left out.</param>
/// <param name="Values">
/// By the column's type: <see cref="string"/>, <see cref="long"/>, <see cref="double"/>, <see cref="bool"/>, <see cref="DateTimeOffset"/>,
/// <see cref="DateOnly"/>, <see cref="Guid"/>, <see cref="JsonNode"/> (arrays and objects) or null.
/// </param>
public sealed record TypedFeatureRow(
    string RecordSrn, string RunId, DateTimeOffset CreatedAt, IReadOnlyList<Column> Columns, IReadOnlyList<object?> Values)
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

    internal static TypedFeatureRow From(IReadOnlyList<Column> columns, FeatureRow row)
    {
        if (row.Values.Count != columns.Count)
        {
            throw new OsaClientException(StatusCode.DataLoss, $"a row of {row.Values.Count} values for {columns.Count} columns");
        }

        var values = columns.Zip(row.Values, Typed).ToArray();
        return new TypedFeatureRow(row.RecordSrn, row.RunId, row.CreatedAt?.ToDateTimeOffset() ?? default, columns, values);
    }

    private static object? Typed(Column column, FeatureValue value)
    {
        try
        {
            return value.KindCase switch
            {
                FeatureValue.KindOneofCase.None => null,
                FeatureValue.KindOneofCase.Text when column.Format == "date" =>
                    DateOnly.ParseExact(value.Text, "yyyy-MM-dd", CultureInfo.InvariantCulture),
                FeatureValue.KindOneofCase.Text when column.Format == "uuid" => Guid.ParseExact(value.Text, "D"),
                FeatureValue.KindOneofCase.Text => value.Text,
                FeatureValue.KindOneofCase.Integer => value.Integer,
                FeatureValue.KindOneofCase.Number => value.Number,
                FeatureValue.KindOneofCase.Boolean => value.Boolean,
                FeatureValue.KindOneofCase.DateTime =>
                    DateTimeOffset.Parse(value.DateTime, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal),
                FeatureValue.KindOneofCase.Json => JsonNode.Parse(value.Json),
                _ => throw new FormatException($"unknown kind {value.KindCase}"),
            };
        }
        catch (Exception error) when (error is FormatException or JsonException)
        {
            throw new OsaClientException(StatusCode.DataLoss, $"column {column.Name}: {error.Message}", null, error);
        }
    }
}
