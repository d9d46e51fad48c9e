using System.Buffers;
using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Osa.Domain.Hooks;

namespace Osa.Domain.Features;

/// <summary>A column of a canonical file.</summary>
public sealed record CanonicalColumn(string Name, FeatureColumnType Type);

/// <summary>
/// The form in which checked rows wait for publication, which then copies bytes and decides nothing. All numbers are big-endian:
/// <code>
/// "OSAFEAT1"   int16 columns, then for each: byte type (FeatureColumnType), byte length, name
/// per row      int32 length of what follows, then for each column its field of PostgreSQL's binary COPY: int32 length (-1: null), value
/// end          int32 -1, int64 rows
/// </code>
/// Values: text UTF-8; double and bigint 8 bytes; boolean 1; date int32 days and date-time int64 microseconds since 2000-01-01; uuid 16; JSON 0x01 and its text.
/// </summary>
public static class CanonicalFeatures
{
    internal const int EndOfRows = -1;

    internal static ReadOnlySpan<byte> Magic => "OSAFEAT1"u8;
}

/// <summary>Writes the canonical form, hashing on the way: one file, or several one behind the other.</summary>
internal sealed class CanonicalFeatureWriter : IDisposable
{
    private const int FlushBytes = 256 << 10;

    private readonly Stream stream;
    private readonly IReadOnlyList<ColumnDefinition> columns;
    private readonly long maxBytes;
    private readonly IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly ArrayBufferWriter<byte> pending = new(FlushBytes * 2);
    private long flushed;
    private long rows;

    // What is pending behind this is not hashed yet.
    private int hashed;

    public CanonicalFeatureWriter(Stream stream, IReadOnlyList<ColumnDefinition> columns, long maxBytes)
    {
        this.stream = stream;
        this.columns = columns;
        this.maxBytes = maxBytes;
    }

    /// <summary>Where the file that was begun last begins.</summary>
    public long Start { get; private set; }

    private long Position => flushed + pending.WrittenCount;

    /// <summary>Begins a file, whatever became of the one before.</summary>
    public void Begin()
    {
        _ = hash.GetHashAndReset();
        Start = Position;
        hashed = pending.WrittenCount;
        rows = 0;
        pending.Write(CanonicalFeatures.Magic);
        BinaryPrimitives.WriteInt16BigEndian(pending.GetSpan(2), checked((short)columns.Count));
        pending.Advance(2);
        foreach (ColumnDefinition column in columns)
        {
            byte[] name = Encoding.UTF8.GetBytes(column.Name);
            pending.Write([(byte)FeatureColumnTypes.Of(column.Type, column.Format), checked((byte)name.Length)]);
            pending.Write(name);
        }
    }

    /// <summary>Enough is waiting: flush before the next row.</summary>
    public bool IsFull => pending.WrittenCount >= FlushBytes;

    /// <returns>False when the file is now longer than it may be.</returns>
    public bool Append(FeatureRowStage row)
    {
        int lengthAt = pending.WrittenCount;
        int rowBytes = 0;
        WriteInt32(0);
        for (int i = 0; i < row.Count; i++)
        {
            if (row.TryGet(i, out ReadOnlySpan<byte> value))
            {
                Span<byte> span = pending.GetSpan(4 + value.Length);
                BinaryPrimitives.WriteInt32BigEndian(span, value.Length);
                value.CopyTo(span[4..]);
                pending.Advance(4 + value.Length);
                rowBytes += 4 + value.Length;
            }
            else
            {
                WriteInt32(-1);
                rowBytes += 4;
            }
        }

        BinaryPrimitives.WriteInt32BigEndian(WrittenAt(lengthAt), rowBytes);
        rows++;
        return Position - Start <= maxBytes;
    }

    public async ValueTask FlushAsync(CancellationToken cancellationToken)
    {
        Hash();
        hashed = 0;
        await stream.WriteAsync(pending.WrittenMemory, cancellationToken);
        flushed += pending.WrittenCount;
        pending.ResetWrittenCount();
    }

    /// <summary>Ends the file; the next flush writes the rest of it.</summary>
    public FeatureFileSummary End()
    {
        WriteInt32(CanonicalFeatures.EndOfRows);
        BinaryPrimitives.WriteInt64BigEndian(pending.GetSpan(8), rows);
        pending.Advance(8);
        Hash();
        return new FeatureFileSummary(rows, Position - Start, Convert.ToHexStringLower(hash.GetHashAndReset()));
    }

    public void Dispose() => hash.Dispose();

    private void Hash()
    {
        hash.AppendData(pending.WrittenSpan[hashed..]);
        hashed = pending.WrittenCount;
    }

    private void WriteInt32(int value)
    {
        BinaryPrimitives.WriteInt32BigEndian(pending.GetSpan(4), value);
        pending.Advance(4);
    }

    private Span<byte> WrittenAt(int position) =>
        System.Runtime.InteropServices.MemoryMarshal.AsMemory(pending.WrittenMemory).Span[position..];
}

/// <summary>
/// Reads the canonical form row by row: <see cref="FillAsync"/>, then <see cref="TryRead"/> until it is false, until filling says that the rows have ended.
/// The file is the node's own: whatever is wrong with it is damage, thrown as <see cref="InvalidDataException"/>.
/// </summary>
public sealed class CanonicalFeatureReader : IDisposable
{
    private const int BufferBytes = 256 << 10;
    private const int MaxRowBytes = 1 << 30;

    private readonly Stream stream;
    private byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferBytes);
    private int start;
    private int end;
    private bool ended;

    private CanonicalFeatureReader(Stream stream) => this.stream = stream;

    public IReadOnlyList<CanonicalColumn> Columns { get; private set; } = [];

    /// <summary>Rows read so far.</summary>
    public long Rows { get; private set; }

    /// <summary>Reads the header.</summary>
    /// <param name="stream">Stays the caller's; is read further than the rows' end.</param>
    /// <exception cref="InvalidDataException">Not a canonical file.</exception>
    public static async Task<CanonicalFeatureReader> OpenAsync(Stream stream, CancellationToken cancellationToken)
    {
        var reader = new CanonicalFeatureReader(stream);
        try
        {
            await reader.ReadHeaderAsync(cancellationToken);
            return reader;
        }
        catch
        {
            reader.Dispose();
            throw;
        }
    }

    /// <summary>The fields of the next row, valid until the next fill; false when the buffer holds no further whole row.</summary>
    public bool TryRead(out ReadOnlySpan<byte> row)
    {
        row = default;
        if (ended || end - start < 4)
            return false;
        int length = BinaryPrimitives.ReadInt32BigEndian(buffer.AsSpan(start));
        if (length == CanonicalFeatures.EndOfRows)
        {
            if (end - start < 12)
                return false;
            long expected = BinaryPrimitives.ReadInt64BigEndian(buffer.AsSpan(start + 4));
            if (expected != Rows)
                throw new InvalidDataException($"a canonical features file says {expected} rows and has {Rows}");
            ended = true;
            return false;
        }

        if (length is < 0 or > MaxRowBytes)
            throw new InvalidDataException($"a canonical features file has a row of {length} bytes");
        if (end - start - 4 < length)
            return false;
        row = buffer.AsSpan(start + 4, length);
        start += 4 + length;
        Rows++;
        return true;
    }

    /// <summary>Reads on; false when all rows have been read.</summary>
    /// <exception cref="InvalidDataException">The file ends before its rows do.</exception>
    public async ValueTask<bool> FillAsync(CancellationToken cancellationToken)
    {
        if (ended)
            return false;
        if (start > 0)
        {
            buffer.AsSpan(start, end - start).CopyTo(buffer);
            end -= start;
            start = 0;
        }

        if (end == buffer.Length)
        {
            byte[] larger = ArrayPool<byte>.Shared.Rent(buffer.Length * 2);
            buffer.AsSpan(0, end).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(buffer);
            buffer = larger;
        }

        int read = await stream.ReadAsync(buffer.AsMemory(end), cancellationToken);
        if (read == 0)
            throw new InvalidDataException($"a canonical features file ends in the middle, after {Rows} rows");
        end += read;
        return true;
    }

    public void Dispose()
    {
        byte[] rented = buffer;
        buffer = [];
        if (rented.Length > 0)
            ArrayPool<byte>.Shared.Return(rented);
    }

    private async Task ReadHeaderAsync(CancellationToken cancellationToken)
    {
        while (!TryReadHeader())
            await FillAsync(cancellationToken);
    }

    private bool TryReadHeader()
    {
        ReadOnlySpan<byte> header = buffer.AsSpan(start, end - start);
        int fixedBytes = CanonicalFeatures.Magic.Length + 2;
        if (header.Length < fixedBytes)
            return false;
        if (!header.StartsWith(CanonicalFeatures.Magic))
            throw new InvalidDataException("not a canonical features file");
        int count = BinaryPrimitives.ReadInt16BigEndian(header[CanonicalFeatures.Magic.Length..]);
        var columns = new List<CanonicalColumn>();
        int at = fixedBytes;
        for (int i = 0; i < count; i++)
        {
            if (header.Length < at + 2 || header.Length < at + 2 + header[at + 1])
                return false;
            var type = (FeatureColumnType)header[at];
            if (!Enum.IsDefined(type))
                throw new InvalidDataException($"a canonical features file has a column of type {header[at]}");
            columns.Add(new CanonicalColumn(Encoding.UTF8.GetString(header.Slice(at + 2, header[at + 1])), type));
            at += 2 + header[at + 1];
        }

        start += at;
        Columns = columns;
        return true;
    }
}
