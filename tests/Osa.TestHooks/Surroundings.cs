using System.Collections;
using System.Text.Json;

namespace Osa.TestHooks;

/// <summary>What a hook sees of its container, as one JSON object.</summary>
internal static class Surroundings
{
    public static void Write(string path)
    {
        using FileStream file = new(path, FileMode.Create);
        using Utf8JsonWriter json = new(file);
        json.WriteStartObject();
        WriteStatus(json);
        json.WriteStartObject("env");
        foreach (DictionaryEntry variable in Environment.GetEnvironmentVariables())
            json.WriteString((string)variable.Key, (string?)variable.Value);
        json.WriteEndObject();

        json.WriteStartArray("interfaces");
        foreach (string line in File.ReadLines("/proc/net/dev").Skip(2))
            json.WriteStringValue(line.Split(':')[0].Trim());
        json.WriteEndArray();

        json.WriteString("ipv6", File.Exists("/proc/net/if_inet6") ? File.ReadAllText("/proc/net/if_inet6") : "");
        json.WriteString("hostname", Environment.MachineName);
        json.WriteString("resolver", File.Exists("/etc/resolv.conf") ? File.ReadAllText("/etc/resolv.conf") : "");

        json.WriteStartObject("mounts");
        foreach (string[] mount in File.ReadLines("/proc/mounts").Select(line => line.Split(' ')).DistinctBy(mount => mount[1]))
            json.WriteString(mount[1], mount[3]);
        json.WriteEndObject();

        json.WriteStartObject("writable");
        foreach (string directory in (string[])["/", "/osa", "/osa/in", "/osa/in/files", "/osa/out", "/osa/files", "/tmp", "/dev/shm", "/var", "/volume"])
            json.WriteBoolean(directory, IsWritable(directory));
        json.WriteEndObject();

        json.WriteStartObject("documents");
        foreach (string name in Directory.GetFiles(Behaviours.In))
            json.WriteString(Path.GetFileName(name), File.ReadAllText(name));
        json.WriteEndObject();

        json.WriteStartObject("files");
        string files = Path.Combine(Behaviours.In, "files");
        foreach (string name in Directory.Exists(files) ? Directory.GetFiles(files) : [])
        {
            using FileStream stream = File.OpenRead(name);
            json.WriteString(Path.GetFileName(name), Sha256.Hex(stream));
        }

        json.WriteEndObject();
        json.WriteEndObject();
    }

    private static void WriteStatus(Utf8JsonWriter json)
    {
        foreach (string line in File.ReadLines("/proc/self/status"))
        {
            string[] parts = line.Split(':', 2);
            string value = parts[1].Trim();
            switch (parts[0])
            {
                case "Uid":
                    json.WriteString("uid", value.Split('\t')[0]);
                    break;
                case "Gid":
                    json.WriteString("gid", value.Split('\t')[0]);
                    break;
                case "CapEff":
                    json.WriteString("capabilities", value);
                    break;
                case "CapBnd":
                    json.WriteString("bounding", value);
                    break;
                case "NoNewPrivs":
                    json.WriteString("no_new_privileges", value);
                    break;
                case "Seccomp":
                    json.WriteString("seccomp", value);
                    break;
            }
        }
    }

    private static bool IsWritable(string directory)
    {
        string path = Path.Combine(directory, ".osa-test");
        try
        {
            File.WriteAllText(path, "x");
            File.Delete(path);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }
}
