using System.Buffers;

namespace Osa.Domain.Features;

/// <summary>The values of one row in the order of the file, until the row ends and they are written in the order of the manifest.</summary>
internal sealed class FeatureRowStage
{
    /// <summary>Most bytes of a row that a PostgreSQL page of 8 KiB holds, after all that can has been moved out of line.</summary>
    public const int MaxPageBytes = 8_160;

    // Header with a null bitmap of 1,600 columns, id, record_srn (out of line), run_id, created_at.
    private const int SystemBytes = 224 + 8 + OutOfLineBytes + 16 + 15;

    // A pointer takes 18; what compresses to up to 24 stays in line, aligned to 4.
    private const int OutOfLineBytes = 27;

    private readonly FeatureColumnReader[] columns;
    private readonly int maxRowBytes;
    private readonly ArrayBufferWriter<byte> bytes = new(4096);
    private readonly (int Start, int Length)[] values;
    private readonly long[] setInRow;
    private long rowNumber;

    public FeatureRowStage(FeatureColumnReader[] columns, int maxRowBytes)
    {
        this.columns = columns;
        this.maxRowBytes = maxRowBytes;
        values = new (int, int)[columns.Length];
        setInRow = new long[columns.Length];
    }

    public int Count => columns.Length;

    public int Position => bytes.WrittenCount;

    /// <summary>An upper bound of what the row takes of its page.</summary>
    public int PageBytes { get; private set; }

    public void Begin()
    {
        rowNumber++;
        bytes.ResetWrittenCount();
        PageBytes = SystemBytes;
    }

    public bool IsSet(int column) => setInRow[column] == rowNumber;

    public Span<byte> Reserve(int count) => bytes.GetSpan(count);

    public void Advance(int count)
    {
        bytes.Advance(count);
        if (bytes.WrittenCount > maxRowBytes)
            throw new FeatureValueException("", $"with this value the row is longer than {maxRowBytes:N0} bytes, this node's limit for one row");
    }

    public void Write(ReadOnlySpan<byte> value)
    {
        value.CopyTo(bytes.GetSpan(value.Length));
        Advance(value.Length);
    }

    public void Write(byte value)
    {
        bytes.GetSpan(1)[0] = value;
        Advance(1);
    }

    /// <summary>What stands at a place of this row.</summary>
    public ReadOnlySpan<byte> Written(int start, int length) => bytes.WrittenSpan.Slice(start, length);

    public void SetNull(int column)
    {
        setInRow[column] = rowNumber;
        values[column] = (0, -1);
    }

    /// <summary>What was written since <paramref name="start"/> is the value of the column.</summary>
    public void Set(int column, int start)
    {
        int length = bytes.WrittenCount - start;
        setInRow[column] = rowNumber;
        values[column] = (start, length);
        PageBytes += columns[column].StoredAs switch
        {
            FeatureColumnType.Boolean => 1,
            FeatureColumnType.Date => 4 + 3,
            FeatureColumnType.Uuid => 16,
            FeatureColumnType.Bigint or FeatureColumnType.Double or FeatureColumnType.Timestamp => 8 + 7,
            FeatureColumnType.Text => Math.Min(length + 1, OutOfLineBytes),
            _ => OutOfLineBytes,
        };
    }

    /// <summary>The value of a column in the row that just ended; false for null.</summary>
    public bool TryGet(int column, out ReadOnlySpan<byte> value)
    {
        (int start, int length) = values[column];
        if (!IsSet(column) || length < 0)
        {
            value = default;
            return false;
        }

        value = bytes.WrittenSpan.Slice(start, length);
        return true;
    }
}
