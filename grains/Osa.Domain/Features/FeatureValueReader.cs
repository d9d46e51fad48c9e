using System.Buffers.Binary;
using System.Buffers.Text;
using System.Text.Json;
using Osa.Domain.Conventions;
using Osa.Domain.Hooks;

namespace Osa.Domain.Features;

/// <summary>A value cannot be taken; the path is relative to its column. Caught and completed where the row is known.</summary>
internal sealed class FeatureValueException(string path, string problem) : Exception(problem)
{
    public string Path { get; } = path;
}

/// <summary>Checks the values of a row and encodes them as PostgreSQL's binary COPY wants them.</summary>
internal sealed class FeatureValueReader(FeatureRowStage stage, NodeLimits limits)
{
    private readonly StructuredValueReader structured = new(stage, limits);
    private readonly byte[] scratch = new byte[256];
    private int column;

    /// <summary>Path inside the structured value that is being read, such as <c>.items[2]</c>.</summary>
    public string Path => structured.Path;

    /// <summary>Takes the first token of a column's value.</summary>
    /// <param name="depth">How deep the column's values are nested in the file.</param>
    /// <returns>True when that was all of it.</returns>
    public bool Begin(ref Utf8JsonReader reader, int columnIndex, FeatureColumnReader definition, int depth)
    {
        column = columnIndex;
        if (reader.TokenType == JsonTokenType.Null)
        {
            if (definition.Required)
                throw new FeatureValueException("", "required, but null");
            stage.SetNull(column);
            return true;
        }

        if (!Fits(definition.JsonType, reader.TokenType))
            throw new FeatureValueException("", $"expected {definition.JsonType.ToString().ToLowerInvariant()}, got {FeatureText.Kind(reader.TokenType)}");

        int start = stage.Position;
        switch (definition.StoredAs)
        {
            case FeatureColumnType.Text:
                WriteText(ref reader);
                break;
            case FeatureColumnType.Timestamp:
                WriteInt64(Rfc3339.ParseDateTime(ShortText(ref reader)));
                break;
            case FeatureColumnType.Date:
                BinaryPrimitives.WriteInt32BigEndian(stage.Reserve(4), Rfc3339.ParseDate(ShortText(ref reader)));
                stage.Advance(4);
                break;
            case FeatureColumnType.Uuid:
                WriteUuid(ShortText(ref reader));
                break;
            case FeatureColumnType.Double:
                WriteInt64(BitConverter.DoubleToInt64Bits(JsonNumbers.ReadDouble(ref reader)));
                break;
            case FeatureColumnType.Bigint:
                WriteInt64(JsonNumbers.ReadInt64(ref reader));
                break;
            case FeatureColumnType.Boolean:
                stage.Write((byte)(reader.TokenType == JsonTokenType.True ? 1 : 0));
                break;
            case FeatureColumnType.Json:
                structured.Begin(ref reader, depth);
                return false;
            default:
                throw new InvalidOperationException($"no encoding for {definition.StoredAs}");
        }

        stage.Set(column, start);
        return true;
    }

    /// <summary>Takes the next token of a structured value; true when that was the last.</summary>
    public bool Continue(ref Utf8JsonReader reader)
    {
        if (!structured.Continue(ref reader))
            return false;
        stage.Set(column, structured.Start);
        return true;
    }

    private static bool Fits(JsonType type, JsonTokenType token) => type switch
    {
        JsonType.String => token == JsonTokenType.String,
        JsonType.Number or JsonType.Integer => token == JsonTokenType.Number,
        JsonType.Boolean => token is JsonTokenType.True or JsonTokenType.False,
        JsonType.Array => token == JsonTokenType.StartArray,
        JsonType.Object => token == JsonTokenType.StartObject,
        _ => false,
    };

    // Dates and uuids have at most 36 characters; a longer text is none, however it goes on.
    private ReadOnlySpan<byte> ShortText(ref Utf8JsonReader reader)
    {
        if (!reader.ValueIsEscaped || reader.ValueSpan.Length > scratch.Length)
            return reader.ValueSpan;
        try
        {
            return scratch.AsSpan(0, reader.CopyString(scratch));
        }
        catch (InvalidOperationException)
        {
            return reader.ValueSpan;
        }
    }

    private void WriteText(ref Utf8JsonReader reader)
    {
        int written = JsonStrings.Copy(ref reader, stage.Reserve(reader.ValueSpan.Length));
        if (written > limits.MaxFeatureValueBytes)
            throw new FeatureValueException("", $"longer than {limits.MaxFeatureValueBytes:N0} bytes, this node's limit for one value");
        stage.Advance(written);
    }

    private void WriteInt64(long value)
    {
        BinaryPrimitives.WriteInt64BigEndian(stage.Reserve(8), value);
        stage.Advance(8);
    }

    private void WriteUuid(ReadOnlySpan<byte> text)
    {
        if (!Utf8Parser.TryParse(text, out Guid value, out int consumed, 'D') || consumed != text.Length)
            throw new FeatureValueException("", $"expected a uuid such as 123e4567-e89b-12d3-a456-426614174000, got \"{FeatureText.Quote(text)}\"");
        value.TryWriteBytes(stage.Reserve(16), bigEndian: true, out _);
        stage.Advance(16);
    }
}
