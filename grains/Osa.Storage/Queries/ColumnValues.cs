using System.Collections;
using System.Text;
using Npgsql;
using Osa.Domain.Features;

namespace Osa.Storage.Queries;

/// <summary>The values of one column of an answer, in the order of its rows.</summary>
public abstract class ColumnValues
{
    private const int LargestOfFixedSize = 16;

    private readonly List<int> _nulls = [];

    private ColumnValues()
    {
    }

    /// <summary>The rows, counted from 0, that have no value; the type's default, or an empty text, stands in <see cref="Values"/> for them.</summary>
    public IReadOnlyList<int> Nulls => _nulls;

    /// <summary>
    /// A <see cref="List{T}"/> of <see cref="string"/> (texts, and JSON in PostgreSQL's spelling), <see cref="long"/>, <see cref="double"/>,
    /// <see cref="bool"/>, <see cref="DateTime"/> (UTC), <see cref="DateOnly"/> or <see cref="Guid"/>.
    /// </summary>
    public abstract IList Values { get; }

    /// <param name="expected">How many values there will probably be.</param>
    internal static ColumnValues Of(FeatureColumnType type, int expected) => type switch
    {
        FeatureColumnType.Text or FeatureColumnType.Json => new Typed<string>("", expected),
        FeatureColumnType.Bigint => new Typed<long>(0, expected),
        FeatureColumnType.Double => new Typed<double>(0, expected),
        FeatureColumnType.Boolean => new Typed<bool>(false, expected),
        FeatureColumnType.Timestamp => new Typed<DateTime>(DateTime.UnixEpoch, expected),
        FeatureColumnType.Date => new Typed<DateOnly>(default, expected),
        FeatureColumnType.Uuid => new Typed<Guid>(default, expected),
        _ => throw new InvalidOperationException($"no values of {type}"),
    };

    /// <summary>Adds the value of the row where the reader stands.</summary>
    /// <returns>About how many bytes it takes on the wire.</returns>
    internal abstract int Add(NpgsqlDataReader reader, int at);

    private sealed class Typed<T>(T forNull, int expected) : ColumnValues
    {
        private readonly List<T> _values = new(expected);

        public override IList Values => _values;

        internal override int Add(NpgsqlDataReader reader, int at)
        {
            if (reader.IsDBNull(at))
            {
                _nulls.Add(_values.Count);
                _values.Add(forNull);
                return LargestOfFixedSize;
            }

            T value = reader.GetFieldValue<T>(at);
            _values.Add(value);
            return value is string text ? 2 + Encoding.UTF8.GetByteCount(text) : LargestOfFixedSize;
        }
    }
}
