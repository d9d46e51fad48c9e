using System.Buffers.Text;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Osa.Domain.Access;
using Osa.Domain.Errors;
using Osa.Domain.Features;

namespace Osa.Storage.Queries;

/// <summary>Where a page ended: the phase, the values of its last row's sort keys, and its place of publication.</summary>
/// <param name="Keys">Typed as their columns; null for none.</param>
internal sealed record QueryCursor(int Phase, IReadOnlyList<object?> Keys, long Id)
{
    private const int LongestText = 1 << 16;

    /// <summary>What binds a cursor to its query.</summary>
    public static string Bind(Query query, Role role) =>
        Convert.ToHexString(SHA256.HashData(JsonSerializer.SerializeToUtf8Bytes(new { query.Source, Filter = Describe(query.Filter), query.Sort, Role = role.ToString() })), 0, 8);

    public string Encode(string binding) => Base64Url.EncodeToString(JsonSerializer.SerializeToUtf8Bytes(
        new Text(binding, Phase, [.. Keys.Select(k => k switch
        {
            null => null,
            double number => number.ToString("R", CultureInfo.InvariantCulture),
            DateTime time => time.ToString("O", CultureInfo.InvariantCulture),
            DateOnly date => date.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture),
            _ => Convert.ToString(k, CultureInfo.InvariantCulture),
        })], Id)));

    /// <exception cref="OsaException">InvalidArgument: not a cursor of this query.</exception>
    public static QueryCursor Decode(string cursor, string binding, IReadOnlyList<QueryColumn> keys, int phases)
    {
        try
        {
            if (cursor.Length <= LongestText && Base64Url.IsValid(cursor)
                && JsonSerializer.Deserialize<Text>(Base64Url.DecodeFromChars(cursor)) is { K: { } values } text && text.B == binding && values.Length == keys.Count && text.P >= 0 && text.P < phases)
            {
                return new QueryCursor(text.P, [.. values.Select((v, i) => v is null ? null : Parse(v, keys[i].StoredAs))], text.I);
            }
        }
        catch (Exception e) when (e is JsonException or FormatException or DecoderFallbackException)
        {
            // Said below.
        }

        throw OsaException.Invalid("cursor", "cursor", "is not one that this query gave: use next_cursor of the page before with the same source, filter and sort, or leave it empty");
    }

    private static object Parse(string text, FeatureColumnType type) => type switch
    {
        FeatureColumnType.Bigint => long.Parse(text, CultureInfo.InvariantCulture),
        FeatureColumnType.Double => double.Parse(text, CultureInfo.InvariantCulture),
        FeatureColumnType.Boolean => bool.Parse(text),
        FeatureColumnType.Timestamp => DateTime.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.RoundtripKind),
        FeatureColumnType.Date => DateOnly.ParseExact(text, "yyyy-MM-dd", CultureInfo.InvariantCulture),
        FeatureColumnType.Uuid => Guid.Parse(text),
        _ => text,
    };

    private static string Describe(QueryFilter? filter) => filter switch
    {
        null => "",
        QueryFilter.All all => $"all({string.Join(',', all.Filters.Select(Describe))})",
        QueryFilter.Any any => $"any({string.Join(',', any.Filters.Select(Describe))})",
        QueryFilter.Not not => $"not({Describe(not.Filter)})",
        QueryFilter.Compare c => JsonSerializer.Serialize(new { c.Column, c.Operator, Values = c.Values.Select(v => v.GetType().Name + ":" + Convert.ToString(v, CultureInfo.InvariantCulture)) }),
        _ => throw new InvalidOperationException($"a filter of type {filter.GetType()}"),
    };

    private sealed record Text(string B, int P, string?[] K, long I);
}
