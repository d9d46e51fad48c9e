using System.Collections;
using System.Text;
using Npgsql;
using Osa.Domain.Features;

namespace Osa.Storage.Queries;

/// <summary>The values of one column of an answer, in the order of its rows.</summary>
/// <param name="expected">How many there will probably be.</param>
public sealed class ColumnValues(FeatureColumnType type, int expected)
{
    private readonly List<int> _nulls = [];

    /// <summary>The rows, counted from 0, that have no value; the type's default stands in <see cref="Values"/> for them.</summary>
    public IReadOnlyList<int> Nulls => _nulls;

    /// <summary>
    /// A <see cref="List{T}"/> of <see cref="string"/> (texts, and JSON in PostgreSQL's spelling), <see cref="long"/>, <see cref="double"/>,
    /// <see cref="bool"/>, <see cref="DateTime"/> (UTC), <see cref="DateOnly"/> or <see cref="Guid"/>.
    /// </summary>
    public IList Values { get; } = type switch
    {
        FeatureColumnType.Text or FeatureColumnType.Json => new List<string>(expected),
        FeatureColumnType.Bigint => new List<long>(expected),
        FeatureColumnType.Double => new List<double>(expected),
        FeatureColumnType.Boolean => new List<bool>(expected),
        FeatureColumnType.Timestamp => new List<DateTime>(expected),
        FeatureColumnType.Date => new List<DateOnly>(expected),
        FeatureColumnType.Uuid => new List<Guid>(expected),
        _ => throw new InvalidOperationException($"no values of {type}"),
    };

    /// <summary>Adds the value of the row where the reader stands.</summary>
    /// <returns>About how many bytes it takes on the wire.</returns>
    internal int Add(NpgsqlDataReader reader, int at)
    {
        bool isNull = reader.IsDBNull(at);
        if (isNull)
        {
            _nulls.Add(Values.Count);
        }

        switch (Values)
        {
            case List<string> texts:
                string text = isNull ? "" : reader.GetString(at);
                texts.Add(text);
                return 2 + Encoding.UTF8.GetByteCount(text);
            case List<long> integers:
                integers.Add(isNull ? 0 : reader.GetInt64(at));
                break;
            case List<double> numbers:
                numbers.Add(isNull ? 0 : reader.GetDouble(at));
                break;
            case List<bool> booleans:
                booleans.Add(!isNull && reader.GetBoolean(at));
                break;
            case List<DateTime> times:
                times.Add(isNull ? DateTime.UnixEpoch : reader.GetDateTime(at));
                break;
            case List<DateOnly> dates:
                dates.Add(isNull ? default : reader.GetFieldValue<DateOnly>(at));
                break;
            case List<Guid> ids:
                ids.Add(isNull ? default : reader.GetGuid(at));
                break;
        }

        return 16;
    }
}
