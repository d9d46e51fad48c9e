using System.Buffers.Binary;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Npgsql;
using Osa.Domain.Errors;
using Osa.Domain.Features;
using static Osa.Storage.Features.SqlIdentifier;

namespace Osa.Storage.Features;

/// <summary>One published feature row.</summary>
/// <param name="Values">
/// In the order of <see cref="FeatureRowPage.Columns"/>: null, <see cref="string"/>, <see cref="long"/>, <see cref="double"/>, <see cref="bool"/>,
/// <see cref="DateTime"/> (UTC), <see cref="DateOnly"/>, <see cref="Guid"/> or <see cref="JsonText"/>.
/// </param>
public sealed record FeatureRow(long Id, string RecordSrn, Guid RunId, DateTime CreatedAt, IReadOnlyList<object?> Values);

/// <summary>An array or object as JSON, in PostgreSQL's spelling.</summary>
public sealed record JsonText(string Json);

/// <summary>A page of rows in the order they were published.</summary>
/// <param name="Columns">Every column of the table, also those no longer declared.</param>
/// <param name="NextCursor">Where the next page begins; null on the last.</param>
public sealed record FeatureRowPage(IReadOnlyList<FeatureColumn> Columns, IReadOnlyList<FeatureRow> Rows, string? NextCursor);

/// <summary>Reads feature tables, page by page.</summary>
public sealed class FeatureRows(NpgsqlDataSource dataSource)
{
    public const int DefaultPageSize = 500;
    public const int MaxPageSize = 5_000;

    /// <summary>A page ends early once its values take this many bytes.</summary>
    public const int MaxPageBytes = 2 << 20;

    // Rows are asked for in growing portions, so that a page of huge values does not fetch what it will not keep.
    private const int FirstPortion = 50;

    private const int CursorBytes = 1 + 8 + 8;
    private const byte CursorVersion = 1;

    /// <summary>Rows after <paramref name="cursor"/>, of all records or of one.</summary>
    /// <param name="pageSize">1 to 5,000; 0 means 500. A page of large values may hold fewer rows.</param>
    /// <exception cref="OsaException">InvalidArgument: page size or cursor.</exception>
    public async Task<FeatureRowPage> PageAsync(
        FeatureTable table, string? recordSrn, int pageSize, string? cursor, CancellationToken cancellationToken)
    {
        if (pageSize is < 0 or > MaxPageSize)
            throw OsaException.Invalid("page_size", "range", $"{pageSize} is not a page size: 1 to {MaxPageSize}, or 0 for {DefaultPageSize}");
        int wanted = pageSize == 0 ? DefaultPageSize : pageSize;
        long after = string.IsNullOrEmpty(cursor) ? 0 : ParseCursor(cursor, table, recordSrn);

        await using NpgsqlConnection connection = await dataSource.OpenConnectionAsync(cancellationToken);
        var rows = new List<FeatureRow>();
        long bytes = 0;
        bool more = true;
        while (more && rows.Count < wanted && bytes < MaxPageBytes)
        {
            int portion = rows.Count == 0 ? FirstPortion : (int)Math.Max(1, (MaxPageBytes - bytes) / Math.Max(1, bytes / rows.Count));
            portion = Math.Min(portion, wanted - rows.Count);
            int before = rows.Count;
            // One row further than kept tells whether there are more.
            await using NpgsqlCommand command = Select(connection, table, recordSrn, after, portion + 1);
            await using NpgsqlDataReader reader = await command.ExecuteReaderAsync(cancellationToken);
            more = false;
            while (!more && await reader.ReadAsync(cancellationToken))
            {
                more = rows.Count - before == portion || bytes >= MaxPageBytes;
                if (!more)
                {
                    rows.Add(Read(reader, table, out long size));
                    bytes += size;
                    after = rows[^1].Id;
                }
            }
        }

        return new FeatureRowPage(table.Columns, rows, more ? MakeCursor(after, table, recordSrn) : null);
    }

    private static NpgsqlCommand Select(NpgsqlConnection connection, FeatureTable table, string? recordSrn, long after, int limit)
    {
        string declared = string.Concat(table.Columns.Select(c => ", " + Quote(c.Name)));
        var command = new NpgsqlCommand(
            $"""
            select id, record_srn, run_id, created_at{declared}
            from {FeatureTable(table.PgTable)}
            where id > $1{(recordSrn is null ? "" : " and record_srn = $3")}
            order by id
            limit $2
            """,
            connection);
        command.Parameters.Add(new NpgsqlParameter<long> { TypedValue = after });
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = limit });
        if (recordSrn is not null)
            command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = recordSrn });
        return command;
    }

    private static FeatureRow Read(NpgsqlDataReader reader, FeatureTable table, out long bytes)
    {
        const int FirstDeclared = 4;
        bytes = 100;
        var values = new object?[table.Columns.Count];
        for (int i = 0; i < values.Length; i++)
        {
            int at = FirstDeclared + i;
            values[i] = reader.IsDBNull(at) ? null : table.Columns[i].StoredAs switch
            {
                FeatureColumnType.Text => reader.GetString(at),
                FeatureColumnType.Timestamp => reader.GetDateTime(at),
                FeatureColumnType.Date => reader.GetFieldValue<DateOnly>(at),
                FeatureColumnType.Uuid => reader.GetGuid(at),
                FeatureColumnType.Double => reader.GetDouble(at),
                FeatureColumnType.Bigint => reader.GetInt64(at),
                FeatureColumnType.Boolean => reader.GetBoolean(at),
                FeatureColumnType.Json => new JsonText(reader.GetString(at)),
                FeatureColumnType type => throw new InvalidOperationException($"no reader for {type}"),
            };
            bytes += values[i] switch
            {
                string text => Encoding.UTF8.GetByteCount(text),
                JsonText text => Encoding.UTF8.GetByteCount(text.Json),
                _ => 16,
            };
        }

        return new FeatureRow(reader.GetInt64(0), reader.GetString(1), reader.GetGuid(2), reader.GetDateTime(3), values);
    }

    private static string MakeCursor(long after, FeatureTable table, string? recordSrn)
    {
        Span<byte> cursor = stackalloc byte[CursorBytes];
        cursor[0] = CursorVersion;
        BinaryPrimitives.WriteInt64BigEndian(cursor[1..], after);
        QueryHash(table, recordSrn).AsSpan(0, 8).CopyTo(cursor[9..]);
        return Base64Url.EncodeToString(cursor);
    }

    private static long ParseCursor(string cursor, FeatureTable table, string? recordSrn)
    {
        Span<byte> bytes = stackalloc byte[CursorBytes];
        if (cursor.Length > 64
            || !Base64Url.IsValid(cursor, out int length) || length != CursorBytes
            || !Base64Url.TryDecodeFromChars(cursor, bytes, out int written) || written != CursorBytes
            || bytes[0] != CursorVersion)
        {
            throw OsaException.Invalid("cursor", "cursor", "not a cursor of this list; leave it empty to begin at the first page");
        }

        if (!bytes[9..].SequenceEqual(QueryHash(table, recordSrn).AsSpan(0, 8)))
            throw OsaException.Invalid("cursor", "cursor", "the cursor belongs to another table or record; leave it empty to begin at the first page");
        long after = BinaryPrimitives.ReadInt64BigEndian(bytes[1..]);
        return after >= 0 ? after : throw OsaException.Invalid("cursor", "cursor", "not a cursor of this list; leave it empty to begin at the first page");
    }

    // Ties a cursor to its query; a mistake is noticed, nothing secret is protected.
    private static byte[] QueryHash(FeatureTable table, string? recordSrn) =>
        SHA256.HashData(Encoding.UTF8.GetBytes($"{table.Name}\n{recordSrn}"));
}
