using System.Buffers;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Osa.Domain.Json;

/// <summary>
/// One text per JSON value: members sorted by name, no blanks, numbers written out. A value that went through PostgreSQL's jsonb
/// has the same canonical text as before.
/// </summary>
internal static class CanonicalJson
{
    /// <summary>Text stays readable: only what JSON requires is escaped.</summary>
    public static readonly JsonWriterOptions Options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, MaxDepth = int.MaxValue };

    public static string Text(JsonElement value)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, Options))
        {
            Write(writer, value);
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    public static void Write(Utf8JsonWriter writer, JsonObject value)
    {
        using var document = JsonDocument.Parse(value.ToJsonString(), new JsonDocumentOptions { MaxDepth = int.MaxValue });
        Write(writer, document.RootElement);
    }

    public static void Write(Utf8JsonWriter writer, JsonElement value)
    {
        switch (value.ValueKind)
        {
            case JsonValueKind.Object:
                writer.WriteStartObject();
                foreach (JsonProperty member in value.EnumerateObject().OrderBy(member => member.Name, StringComparer.Ordinal))
                {
                    writer.WritePropertyName(member.Name);
                    Write(writer, member.Value);
                }

                writer.WriteEndObject();
                break;
            case JsonValueKind.Array:
                writer.WriteStartArray();
                foreach (JsonElement item in value.EnumerateArray())
                {
                    Write(writer, item);
                }

                writer.WriteEndArray();
                break;
            case JsonValueKind.Number:
                writer.WriteRawValue(ExactNumber.TryParse(value.GetRawText(), out ExactNumber number) ? number.ToPlainText() : value.GetRawText());
                break;
            default:
                value.WriteTo(writer);
                break;
        }
    }
}
