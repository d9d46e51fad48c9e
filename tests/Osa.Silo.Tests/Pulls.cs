using System.Text.Json.Nodes;
using Osa.TestHooks.Support;
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

    public static JsonObject Convention(string id, string version, JsonObject source, params JsonObject[] hooks)
    {
        JsonObject document = Documents.Convention(id, version, hooks);
        document["source"] = source;
        return document;
    }

    /// <summary>The pull in the form in which runs are named, for what looks for their containers.</summary>
    public static string Named(Pull pull) => $"urn:osa:localhost:pull:{pull.Id}";
}
