using System.Text.Json;

namespace Osa.Containers.Output;

/// <summary>One line of a batch: whom it is about, and what it says of it.</summary>
/// <param name="Value">Where the member that was asked for stands in the line; empty where it is missing.</param>
/// <param name="IsOnlyScalars">The value is a list of nothing but numbers, texts, flags and nulls, or such a value itself.</param>
internal readonly record struct BatchLine(string Id, Range? Value, bool IsOnlyScalars)
{
    /// <summary>Reads the line's <c>id</c> and finds the member <paramref name="name"/>; members of other names are passed over.</summary>
    /// <exception cref="JsonException">It is not a JSON object, its id is not a text, or one of them is given twice.</exception>
    public static BatchLine Read(ReadOnlySpan<byte> line, ReadOnlySpan<byte> name, int maxDepth)
    {
        var reader = new Utf8JsonReader(line, new JsonReaderOptions { MaxDepth = maxDepth });
        if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            throw new JsonException("expected an object");
        string? id = null;
        Range? value = null;
        bool isOnlyScalars = false;
        while (reader.Read() && reader.TokenType == JsonTokenType.PropertyName)
        {
            bool isId = reader.ValueTextEquals("id"u8);
            bool isValue = reader.ValueTextEquals(name);
            if (!reader.Read() || (isId && (reader.TokenType != JsonTokenType.String || id is not null)) || (isValue && value is not null))
                throw new JsonException("expected one id, a text");
            int start = (int)reader.TokenStartIndex;
            if (isId)
                id = Text(ref reader);
            else if (isValue)
                isOnlyScalars = SkipAndLook(ref reader);
            else
                reader.Skip();
            if (isValue)
                value = start..(int)reader.BytesConsumed;
        }

        if (reader.TokenType != JsonTokenType.EndObject || reader.Read() || id is null)
            throw new JsonException("expected an object with an id");
        return new BatchLine(id, value, isOnlyScalars);
    }

    /// <summary>The text that a value is, or null where it is none or no text that can be kept.</summary>
    public static string? TextOf(ReadOnlySpan<byte> value)
    {
        var reader = new Utf8JsonReader(value);
        return reader.Read() && reader.TokenType == JsonTokenType.String ? Text(ref reader) : null;
    }

    private static string? Text(ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString();
        }
        catch (InvalidOperationException)
        {
            // Not UTF-8, or half of a surrogate pair.
            return null;
        }
    }

    private static bool SkipAndLook(ref Utf8JsonReader reader)
    {
        if (reader.TokenType != JsonTokenType.StartArray)
        {
            bool isScalar = reader.TokenType is not JsonTokenType.StartObject;
            reader.Skip();
            return isScalar;
        }

        bool isOnlyScalars = true;
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            isOnlyScalars &= reader.TokenType is not (JsonTokenType.StartObject or JsonTokenType.StartArray);
            reader.Skip();
        }

        return isOnlyScalars;
    }
}
