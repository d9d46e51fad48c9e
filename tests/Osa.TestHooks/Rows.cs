using System.Globalization;
using System.Text.Json;

namespace Osa.TestHooks;

/// <summary>
/// Generated rows of six mixed columns: <c>label</c> string, <c>position</c> integer, <c>score</c> number, <c>significant</c> boolean,
/// <c>measured_at</c> string with format date-time, <c>details</c> object.
/// </summary>
internal static class Rows
{
    public static void Write(string path, long count)
    {
        using FileStream file = new(path, FileMode.Create, FileAccess.Write, FileShare.Read, 1 << 20);
        Write(file, count);
    }

    public static string Text(long count)
    {
        using MemoryStream text = new();
        Write(text, count);
        return System.Text.Encoding.UTF8.GetString(text.GetBuffer(), 0, (int)text.Length);
    }

    private static void Write(Stream file, long count)
    {
        DateTimeOffset start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
        using Utf8JsonWriter json = new(file);
        json.WriteStartArray();
        for (long i = 0; i < count; i++)
        {
            json.WriteStartObject();
            json.WriteString("label", $"feature number {i}");
            json.WriteNumber("position", i);
            json.WriteNumber("score", i / 7.0);
            json.WriteBoolean("significant", i % 3 == 0);
            json.WriteString("measured_at", start.AddSeconds(i).ToString("yyyy-MM-dd'T'HH:mm:sszzz", CultureInfo.InvariantCulture));
            json.WriteStartObject("details");
            json.WriteNumber("rank", i % 100);
            json.WriteString("method", "generated");
            json.WriteEndObject();
            json.WriteEndObject();
            if (json.BytesPending > 1 << 18)
                json.Flush();
        }

        json.WriteEndArray();
    }
}
