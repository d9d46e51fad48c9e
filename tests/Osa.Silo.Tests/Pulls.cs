using System.Text;
using System.Text.Json.Nodes;
using Osa.TestHooks.Support;
using Osa.Testing;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>Conventions with a source.</summary>
internal static class Pulls
{
    /// <summary>A source of the test image: records r0, r1, … whose upstream is its config.</summary>
    /// <param name="content">Changes all of its records.</param>
    /// <param name="behaviours">What hooks shall do with some of its records, by id.</param>
    /// <param name="seconds">How long all of its records take.</param>
    public static JsonObject Source(int total, int? chunk = null, string content = "a", int fileBytes = 0, JsonObject? behaviours = null, double seconds = 0) => new()
    {
        ["image"] = StaticPrograms.TestHooksReference,
        ["digest"] = Documents.HooksDigest,
        ["config"] = new JsonObject
        {
            ["source"] = new JsonObject { ["total"] = total, ["chunk"] = chunk ?? total, ["content"] = content, ["file_bytes"] = fileBytes, ["behaviours"] = behaviours ?? [], ["seconds"] = seconds },
        },
        ["limits"] = new JsonObject { ["timeout_seconds"] = 600, ["memory"] = "128m", ["cpu"] = "1" },
    };

    /// <summary>What a <see cref="ShellImage"/> needs to be a source that does what its config says: <c>good ID…</c> writes lines that can be taken.</summary>
    public const string ObedientSource = """
        sed -n 's/.*"script": *"\([^"]*\)".*/\1/p' "$OSA_IN/config.json" | xxd -r -p > /tmp/do
        good() { for id in "$@"; do printf '{"source_id":"%s","metadata":{"title":"%s"},"files":[]}\n' "$id" "$id"; done; }
        cd "$OSA_OUT"
        . /tmp/do
        """;

    /// <summary>A source of <see cref="ObedientSource"/> that runs a shell script in its output directory.</summary>
    public static JsonObject Script(string image, string script, int timeoutSeconds = 240) => new()
    {
        ["image"] = image,
        ["digest"] = image,
        ["config"] = new JsonObject { ["script"] = Convert.ToHexStringLower(Encoding.UTF8.GetBytes(script)) },
        ["limits"] = new JsonObject { ["timeout_seconds"] = timeoutSeconds, ["memory"] = "64m", ["cpu"] = "1", ["pids"] = 64 },
    };

    public static JsonObject Convention(string id, string version, JsonObject source, params JsonObject[] hooks)
    {
        JsonObject document = Documents.Convention(id, version, hooks);
        document["source"] = source;
        return document;
    }

    /// <summary>Pulls now, and waits until it has ended and all of it is judged.</summary>
    public static async Task<Pull> PullAsync(this Archive archive, string convention) =>
        await archive.Admin.Sources.WaitAsync((await archive.Admin.Sources.RunAsync(convention)).Id).WaitAsync(TimeSpan.FromMinutes(5));

    public static async Task<List<QuarantinedRecord>> QuarantineAsync(this Archive archive, string convention) => await archive.Admin.Sources.QuarantineAsync(convention).ToListAsync();

    /// <summary>Waits until the engine has neither container, gate nor network, and the disk no directory of the pulls.</summary>
    public static async Task AreGoneAsync(Archive archive, params Pull[] pulls)
    {
        await Cleanup.IsDoneAsync(archive, [.. pulls.Select(Named)]);
        foreach (Pull pull in pulls)
        {
            string left = "";
            await Eventually.True(
                async () => (left = (await Unprivileged.RunAsync("docker", "network", "ls", "--filter", $"name={Guid.Parse(pull.Id):N}", "--format", "{{.Name}}")).Output.Trim()).Length == 0,
                Archive.Patience,
                () => $"{pull.Id} left behind the network {left}");
        }
    }

    /// <summary>The pull in the form in which runs are named, for what looks for their containers.</summary>
    public static string Named(Pull pull) => $"urn:osa:localhost:pull:{pull.Id}";
}
