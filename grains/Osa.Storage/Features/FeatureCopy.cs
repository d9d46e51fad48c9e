using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Npgsql;
using Osa.Domain.Features;
using static Osa.Storage.Features.SqlIdentifier;

namespace Osa.Storage.Features;

/// <summary>The checked rows of one record, ready to be published.</summary>
/// <param name="Canonical">Positioned at a canonical file (<see cref="CanonicalFeatures"/>); the copy disposes it.</param>
public sealed record PublishedFeatures(string RecordSrn, Guid RunId, Stream Canonical);

/// <summary>Publishes feature rows by binary COPY: the canonical rows with the record's name and the run in front of each, byte for byte.</summary>
public static class FeatureCopy
{
    private const int WriteBytes = 256 << 10;

    /// <summary>Copies the rows of one or many records into a table, in one COPY for as long as their columns agree.</summary>
    /// <param name="connection">In the transaction that publishes the records.</param>
    /// <param name="records">Enumerated once; a record's stream may be opened when its turn comes.</param>
    /// <returns>How many rows were copied.</returns>
    /// <exception cref="InvalidDataException">A canonical file is damaged or does not belong to the table. The transaction cannot be committed.</exception>
    /// <exception cref="PostgresException">PostgreSQL refused a row: an oversight of the check.</exception>
    public static async Task<long> PublishAsync(
        NpgsqlConnection connection, FeatureTable table, IEnumerable<PublishedFeatures> records, CancellationToken cancellationToken)
    {
        long rows = 0;
        Copy? copy = null;
        try
        {
            foreach (PublishedFeatures record in records)
            {
                await using Stream stream = record.Canonical;
                using CanonicalFeatureReader reader = await CanonicalFeatureReader.OpenAsync(stream, cancellationToken);
                if (copy is null || !copy.Columns.SequenceEqual(reader.Columns))
                {
                    Check(table, reader.Columns);
                    if (copy is not null)
                        await copy.CompleteAsync(cancellationToken);
                    copy = await Copy.BeginAsync(connection, table, reader.Columns, cancellationToken);
                }

                await copy.WriteAsync(record, reader, cancellationToken);
                rows += reader.Rows;
            }

            if (copy is not null)
                await copy.CompleteAsync(cancellationToken);
            copy = null;
            return rows;
        }
        finally
        {
            if (copy is not null)
                await copy.AbandonAsync();
        }
    }

    private static void Check(FeatureTable table, IReadOnlyList<CanonicalColumn> columns)
    {
        foreach (CanonicalColumn column in columns)
        {
            FeatureColumn? known = table.Columns.FirstOrDefault(c => c.Name == column.Name);
            if (known is null || known.StoredAs != column.Type)
                throw new InvalidDataException($"a canonical features file has column '{column.Name}' ({column.Type}), which feature table '{table.Name}' has {(known is null ? "not" : $"as {known.StoredAs}")}");
        }

        if (table.Columns.FirstOrDefault(c => c.Required && columns.All(h => h.Name != c.Name)) is { } missing)
            throw new InvalidDataException($"a canonical features file lacks column '{missing.Name}', which feature table '{table.Name}' requires");
    }

    private sealed class Copy(NpgsqlRawCopyStream stream, IReadOnlyList<CanonicalColumn> columns)
    {
        private readonly ArrayBufferWriter<byte> output = new(WriteBytes * 2);
        private bool ended;

        public IReadOnlyList<CanonicalColumn> Columns => columns;

        // Signature, flags, and the length of a header extension that there is not.
        private static ReadOnlySpan<byte> Header =>
            [(byte)'P', (byte)'G', (byte)'C', (byte)'O', (byte)'P', (byte)'Y', (byte)'\n', 0xff, (byte)'\r', (byte)'\n', 0, 0, 0, 0, 0, 0, 0, 0, 0];

        public static async Task<Copy> BeginAsync(
            NpgsqlConnection connection, FeatureTable table, IReadOnlyList<CanonicalColumn> columns, CancellationToken cancellationToken)
        {
            string names = string.Join(", ", columns.Select(c => c.Name).Prepend("run_id").Prepend("record_srn").Select(Quote));
            NpgsqlRawCopyStream stream = await connection.BeginRawBinaryCopyAsync(
                $"copy {FeatureTable(table.PgTable)} ({names}) from stdin (format binary)", cancellationToken);
            var copy = new Copy(stream, columns);
            copy.output.Write(Header);
            return copy;
        }

        public async Task WriteAsync(PublishedFeatures record, CanonicalFeatureReader reader, CancellationToken cancellationToken)
        {
            byte[] prefix = Prefix(record);
            do
            {
                while (TakeRows(prefix, reader))
                    await FlushAsync(cancellationToken);
            }
            while (await reader.FillAsync(cancellationToken));
        }

        public async Task CompleteAsync(CancellationToken cancellationToken)
        {
            // A row of -1 fields ends the copy.
            BinaryPrimitives.WriteInt16BigEndian(output.GetSpan(2), -1);
            output.Advance(2);
            await FlushAsync(cancellationToken);
            ended = true;
            await stream.DisposeAsync();
        }

        /// <summary>Tells PostgreSQL to drop what was sent, unless it has already said its own last word.</summary>
        public async Task AbandonAsync()
        {
            if (ended)
                return;
            try
            {
                await stream.CancelAsync();
            }
            catch (NpgsqlException)
            {
                // What is already on its way to the caller says more.
            }

            await stream.DisposeAsync();
        }

        // True when the output is full and has to be sent before more rows are taken.
        private bool TakeRows(byte[] prefix, CanonicalFeatureReader reader)
        {
            while (output.WrittenCount < WriteBytes)
            {
                if (!reader.TryRead(out ReadOnlySpan<byte> row))
                    return false;
                Span<byte> span = output.GetSpan(prefix.Length + row.Length);
                prefix.CopyTo(span);
                row.CopyTo(span[prefix.Length..]);
                output.Advance(prefix.Length + row.Length);
            }

            return true;
        }

        private async Task FlushAsync(CancellationToken cancellationToken)
        {
            await stream.WriteAsync(output.WrittenMemory, cancellationToken);
            output.ResetWrittenCount();
        }

        // The number of fields, and the two fields that every row of the record begins with.
        private byte[] Prefix(PublishedFeatures record)
        {
            byte[] srn = Encoding.UTF8.GetBytes(record.RecordSrn);
            byte[] prefix = new byte[2 + 4 + srn.Length + 4 + 16];
            BinaryPrimitives.WriteInt16BigEndian(prefix, (short)(columns.Count + 2));
            BinaryPrimitives.WriteInt32BigEndian(prefix.AsSpan(2), srn.Length);
            srn.CopyTo(prefix, 6);
            BinaryPrimitives.WriteInt32BigEndian(prefix.AsSpan(6 + srn.Length), 16);
            record.RunId.TryWriteBytes(prefix.AsSpan(10 + srn.Length), bigEndian: true, out _);
            return prefix;
        }
    }
}
