using Npgsql;
using Osa.Domain.Access;
using Osa.Domain.Errors;
using Osa.Domain.Features;
using Osa.Storage.Records;
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
public sealed class FeatureRows(Database database)
{
    public const int DefaultPageSize = 500;
    public const int MaxPageSize = 5_000;

    /// <summary>A page ends early once its values take this many bytes.</summary>
    public const int MaxPageBytes = 2 << 20;

    // Rows are asked for in growing portions, so that a page of huge values does not fetch what it will not keep.
    private const int FirstPortion = 50;

    /// <summary>Rows after <paramref name="cursor"/>, of all current records or of one version, as far as the caller may see them.</summary>
    /// <param name="pageSize">1 to 5,000; 0 means 500. A page of large values may hold fewer rows.</param>
    /// <exception cref="OsaException">InvalidArgument: page size or cursor.</exception>
    public Task<FeatureRowPage> PageAsync(Caller caller, FeatureTable table, string? recordSrn, int pageSize, string cursor, CancellationToken cancellationToken)
    {
        int wanted = Cursor.PageSize(pageSize, DefaultPageSize, MaxPageSize);
        long after = Cursor.DecodeLong(cursor) ?? 0;
        return database.Query(c => PageAsync(c, caller, table, recordSrn, wanted, after, cancellationToken), cancellationToken);
    }

    private static async Task<FeatureRowPage> PageAsync(
        NpgsqlConnection connection, Caller caller, FeatureTable table, string? recordSrn, int wanted, long after, CancellationToken cancellationToken)
    {
        var rows = new List<FeatureRow>();
        long bytes = 0;
        bool more = true;
        while (more && rows.Count < wanted && bytes < MaxPageBytes)
        {
            int portion = rows.Count == 0 ? FirstPortion : (int)Math.Max(1, (MaxPageBytes - bytes) / Math.Max(1, bytes / rows.Count));
            portion = Math.Min(portion, wanted - rows.Count);
            int before = rows.Count;
            // One row further than kept tells whether there are more.
            await using NpgsqlCommand command = Select(connection, caller, table, recordSrn, after, portion + 1);
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

        return new FeatureRowPage(table.Columns, rows, more ? Cursor.Encode(after.ToString()) : null);
    }

    private static NpgsqlCommand Select(NpgsqlConnection connection, Caller caller, FeatureTable table, string? recordSrn, long after, int limit)
    {
        string declared = string.Concat(table.Columns.Select(c => ", " + Quote(c.Name)));
        string sql = $"""
            select id, record_srn, run_id, created_at{declared}
            from {FeatureTable(table.PgTable)} f
            where id > $1{(recordSrn is null ? "" : " and record_srn = $4")}
              and {RecordVisibility.Shows("f.record_srn", oldVersions: recordSrn is not null, RecordVisibility.SeesAll(caller), "$3")}
            order by id
            limit $2
            """;
        return recordSrn is null ? connection.Command(sql, after, limit, caller.UserId) : connection.Command(sql, after, limit, caller.UserId, recordSrn);
    }

    private static FeatureRow Read(NpgsqlDataReader reader, FeatureTable table, out long bytes)
    {
        const int FirstDeclared = 4;
        bytes = 100;
        var values = new object?[table.Columns.Count];
        for (int i = 0; i < values.Length; i++)
        {
            values[i] = StoredValue.Read(reader, FirstDeclared + i, table.Columns[i].StoredAs);
            bytes += StoredValue.Size(values[i]);
        }

        return new FeatureRow(reader.GetInt64(0), reader.GetString(1), reader.GetGuid(2), reader.GetDateTime(3), values);
    }
}
