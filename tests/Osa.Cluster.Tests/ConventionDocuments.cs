using System.Text.Json.Nodes;

namespace Osa.Cluster.Tests;

/// <summary>Registration documents whose hooks do what the deposition's metadata say.</summary>
internal static class ConventionDocuments
{
    /// <param name="digest">Image id of the test hooks.</param>
    /// <param name="tables">One hook, and so one feature table, each.</param>
    public static string Of(string id, string digest, params string[] tables) => Document(id, digest, "record", tables).ToJsonString();

    /// <summary>The same, decided by a curator.</summary>
    public static string Curated(string id, string digest, params string[] tables)
    {
        JsonObject document = Document(id, digest, "record", tables);
        document["curation"] = "curator";
        return document.ToJsonString();
    }

    /// <summary>The same with hooks of the batch contract.</summary>
    public static string Batched(string id, string digest, params string[] tables) => Document(id, digest, "batch", tables).ToJsonString();

    /// <summary>The same with up to three files of a few MiB.</summary>
    public static string WithFiles(string id, string digest, params string[] tables)
    {
        JsonObject document = Document(id, digest, "record", tables);
        document["file_requirements"] = new JsonObject { ["accepted_types"] = new JsonArray(), ["min_count"] = 0, ["max_count"] = 3, ["max_file_size"] = 4 << 20 };
        return document.ToJsonString();
    }

    /// <summary>One hook of the batch contract, and a source of so many records with a file and a row each.</summary>
    /// <param name="seconds">How long its containers take for all of them.</param>
    public static string Sourced(string id, string digest, int total, int chunk, double seconds, int batchSize)
    {
        JsonObject document = Document(id, digest, "batch", [TableOf(id)]);
        document["schema"]!.AsArray().Add(new JsonObject { ["name"] = "title", ["type"] = "text", ["required"] = true, ["cardinality"] = "exactly_one" });
        document["file_requirements"] = new JsonObject { ["accepted_types"] = new JsonArray(), ["min_count"] = 1, ["max_count"] = 1, ["max_file_size"] = 4 << 20 };
        document["source"] = new JsonObject
        {
            ["image"] = "osa-test-hooks:latest",
            ["digest"] = digest,
            ["config"] = new JsonObject { ["source"] = new JsonObject { ["total"] = total, ["chunk"] = chunk, ["file_bytes"] = 500, ["seconds"] = seconds } },
            ["limits"] = new JsonObject { ["timeout_seconds"] = 600, ["memory"] = "64m", ["cpu"] = "0.5" },
            ["batch_size"] = batchSize,
        };
        return document.ToJsonString();
    }

    /// <summary>The feature table of such a convention.</summary>
    public static string TableOf(string id) => id.Replace('-', '_');

    private static JsonObject Document(string id, string digest, string contract, string[] tables) => new()
    {
        ["id"] = id,
        ["title"] = id,
        ["version"] = "1.0.0",
        ["schema"] = new JsonArray(
            new JsonObject { ["name"] = "behaviour", ["type"] = "text", ["required"] = true, ["cardinality"] = "exactly_one" }),
        ["file_requirements"] = new JsonObject { ["accepted_types"] = new JsonArray(), ["max_count"] = 0, ["max_file_size"] = 1 },
        ["hooks"] = new JsonArray([.. tables.Select(table => Hook(digest, table, contract))]),
    };

    /// <summary>A behaviour: so many feature rows, after so many seconds.</summary>
    public static string Rows(int count, double afterSeconds = 0) => new JsonObject
    {
        ["do"] = "steps",
        ["steps"] = new JsonArray(
            new JsonObject { ["do"] = "sleep", ["seconds"] = afterSeconds },
            new JsonObject { ["do"] = "rows", ["count"] = count }),
    }.ToJsonString();

    private static JsonObject Hook(string digest, string table, string contract) => new()
    {
        ["image"] = "osa-test-hooks:latest",
        ["digest"] = digest,
        ["config"] = new JsonObject { ["do"] = "as-metadata-says" },
        ["limits"] = new JsonObject { ["timeout_seconds"] = 120, ["memory"] = "64m", ["cpu"] = "0.5", ["pids"] = 64 },
        ["manifest"] = new JsonObject
        {
            ["name"] = table,
            ["contract"] = contract,
            ["record_schema"] = "Test",
            ["cardinality"] = "many",
            ["feature_schema"] = new JsonObject
            {
                ["columns"] = new JsonArray(
                    Column("label", "string"),
                    Column("position", "integer"),
                    Column("score", "number"),
                    Column("significant", "boolean"),
                    Column("measured_at", "string", "date-time"),
                    Column("details", "object")),
            },
        },
    };

    private static JsonObject Column(string name, string type, string? format = null) =>
        new() { ["name"] = name, ["json_type"] = type, ["format"] = format, ["required"] = true };
}
