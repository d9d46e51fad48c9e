using System.Collections;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Google.Protobuf.WellKnownTypes;

namespace Osa.Cli.Output;

/// <summary>
/// The one JSON shape of everything that the node says: the proto's field names and all of its fields; numbers as numbers, documents
/// (<c>metadata_json</c>) as what they are (<c>metadata</c>), states in lower case, bytes in base64, times in RFC 3339, durations in seconds
/// (<c>duration_seconds</c>), and null for what is not set.
/// </summary>
internal static class ProtoJson
{
    // Science is written in many scripts; what is a control character is escaped all the same.
    private static readonly JsonSerializerOptions Compact = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static string ToLine(this JsonNode node) => node.ToJsonString(Compact);

    public static JsonObject ToJson(this IMessage message)
    {
        var json = new JsonObject();
        foreach (var field in message.Descriptor.Fields.InDeclarationOrder())
        {
            var name = field.Name;
            JsonNode? value;
            if (field.IsRepeated)
            {
                value = new JsonArray([.. ((IList)field.Accessor.GetValue(message)).Cast<object>().Select(item => Value(field, item))]);
            }
            else if (field.HasPresence && !field.Accessor.HasValue(message))
            {
                value = null;
            }
            else if (name.EndsWith("_json", StringComparison.Ordinal))
            {
                value = Document((string)field.Accessor.GetValue(message));
            }
            else
            {
                value = Value(field, field.Accessor.GetValue(message));
            }

            json[Rename(field)] = value;
        }

        return json;
    }

    /// <summary>A JSON document that travelled as text; the text itself where it is none.</summary>
    public static JsonNode? Document(string text)
    {
        if (text.Length == 0)
        {
            return null;
        }

        try
        {
            return JsonNode.Parse(text);
        }
        catch (JsonException)
        {
            return JsonValue.Create(text);
        }
    }

    /// <summary>The name of a state without its type: <c>in_validation</c>.</summary>
    public static string? State(System.Enum value)
    {
        var prefix = JsonNamingPolicy.SnakeCaseLower.ConvertName(value.ToString());
        return prefix == "unspecified" ? null : prefix;
    }

    private static string Rename(FieldDescriptor field) => field switch
    {
        { FieldType: FieldType.Message } when !field.IsRepeated && field.MessageType.FullName == Duration.Descriptor.FullName => $"{field.Name}_seconds",
        { FieldType: FieldType.String } when field.Name.EndsWith("_json", StringComparison.Ordinal) => field.Name[..^5],
        _ => field.Name,
    };

    private static JsonNode? Value(FieldDescriptor field, object value) => value switch
    {
        string { Length: 0 } when !field.IsRepeated => null,
        string text => JsonValue.Create(text),
        ByteString bytes => JsonValue.Create(bytes.ToBase64()),
        bool truth => JsonValue.Create(truth),
        int number => JsonValue.Create(number),
        long number => JsonValue.Create(number),
        double number => double.IsFinite(number) ? JsonValue.Create(number) : null,
        Timestamp time => JsonValue.Create(time.ToDateTimeOffset().UtcDateTime.ToString("yyyy-MM-ddTHH:mm:ss.FFFFFFFZ")),
        Duration duration => JsonValue.Create(duration.ToTimeSpan().TotalSeconds),
        IMessage message => message.ToJson(),
        System.Enum state => JsonValue.Create(State(state)),
        _ => throw new NotSupportedException($"{field.FullName} is of a type that has no JSON shape yet"),
    };
}
