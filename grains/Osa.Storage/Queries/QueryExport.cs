using Npgsql;
using Osa.Domain.Access;
using Osa.Domain.Errors;
using Osa.Domain.Features;
using Osa.Storage.Events;
using Osa.Storage.Features;
using Parquet;
using Parquet.Schema;

namespace Osa.Storage.Queries;

public enum ExportFormat
{
    Csv,
    JsonLines,
    Parquet,
}

/// <summary>
/// Whole queries as files, in constant memory. CSV and JSON lines are written by PostgreSQL itself, whose bytes are passed on; a Parquet
/// file is written row group by row group.
/// </summary>
public sealed class QueryExport(QueryStore queries, EventLog events)
{
    private const int ChunkBytes = 256 << 10;
    private const int RowsOfGroup = 20_000;
    private const long BytesOfGroup = 8 << 20;

    /// <param name="write">Given the event position at which the file is true, and its bytes piece by piece; they are the caller's until it returns.</param>
    /// <exception cref="OsaException">InvalidArgument with the path of what is wrong; NotFound.</exception>
    public async Task WriteAsync(Caller caller, Query query, ExportFormat format, Func<long, ReadOnlyMemory<byte>, Task> write, CancellationToken cancellation)
    {
        (string sql, IReadOnlyList<QueryColumn> columns) = await queries.ExportAsync(caller, query, c => format == ExportFormat.Parquet ? c.Sql : c.Text, cancellation);
        await events.AtPositionAsync(
            async (snapshot, position) =>
            {
                Task WriteAt(ReadOnlyMemory<byte> bytes) => write(position, bytes);
                await (format switch
                {
                    ExportFormat.Csv => CopyAsync(snapshot, $"copy ({sql}) to stdout with (format csv, header)", WriteAt, cancellation),
                    // CSV whose quote and delimiter no JSON holds: the text as it is, while COPY's own format would double every backslash.
                    ExportFormat.JsonLines => CopyAsync(snapshot, $@"copy (select row_to_json(row)::text from ({sql}) row) to stdout with (format csv, quote e'\x01', delimiter e'\x02')", WriteAt, cancellation),
                    _ => ParquetAsync(snapshot, sql, columns, WriteAt, cancellation),
                });
                return true;
            },
            cancellation);
    }

    private static async Task CopyAsync(NpgsqlConnection connection, string copy, Func<ReadOnlyMemory<byte>, Task> write, CancellationToken cancellation)
    {
        // Its bytes as they come: what they spell is PostgreSQL's to say, in UTF-8.
        using var text = (StreamReader)await connection.BeginTextExportAsync(copy, cancellation);
        Stream rows = text.BaseStream;
        byte[] buffer = new byte[ChunkBytes];
        int read;
        while ((read = await rows.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellation)) > 0)
        {
            await write(buffer.AsMemory(0, read));
        }
    }

    private static async Task ParquetAsync(NpgsqlConnection connection, string sql, IReadOnlyList<QueryColumn> columns, Func<ReadOnlyMemory<byte>, Task> write, CancellationToken cancellation)
    {
        DataField[] fields = [.. columns.Select(Field)];
        using var pending = new DrainedStream();
        await using (ParquetWriter writer = await ParquetWriter.CreateAsync(new ParquetSchema(fields), pending, cancellationToken: cancellation))
        {
            await using NpgsqlCommand command = connection.Command(sql);
            await using NpgsqlDataReader reader = await command.ExecuteReaderAsync(cancellation);
            var group = new List<object?[]>(RowsOfGroup);
            long bytes = 0;
            bool more = true;
            while (more)
            {
                more = await reader.ReadAsync(cancellation);
                if (more)
                {
                    object?[] row = [.. columns.Select((c, i) => StoredValue.Read(reader, i, c.StoredAs))];
                    group.Add(row);
                    bytes += row.Sum(StoredValue.Size);
                }

                if (group.Count > 0 && (!more || group.Count == RowsOfGroup || bytes > BytesOfGroup))
                {
                    using (ParquetRowGroupWriter rows = writer.CreateRowGroup())
                    {
                        for (int i = 0; i < fields.Length; i++)
                        {
                            await WriteAsync(rows, fields[i], group, i, columns[i], cancellation);
                        }
                    }

                    group.Clear();
                    bytes = 0;
                    await pending.DrainAsync(write);
                }
            }
        }

        await pending.DrainAsync(write);
    }

    private static DataField Field(QueryColumn column) => column.StoredAs switch
    {
        FeatureColumnType.Bigint => new DataField<long?>(column.Name),
        FeatureColumnType.Double => new DataField<double?>(column.Name),
        FeatureColumnType.Boolean => new DataField<bool?>(column.Name),
        FeatureColumnType.Timestamp => new DateTimeDataField(column.Name, DateTimeFormat.Timestamp, isAdjustedToUTC: true, unit: DateTimeTimeUnit.Micros, isNullable: true),
        FeatureColumnType.Date => new DataField<DateOnly?>(column.Name),
        _ => new DataField<string>(column.Name),
    };

    private static Task WriteAsync(ParquetRowGroupWriter group, DataField field, List<object?[]> rows, int at, QueryColumn column, CancellationToken cancellation)
    {
        Task Typed<T>()
            where T : struct => group.WriteAsync<T>(field, rows.Select(r => (T?)r[at]).ToArray().AsMemory(), cancellationToken: cancellation);
        return column.StoredAs switch
        {
            FeatureColumnType.Bigint => Typed<long>(),
            FeatureColumnType.Double => Typed<double>(),
            FeatureColumnType.Boolean => Typed<bool>(),
            FeatureColumnType.Timestamp => Typed<DateTime>(),
            FeatureColumnType.Date => Typed<DateOnly>(),
            _ => group.WriteAsync(field, rows.ConvertAll(r => r[at] switch { null => null!, JsonText json => json.Json, Guid id => id.ToString("D"), var text => (string)text })),
        };
    }

    /// <summary>Holds what was written until it is taken out, and counts on.</summary>
    private sealed class DrainedStream : Stream
    {
        private readonly MemoryStream _held = new();
        private long _taken;

        public override bool CanRead => false;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => Position;

        public override long Position
        {
            get => _taken + _held.Length;
            set => throw new NotSupportedException();
        }

        public async Task DrainAsync(Func<ReadOnlyMemory<byte>, Task> write)
        {
            for (int at = 0; at < _held.Length; at += ChunkBytes)
            {
                await write(_held.GetBuffer().AsMemory(at, (int)Math.Min(ChunkBytes, _held.Length - at)));
            }

            _taken += _held.Length;
            _held.SetLength(0);
        }

        public override void Write(byte[] buffer, int offset, int count) => _held.Write(buffer, offset, count);

        public override void Write(ReadOnlySpan<byte> buffer) => _held.Write(buffer);

        public override void Flush()
        {
        }

        public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        protected override void Dispose(bool disposing)
        {
            if (disposing)
            {
                _held.Dispose();
            }

            base.Dispose(disposing);
        }
    }
}
