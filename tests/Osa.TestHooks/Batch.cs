using System.Text;
using System.Text.Json;

namespace Osa.TestHooks;

/// <summary>
/// The batch contract: of every deposition what its metadata's <c>behaviour</c> says, line by line and written through at once; without
/// one, or with a config of its own, the same of all.
/// </summary>
internal static class Batch
{
    public static string Input => Path.Combine(Behaviours.In, "records.jsonl");

    /// <returns>The exit code.</returns>
    public static int Run(JsonElement config)
    {
        bool buffered = config.TryGetProperty("buffered", out JsonElement flag) && flag.GetBoolean();
        using StreamWriter features = Open("features.jsonl", buffered);
        using StreamWriter rejections = Open("rejections.jsonl", buffered);
        using StreamWriter errors = Open("errors.jsonl", buffered);
        foreach (string line in File.ReadLines(Input))
        {
            using JsonDocument record = JsonDocument.Parse(line);
            string id = record.RootElement.GetProperty("id").GetString()!;
            JsonElement metadata = record.RootElement.GetProperty("metadata");
            using JsonDocument? own = metadata.TryGetProperty("behaviour", out JsonElement told) && told.ValueKind == JsonValueKind.String ? JsonDocument.Parse(told.GetString()!) : null;
            JsonElement behaviour = own is null || config.GetProperty("do").GetString() != "as-metadata-says" ? config : own.RootElement;
            if (Do(behaviour, id, features, rejections, errors) is var code and not 0)
                Environment.Exit(code);
        }

        return 0;
    }

    private static int Do(JsonElement behaviour, string id, StreamWriter features, StreamWriter rejections, StreamWriter errors)
    {
        switch (behaviour.GetProperty("do").GetString())
        {
            case "rows":
                features.WriteLine($$"""{"id":"{{id}}","features":{{Rows.Text(Behaviours.Number(behaviour, "count", 1))}}}""");
                return 0;
            case "write":
                features.WriteLine($$"""{"id":"{{id}}","features":{{Behaviours.Text(behaviour, "text")}}}""");
                return 0;
            case "reject":
                rejections.WriteLine($$"""{"id":"{{id}}","reason":{{Quote(Behaviours.Text(behaviour, "message") ?? "")}}}""");
                return 0;
            case "error":
                errors.WriteLine($$"""{"id":"{{id}}","error":{{Quote(Behaviours.Text(behaviour, "message") ?? "")}},"retryable":false}""");
                return 0;
            case "twice":
                features.WriteLine($$"""{"id":"{{id}}","features":[]}""");
                rejections.WriteLine($$"""{"id":"{{id}}","reason":"and no"}""");
                return 0;
            case "silent":
                return 0;
            case "unknown":
                features.WriteLine("""{"id":"somebody-else","features":[]}""");
                return 0;
            case "files":
                string folder = Path.Combine(Environment.GetEnvironmentVariable("OSA_FILES") ?? "/osa/files", id);
                string names = Directory.Exists(folder) ? string.Join(",", Directory.GetFiles(folder).Select(f => Path.GetFileName(f) + "=" + File.ReadAllText(f)).Order(StringComparer.Ordinal)) : "none";
                features.WriteLine($$"""{"id":"{{id}}","features":[{"label":{{Quote(names)}}}]}""");
                return 0;
            default:
                return Behaviours.Run(behaviour);
        }
    }

    private static StreamWriter Open(string name, bool buffered) =>
        new(Path.Combine(Behaviours.Out, name), append: false, new UTF8Encoding(false), 1 << 16) { AutoFlush = !buffered, NewLine = "\n" };

    private static string Quote(string text) => $"\"{JsonEncodedText.Encode(text)}\"";
}
