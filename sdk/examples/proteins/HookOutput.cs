using System.Text.Json;

namespace Osa.Examples.Proteins;

/// <summary>What a hook leaves in <c>/osa/out</c>: <c>features.json</c>, and one JSON object per line of <c>progress.jsonl</c>.</summary>
internal sealed class HookOutput(string folder)
{
    /// <summary>A line that whoever watches the run sees at once.</summary>
    public void Progress(string step, string status, string message)
    {
        using var lines = new FileStream(Path.Combine(folder, "progress.jsonl"), FileMode.Append, FileAccess.Write);
        using (var line = new Utf8JsonWriter(lines))
        {
            line.WriteStartObject();
            line.WriteString("step", step);
            line.WriteString("status", status);
            line.WriteString("message", message);
            line.WriteEndObject();
        }

        lines.WriteByte((byte)'\n');
    }

    /// <summary>The feature rows: an object for a hook of cardinality one, a list for a hook of many.</summary>
    public void Features(Action<Utf8JsonWriter> write)
    {
        using var file = File.Create(Path.Combine(folder, "features.json"));
        using var json = new Utf8JsonWriter(file);
        write(json);
    }
}
