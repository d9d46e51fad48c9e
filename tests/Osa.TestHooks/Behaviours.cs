using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Json;

namespace Osa.TestHooks;

/// <summary>What a hook may do, good and bad. Each takes its parameters from the same JSON object.</summary>
internal static class Behaviours
{
    public static string In => Environment.GetEnvironmentVariable("OSA_IN") ?? "/osa/in";

    public static string Out => Environment.GetEnvironmentVariable("OSA_OUT") ?? "/osa/out";

    private static string Features => Path.Combine(Out, "features.json");

    /// <returns>The exit code.</returns>
    public static int Run(JsonElement config)
    {
        string what = config.TryGetProperty("do", out JsonElement named) ? named.GetString()! : "noop";
        switch (what)
        {
            case "noop":
                return 0;
            case "as-metadata-says":
                // What the depositor wrote into the text field "behaviour", so that one convention serves many tests.
                using (JsonDocument record = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(In, "record.json"))))
                using (JsonDocument behaviour = JsonDocument.Parse(record.RootElement.GetProperty("metadata").GetProperty("behaviour").GetString()!))
                    return Run(behaviour.RootElement);

            case "as-file-says":
                using (JsonDocument file = JsonDocument.Parse(File.ReadAllBytes(Text(config, "file")!)))
                    return Run(file.RootElement);

            case "steps":
                foreach (JsonElement step in config.GetProperty("steps").EnumerateArray())
                {
                    if (Run(step) is var code and not 0)
                        return code;
                }

                return 0;
            case "pass":
                File.WriteAllText(Features, config.TryGetProperty("features", out JsonElement features) ? features.GetRawText() : "{}");
                return 0;
            case "rows":
                Rows.Write(Features, Number(config, "count", 1));
                return 0;
            case "write":
                File.WriteAllText(Path.Combine(Out, Text(config, "file") ?? "features.json"), Text(config, "text") ?? "");
                return 0;
            case "reject":
                Progress("rejected", null, Text(config, "message"), Text(config, "reason"));
                return (int)Number(config, "code", 0);
            case "progress":
                for (long i = 1, count = Number(config, "count", 3); i <= count; i++)
                {
                    Progress("running", $"step {i}", $"{i} of {count}", null);
                    Thread.Sleep((int)Number(config, "delay_ms", 0));
                }

                return 0;
            case "exit":
                if (Text(config, "log") is { } log)
                    Console.Error.WriteLine(log);
                return (int)Number(config, "code", 1);
            case "hang":
                Thread.Sleep(Timeout.Infinite);
                return 0;
            case "sleep":
                Thread.Sleep(TimeSpan.FromSeconds(config.GetProperty("seconds").GetDouble()));
                return 0;
            case "oom":
                return OutOfMemory(Text(config, "where") == "child");
            case "fork-bomb":
                ForkBomb();
                return 0;
            case "use-memory":
                UseMemory(Number(config, "bytes", 64 << 20));
                return 0;
            case "log":
                FloodLog(Number(config, "lines", 1000), (int)Number(config, "width", 80));
                return 0;
            case "tmp":
                File.WriteAllText("/tmp/note", "written");
                return File.ReadAllText("/tmp/note") == "written" ? 0 : 9;
            case "output":
                HostileOutput.Make(Text(config, "kind")!, Path.Combine(Out, Text(config, "file") ?? "features.json"), Number(config, "count", 1));
                return 0;
            case "reach":
                Reach.Write(Path.Combine(Out, Text(config, "file") ?? "reach.json"), config.GetProperty("targets").EnumerateArray().Select(target => target.GetString()!));
                return 0;
            case "await":
                while (!File.Exists(Text(config, "file")!))
                    Thread.Sleep(10);
                return 0;
            case "echo":
                Surroundings.Write(Features);
                return 0;
            default:
                Console.Error.WriteLine($"no behaviour is called '{what}'");
                return 64;
        }
    }

    /// <summary>Touches memory until the kernel ends this process.</summary>
    public static void EatMemory()
    {
        while (true)
            UseMemory(8 << 20);
    }

    /// <summary>Starts itself, again and again, in every process that it becomes.</summary>
    public static void ForkBomb()
    {
        while (true)
        {
            try
            {
                Process.Start(Environment.ProcessPath!, "fork-bomb");
            }
            catch (Exception e) when (e is System.ComponentModel.Win32Exception or OutOfMemoryException)
            {
                // No more of them: try on.
            }
        }
    }

    private static unsafe void UseMemory(long bytes)
    {
        byte* block = (byte*)NativeMemory.Alloc((nuint)bytes);
        for (long i = 0; i < bytes; i += 4096)
            block[i] = 1;
    }

    private static int OutOfMemory(bool inChild)
    {
        if (!inChild)
            EatMemory();
        using Process child = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, "eat-memory"))!;
        child.WaitForExit();
        return 0;
    }

    private static void FloodLog(long lines, int width)
    {
        using Stream output = Console.OpenStandardOutput();
        using StreamWriter writer = new(output, new UTF8Encoding(false), 1 << 16);
        for (long i = 1; i <= lines; i++)
            writer.Write($"line {i} ".PadRight(width - 1, '.') + "\n");
    }

    private static void Progress(string status, string? step, string? message, string? reason)
    {
        using MemoryStream line = new();
        using (Utf8JsonWriter json = new(line))
        {
            json.WriteStartObject();
            json.WriteString("status", status);
            if (step is not null)
                json.WriteString("step", step);
            if (message is not null)
                json.WriteString("message", message);
            if (reason is not null)
                json.WriteString("reason", reason);
            json.WriteEndObject();
        }

        line.WriteByte((byte)'\n');
        using FileStream file = new(Path.Combine(Out, "progress.jsonl"), FileMode.Append);
        file.Write(line.GetBuffer(), 0, (int)line.Length);
    }

    public static string? Text(JsonElement config, string name) => config.TryGetProperty(name, out JsonElement value) ? value.GetString() : null;

    public static long Number(JsonElement config, string name, long otherwise) => config.TryGetProperty(name, out JsonElement value) ? value.GetInt64() : otherwise;
}
