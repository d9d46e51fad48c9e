using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Osa.TestHooks;

/// <summary>
/// A source whose upstream is its config: <c>{"source": {"total": 5000, "chunk": 1000, "content": "a", "file_bytes": 200, "seconds": 90}}</c>. Records r0, r1, …
/// in chunks, by session; the test hook shall give a row for each, or
/// what <c>behaviours</c> says of some: <c>{"r17": {"do": "exit"}}</c>. A greedy one does not care for its limit.
/// </summary>
internal static class Source
{
    public static int Run(JsonElement script)
    {
        string output = Environment.GetEnvironmentVariable("OSA_OUT")!;
        string files = Environment.GetEnvironmentVariable("OSA_FILES")!;
        long first = Session();
        long total = Number(script, "total", 10);
        bool isGreedy = script.TryGetProperty("greedy", out JsonElement greedy) && greedy.GetBoolean();
        long limit = !isGreedy && Environment.GetEnvironmentVariable("OSA_LIMIT") is { } text ? long.Parse(text, CultureInfo.InvariantCulture) : long.MaxValue;
        long end = Math.Min(total, Math.Min(first + Math.Min(limit, long.MaxValue - first), first + Number(script, "chunk", total)));
        long fileBytes = Number(script, "file_bytes", 0);
        string content = script.TryGetProperty("content", out JsonElement given) ? given.GetString()! : "a";
        string padding = new('x', (int)Number(script, "pad", 0));
        double seconds = script.TryGetProperty("seconds", out JsonElement time) ? time.GetDouble() : 0;
        long started = Environment.TickCount64;
        Console.Error.WriteLine($"since {Environment.GetEnvironmentVariable("OSA_SINCE") ?? "ever"}, from {first} to {end} of {total}, offset {Environment.GetEnvironmentVariable("OSA_OFFSET") ?? "0"}");
        using (var lines = new StreamWriter(Path.Combine(output, "records.jsonl"), append: false, new UTF8Encoding(false), 1 << 16))
        {
            for (long i = first; i < end; i++)
            {
                string id = $"r{i}";
                string behaviour = script.TryGetProperty("behaviours", out JsonElement behaviours) && behaviours.TryGetProperty(id, out JsonElement its)
                    ? JsonEncodedText.Encode(its.GetRawText()).ToString()
                    : """{\"do\":\"rows\",\"count\":1}""";
                string named = "";
                if (fileBytes > 0)
                {
                    Directory.CreateDirectory(Path.Combine(files, id));
                    File.WriteAllText(Path.Combine(files, id, "data.txt"), $"{id} {content} ".PadRight((int)fileBytes, '.'));
                    named = $"{{\"name\":\"data.txt\",\"relative_path\":\"{id}/data.txt\",\"size_mb\":0.1}}";
                }

                lines.Write($"{{\"source_id\":\"{id}\",\"fetched_at\":\"{TimeProvider.System.GetUtcNow():O}\",\"metadata\":{{\"title\":\"{id} {content} {padding}\",\"behaviour\":\"{behaviour}\"}},\"files\":[{named}]}}\n");
                long due = started + (long)(seconds * 1000 * (i + 1 - first) / Math.Max(1, total));
                if (due - Environment.TickCount64 is > 20 and var early)
                {
                    Thread.Sleep((int)early);
                }
            }
        }

        if (end < total)
        {
            File.WriteAllText(Path.Combine(output, "session.json"), $"{{\"next\": {end}}}");
        }

        return 0;
    }

    private static long Session()
    {
        string path = Path.Combine(Environment.GetEnvironmentVariable("OSA_IN")!, "session.json");
        if (!File.Exists(path))
        {
            return 0;
        }

        using JsonDocument session = JsonDocument.Parse(File.ReadAllBytes(path));
        return session.RootElement.GetProperty("next").GetInt64();
    }

    private static long Number(JsonElement script, string name, long otherwise) => script.TryGetProperty(name, out JsonElement value) ? value.GetInt64() : otherwise;
}
