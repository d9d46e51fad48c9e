using System.Text.Json;
using Osa.Domain.Conventions;
using Osa.Domain.Hooks;

namespace Osa.Domain.Features;

/// <summary>Reads the tokens of a features file, block by block: the file's shape, its rows and their members. Values are <see cref="FeatureValueReader"/>'s.</summary>
internal sealed class FeatureFileParser
{
    private readonly FeatureCardinality cardinality;
    private readonly NodeLimits limits;
    private readonly CanonicalFeatureWriter output;
    private readonly FeatureRowStage stage;
    private readonly FeatureValueReader values;
    private readonly FeatureColumnReader[] columns;
    private readonly Dictionary<string, int> columnByName;
    private Expect expect = Expect.Root;
    private bool isList;
    private bool nullElement;
    private long row = -1;
    private int column = -1;

    public FeatureFileParser(HookManifest manifest, NodeLimits limits, CanonicalFeatureWriter output)
    {
        cardinality = manifest.Cardinality;
        this.limits = limits;
        this.output = output;
        columns = [.. manifest.Columns.Select(c => new FeatureColumnReader(c))];
        columnByName = columns.Select((c, i) => (c.Name, i)).ToDictionary(c => c.Name, c => c.i, StringComparer.Ordinal);
        stage = new FeatureRowStage(columns, limits.MaxFeatureRowBytes);
        values = new FeatureValueReader(stage, limits);
    }

    private enum Expect
    {
        Root,
        RowOrEnd,
        MemberOrEnd,
        Value,
        InsideValue,
        Nothing,
    }

    /// <summary>Makes ready for another file after one that was read to its end.</summary>
    public void Reset()
    {
        expect = Expect.Root;
        (isList, nullElement) = (false, false);
        (row, column) = (-1, -1);
    }

    /// <summary>Takes what it can of a block of the file.</summary>
    /// <returns>How many bytes were taken, and whether it stopped because the output should be flushed first.</returns>
    public (int Consumed, bool More) Consume(ReadOnlySpan<byte> block, bool isFinal, ref JsonReaderState state)
    {
        var reader = new Utf8JsonReader(block, isFinal, state);
        try
        {
            while (!output.IsFull)
            {
                if (!reader.Read())
                {
                    state = reader.CurrentState;
                    return ((int)reader.BytesConsumed, false);
                }

                Accept(ref reader);
            }
        }
        catch (JsonException e)
        {
            throw NotJson(block[(int)reader.BytesConsumed..], e);
        }
        catch (FeatureValueException e)
        {
            throw new FeatureFileException(ColumnPath() + e.Path, e.Message);
        }

        state = reader.CurrentState;
        return ((int)reader.BytesConsumed, true);
    }

    public FeatureFileException ValueTooLong(int limit) =>
        new(CurrentPath(), $"longer than {limit:N0} bytes, this node's limit for one value");

    private void Accept(ref Utf8JsonReader reader)
    {
        switch (expect)
        {
            case Expect.Root:
                AcceptRoot(ref reader);
                break;
            case Expect.RowOrEnd:
                AcceptElement(ref reader);
                break;
            case Expect.MemberOrEnd when reader.TokenType == JsonTokenType.EndObject:
                EndRow();
                break;
            case Expect.MemberOrEnd:
                column = FindColumn(ref reader);
                expect = Expect.Value;
                break;
            case Expect.Value:
                expect = values.Begin(ref reader, column, columns[column], isList ? 2 : 1) ? Expect.MemberOrEnd : Expect.InsideValue;
                break;
            case Expect.InsideValue:
                if (values.Continue(ref reader))
                    expect = Expect.MemberOrEnd;
                break;
            case Expect.Nothing:
            default:
                throw new InvalidOperationException("a JSON text has one root");
        }
    }

    private void AcceptRoot(ref Utf8JsonReader reader)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.StartArray:
                isList = true;
                expect = Expect.RowOrEnd;
                break;
            case JsonTokenType.StartObject:
                BeginRow();
                break;
            case JsonTokenType.Null:
                expect = Expect.Nothing;
                break;
            default:
                throw new FeatureFileException("features", $"expected an array of objects, an object or null, got {FeatureText.Kind(reader.TokenType)}");
        }
    }

    private void AcceptElement(ref Utf8JsonReader reader)
    {
        if (reader.TokenType == JsonTokenType.EndArray)
        {
            expect = Expect.Nothing;
            return;
        }

        // A hook function that returns a list with nothing in it writes [null]; null beside rows is a mistake.
        if (nullElement)
            throw new FeatureFileException("features[0]", "expected object, got null");
        if (reader.TokenType == JsonTokenType.StartObject)
            BeginRow();
        else if (reader.TokenType == JsonTokenType.Null && row < 0)
            nullElement = true;
        else
            throw new FeatureFileException($"features[{row + 1}]", $"expected object, got {FeatureText.Kind(reader.TokenType)}");
    }

    private void BeginRow()
    {
        row++;
        if (cardinality == FeatureCardinality.One && row > 0)
            throw new FeatureFileException(RowPath(), "the hook's cardinality is one: at most one row is allowed");
        if (row >= limits.MaxFeatureRows)
            throw new FeatureFileException(RowPath(), $"more than {limits.MaxFeatureRows:N0} rows, this node's limit");
        stage.Begin();
        column = -1;
        expect = Expect.MemberOrEnd;
    }

    private void EndRow()
    {
        for (int i = 0; i < columns.Length; i++)
        {
            if (columns[i].Required && !stage.IsSet(i))
                throw new FeatureFileException($"{RowPath()}.{columns[i].Name}", "required, but missing");
        }

        if (stage.PageBytes > FeatureRowStage.MaxPageBytes)
        {
            throw new FeatureFileException(
                RowPath(),
                $"the row takes up to {stage.PageBytes:N0} bytes of a database page, which holds {FeatureRowStage.MaxPageBytes:N0}: use fewer columns, or put several values into one array or object");
        }

        if (!output.Append(stage))
            throw new FeatureFileException(RowPath(), $"with this row the checked rows take more than {limits.MaxFeatureBytes:N0} bytes, this node's limit");
        expect = isList ? Expect.RowOrEnd : Expect.Nothing;
    }

    // Most files name the members of every row in the same order: the one after the last is tried first.
    private int FindColumn(ref Utf8JsonReader reader)
    {
        int next = column + 1;
        if (next >= columns.Length || reader.ValueIsEscaped || !reader.ValueSpan.SequenceEqual(columns[next].Utf8Name))
        {
            if (FeatureText.TryGetString(ref reader) is not { } name || !columnByName.TryGetValue(name, out next))
            {
                string declared = columns.Length == 0 ? "none" : string.Join(", ", columns.Take(20).Select(c => c.Name)) + (columns.Length > 20 ? ", …" : "");
                throw new FeatureFileException(RowPath() + FeatureText.Member(ref reader), $"not a declared column; declared: {declared}");
            }
        }

        if (stage.IsSet(next))
            throw new FeatureFileException($"{RowPath()}.{columns[next].Name}", "given twice in one row");
        return next;
    }

    private FeatureFileException NotJson(ReadOnlySpan<byte> rest, JsonException e)
    {
        ReadOnlySpan<byte> token = rest.TrimStart(" \t\r\n:,"u8);
        foreach (string literal in (ReadOnlySpan<string>)["NaN", "Infinity", "-Infinity"])
        {
            if (FeatureText.StartsWith(token, literal))
                return new FeatureFileException(CurrentPath(), $"{literal} is not JSON and has no place in a feature table; write null in an optional column");
        }

        // The message ends in the position, and counts lines and bytes from zero.
        string what = e.Message;
        int end = what.IndexOf(" LineNumber:", StringComparison.Ordinal);
        what = FeatureText.Printable(end < 0 ? what : what[..end]);
        return new FeatureFileException(CurrentPath(), $"not JSON at line {e.LineNumber + 1}, byte {e.BytePositionInLine + 1}: {what}");
    }

    private string RowPath() => isList ? $"features[{row}]" : "features";

    private string ColumnPath() => $"{RowPath()}.{columns[column].Name}";

    private string CurrentPath() => expect switch
    {
        Expect.Root or Expect.Nothing => "features",
        Expect.RowOrEnd => $"features[{row + 1}]",
        Expect.MemberOrEnd => RowPath(),
        Expect.InsideValue => ColumnPath() + values.Path,
        _ => ColumnPath(),
    };
}

/// <summary>A declared column, ready to be compared with the names in a file.</summary>
internal sealed class FeatureColumnReader(ColumnDefinition column)
{
    public string Name { get; } = column.Name;

    public byte[] Utf8Name { get; } = System.Text.Encoding.UTF8.GetBytes(column.Name);

    public JsonType JsonType { get; } = column.Type;

    public FeatureColumnType StoredAs { get; } = FeatureColumnTypes.Of(column.Type, column.Format);

    public bool Required { get; } = column.Required;
}
