using System.Text;
using Npgsql;
using Osa.Domain.Features;

namespace Osa.Storage.Features;

/// <summary>A typed value as a column of a query has it.</summary>
internal static class StoredValue
{
    /// <summary>
    /// Null, <see cref="string"/>, <see cref="long"/>, <see cref="double"/>, <see cref="bool"/>, <see cref="DateTime"/> (UTC),
    /// <see cref="DateOnly"/>, <see cref="Guid"/> or <see cref="JsonText"/>.
    /// </summary>
    public static object? Read(NpgsqlDataReader reader, int at, FeatureColumnType type) => reader.IsDBNull(at) ? null : type switch
    {
        FeatureColumnType.Text => reader.GetString(at),
        FeatureColumnType.Timestamp => reader.GetDateTime(at),
        FeatureColumnType.Date => reader.GetFieldValue<DateOnly>(at),
        FeatureColumnType.Uuid => reader.GetGuid(at),
        FeatureColumnType.Double => reader.GetDouble(at),
        FeatureColumnType.Bigint => reader.GetInt64(at),
        FeatureColumnType.Boolean => reader.GetBoolean(at),
        FeatureColumnType.Json => new JsonText(reader.GetString(at)),
        _ => throw new InvalidOperationException($"no reader for {type}"),
    };

    /// <summary>About how many bytes it takes on the wire.</summary>
    public static int Size(object? value) => value switch
    {
        string text => Encoding.UTF8.GetByteCount(text),
        JsonText text => Encoding.UTF8.GetByteCount(text.Json),
        _ => 16,
    };
}
