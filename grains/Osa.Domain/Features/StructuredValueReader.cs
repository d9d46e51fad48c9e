using System.Text;
using System.Text.Json;
using System.Text.Unicode;
using Osa.Domain.Conventions;

namespace Osa.Domain.Features;

/// <summary>Copies an array or object token by token into its canonical form: PostgreSQL's jsonb version byte and JSON without white space.</summary>
internal sealed class StructuredValueReader(FeatureRowStage stage, NodeLimits limits)
{
    // jsonb keeps numbers as numeric, which ends here.
    private const int MaxIntegerDigits = 131_072;
    private const int MaxFractionDigits = 16_383;

    private const byte JsonbVersion = 1;

    private readonly List<Frame> frames = [];
    private int open;
    private int baseDepth;
    private long writtenOutDigits;

    /// <summary>Where the value begins in the stage.</summary>
    public int Start { get; private set; }

    public string Path
    {
        get
        {
            var path = new StringBuilder();
            for (int i = 0; i < open; i++)
            {
                Frame frame = frames[i];
                if (frame.Count == 0)
                    break;
                path.Append(frame.IsArray ? $"[{frame.Count - 1}]" : FeatureText.Member(frame.Key(stage)));
            }

            return path.ToString();
        }
    }

    public void Begin(ref Utf8JsonReader reader, int depth)
    {
        Start = stage.Position;
        baseDepth = depth;
        open = 0;
        writtenOutDigits = 0;
        stage.Write(JsonbVersion);
        Push(isArray: reader.TokenType == JsonTokenType.StartArray);
    }

    /// <summary>Takes the next token; true when the value is complete.</summary>
    public bool Continue(ref Utf8JsonReader reader)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.EndArray or JsonTokenType.EndObject:
                stage.Write(reader.TokenType == JsonTokenType.EndArray ? (byte)']' : (byte)'}');
                open--;
                break;
            case JsonTokenType.PropertyName:
                BeginMember(ref reader);
                break;
            default:
                BeginElement();
                AcceptValue(ref reader);
                break;
        }

        if (stage.Position - Start + writtenOutDigits > limits.MaxFeatureValueBytes)
            throw new FeatureValueException(Path, $"with this the column's value is longer than {limits.MaxFeatureValueBytes:N0} bytes, this node's limit for one value");
        return open == 0;
    }

    private void AcceptValue(ref Utf8JsonReader reader)
    {
        switch (reader.TokenType)
        {
            case JsonTokenType.StartArray or JsonTokenType.StartObject:
                Push(isArray: reader.TokenType == JsonTokenType.StartArray);
                break;
            case JsonTokenType.String:
                CheckString(ref reader);
                WriteQuoted(reader.ValueSpan);
                break;
            case JsonTokenType.Number:
                CheckNumber(reader.ValueSpan);
                stage.Write(reader.ValueSpan);
                break;
            default:
                stage.Write(reader.ValueSpan);
                break;
        }
    }

    private void Push(bool isArray)
    {
        if (baseDepth + open + 1 > limits.MaxJsonDepth)
            throw new FeatureValueException(Path, $"nested deeper than {limits.MaxJsonDepth} levels, this node's limit");
        if (open == frames.Count)
            frames.Add(new Frame());
        frames[open++].Open(isArray);
        stage.Write(isArray ? (byte)'[' : (byte)'{');
    }

    private void BeginElement()
    {
        Frame frame = frames[open - 1];
        if (!frame.IsArray)
            return;
        if (frame.Count > 0)
            stage.Write((byte)',');
        frame.Count++;
    }

    private void BeginMember(ref Utf8JsonReader reader)
    {
        Frame frame = frames[open - 1];
        if (frame.Count > 0)
            stage.Write((byte)',');
        frame.Count++;
        bool isNew = frame.AddKey(ref reader, stage, stage.Position + 1);
        CheckString(ref reader);
        if (!isNew)
            throw new FeatureValueException(Path, "given twice in one object");
        WriteQuoted(reader.ValueSpan);
        stage.Write((byte)':');
    }

    private void CheckString(ref Utf8JsonReader reader)
    {
        try
        {
            JsonStrings.Check(ref reader);
        }
        catch (FeatureValueException e)
        {
            throw new FeatureValueException(Path, e.Message);
        }
    }

    // Written out, 1e300 takes 301 digits: that is what a reader is sent, so that is what counts.
    private void CheckNumber(ReadOnlySpan<byte> number)
    {
        (long integerDigits, long fractionDigits) = JsonNumbers.Digits(number);
        if (integerDigits > MaxIntegerDigits || fractionDigits > MaxFractionDigits)
        {
            throw new FeatureValueException(
                Path, $"the number {FeatureText.Quote(number)} is outside the range of PostgreSQL's numeric ({MaxIntegerDigits:N0} digits before and {MaxFractionDigits:N0} after the point)");
        }

        writtenOutDigits += Math.Max(0, integerDigits + fractionDigits - number.Length);
    }

    private void WriteQuoted(ReadOnlySpan<byte> escaped)
    {
        Span<byte> span = stage.Reserve(escaped.Length + 2);
        span[0] = (byte)'"';
        escaped.CopyTo(span[1..]);
        span[escaped.Length + 1] = (byte)'"';
        stage.Advance(escaped.Length + 2);
    }

    /// <summary>An array or object that has begun and not ended. Keys are compared with their siblings, and name the place of an error.</summary>
    private sealed class Frame
    {
        private const int MaxCompared = 16;
        private const int KeptCapacity = 1024;

        // A few keys without escapes are compared where they stand in the stage; others as strings.
        private readonly List<(int Start, int Length)> staged = [];
        private HashSet<string> strings = new(StringComparer.Ordinal);
        private string? key;

        public bool IsArray { get; private set; }

        /// <summary>Elements or members begun so far.</summary>
        public int Count { get; set; }

        public void Open(bool isArray)
        {
            IsArray = isArray;
            Count = 0;
            key = null;
            staged.Clear();
            if (strings.Count > KeptCapacity)
                strings = new HashSet<string>(StringComparer.Ordinal);
            else
                strings.Clear();
        }

        /// <summary>The member that is being read.</summary>
        public string Key(FeatureRowStage stage) => key ?? Encoding.UTF8.GetString(stage.Written(staged[^1].Start, staged[^1].Length));

        /// <summary>Takes the key that was read and will stand at <paramref name="position"/>; false if the object has it already.</summary>
        public bool AddKey(ref Utf8JsonReader reader, FeatureRowStage stage, int position)
        {
            ReadOnlySpan<byte> raw = reader.ValueSpan;
            if (strings.Count > 0 || reader.ValueIsEscaped || staged.Count == MaxCompared || !Utf8.IsValid(raw))
                return AddString(FeatureText.TryGetString(ref reader) ?? Encoding.UTF8.GetString(raw), stage);

            foreach ((int start, int length) in staged)
            {
                if (stage.Written(start, length).SequenceEqual(raw))
                {
                    key = Encoding.UTF8.GetString(raw);
                    return false;
                }
            }

            staged.Add((position, raw.Length));
            return true;
        }

        private bool AddString(string text, FeatureRowStage stage)
        {
            key = text;
            foreach ((int start, int length) in staged)
                strings.Add(Encoding.UTF8.GetString(stage.Written(start, length)));
            staged.Clear();
            return strings.Add(text);
        }
    }
}
