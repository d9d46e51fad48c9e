using System.Buffers.Binary;
using System.Text;
using Osa.Domain.Errors;
using Osa.Domain.Features;
using Osa.Domain.Hooks;
using Osa.Storage.Files;

namespace Osa.Storage.Features;

/// <summary>The rows that a publication would add, read from the checked output that waits for it.</summary>
public sealed class FeaturePreview(BlobStore blobs)
{
    private static readonly DateTime Epoch = new(2000, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    /// <summary>Rows of one deposition from <paramref name="cursor"/> on, numbered from 1: no record's yet, and without a time.</summary>
    /// <param name="pageSize">1 to 5,000; 0 means 500. A page of large values may hold fewer rows.</param>
    /// <exception cref="OsaException">InvalidArgument: page size or cursor. NotFound: the output is gone, as it is a day after its run ended.</exception>
    public async Task<FeatureRowPage> PageAsync(
        HookManifest manifest, Guid runId, (Guid Blob, long Offset, long Length)? output, int pageSize, string cursor, CancellationToken cancellation)
    {
        int wanted = Cursor.PageSize(pageSize, FeatureRows.DefaultPageSize, FeatureRows.MaxPageSize);
        long skip = Cursor.DecodeLong(cursor) ?? 0;
        var rows = new List<FeatureRow>();
        List<FeatureColumn> columns = [.. manifest.Columns.Select(FeatureColumn.Of)];
        if (output is not { } at)
        {
            return new FeatureRowPage(columns, rows, null);
        }

        using var segments = new BlobSegments(blobs);
        using CanonicalFeatureReader reader = await CanonicalFeatureReader.OpenAsync(segments.Open(at.Blob, at.Offset, at.Length), cancellation);
        long bytes = 0;
        do
        {
            while (reader.TryRead(out ReadOnlySpan<byte> row))
            {
                if (reader.Rows <= skip)
                {
                    continue;
                }

                if (rows.Count == wanted || bytes > FeatureRows.MaxPageBytes)
                {
                    return new FeatureRowPage(columns, rows, Cursor.Encode((skip + rows.Count).ToString()));
                }

                bytes += row.Length;
                rows.Add(new FeatureRow(reader.Rows, "", runId, default, Values(row, reader.Columns)));
            }
        }
        while (await reader.FillAsync(cancellation));
        return new FeatureRowPage(columns, rows, null);
    }

    private static object?[] Values(ReadOnlySpan<byte> row, IReadOnlyList<CanonicalColumn> columns)
    {
        var values = new object?[columns.Count];
        for (int i = 0; i < values.Length; i++)
        {
            int length = BinaryPrimitives.ReadInt32BigEndian(row);
            row = row[4..];
            if (length >= 0)
            {
                values[i] = Value(row[..length], columns[i].Type);
                row = row[length..];
            }
        }

        return values;
    }

    private static object Value(ReadOnlySpan<byte> field, FeatureColumnType type) => type switch
    {
        FeatureColumnType.Text => Encoding.UTF8.GetString(field),
        FeatureColumnType.Timestamp => Epoch.AddTicks(BinaryPrimitives.ReadInt64BigEndian(field) * TimeSpan.TicksPerMicrosecond),
        FeatureColumnType.Date => DateOnly.FromDateTime(Epoch).AddDays(BinaryPrimitives.ReadInt32BigEndian(field)),
        FeatureColumnType.Uuid => new Guid(field, bigEndian: true),
        FeatureColumnType.Double => BinaryPrimitives.ReadDoubleBigEndian(field),
        FeatureColumnType.Bigint => BinaryPrimitives.ReadInt64BigEndian(field),
        FeatureColumnType.Boolean => field[0] != 0,
        FeatureColumnType.Json => new JsonText(Encoding.UTF8.GetString(field[1..])),
        _ => throw new InvalidOperationException($"no reader for {type}"),
    };
}
