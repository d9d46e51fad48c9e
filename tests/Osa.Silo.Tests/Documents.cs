using System.Text.Json;
using System.Text.Json.Nodes;
using Osa.TestHooks.Support;

namespace Osa.Silo.Tests;

/// <summary>Registration documents, hooks and behaviours of the test image.</summary>
internal static class Documents
{
    /// <summary>An image reference of a registry that nobody runs.</summary>
    public const string MissingImage = "127.0.0.1:1/osa/not-there:1";

    /// <summary>Image id of the test hooks, which <see cref="SharedNode"/> builds first. Pinned, because the tag is whoever's on this engine built last.</summary>
    public static string HooksDigest { get; set; } = "";

    /// <summary>The columns of <see cref="Rows"/>, none of them required.</summary>
    public static JsonArray RowColumns =>
    [
        Column("label", "string"), Column("position", "integer"), Column("score", "number"), Column("significant", "boolean"),
        Column("measured_at", "string", "date-time"), Column("details", "object"),
    ];

    /// <summary>An id nobody else uses.</summary>
    public static string NewId(string word) => $"{word}-{Guid.NewGuid().ToString("N")[..10]}";

    /// <summary>A feature table name nobody else uses.</summary>
    public static string NewTable(string word) => $"{word}_{Guid.NewGuid().ToString("N")[..10]}";

    /// <summary>A convention with a free text <c>title</c> and the <c>behaviour</c> of its hooks, and any files of up to 1 MiB.</summary>
    public static JsonObject Convention(string id, string version, params JsonObject[] hooks) => new()
    {
        ["id"] = id,
        ["title"] = $"Test convention {id}",
        ["version"] = version,
        ["schema"] = new JsonArray(Field("title", "text"), Field("behaviour", "text")),
        ["file_requirements"] = new JsonObject { ["accepted_types"] = new JsonArray(), ["min_count"] = 0, ["max_count"] = 10, ["max_file_size"] = 1 << 20 },
        ["hooks"] = new JsonArray([.. hooks]),
    };

    public static JsonObject Field(string name, string type, bool required = false, JsonObject? constraints = null, string cardinality = "exactly_one") => new()
    {
        ["name"] = name,
        ["type"] = type,
        ["required"] = required,
        ["cardinality"] = cardinality,
        ["constraints"] = constraints,
    };

    /// <summary>A hook of the test image; without a config it does what the deposition's field <c>behaviour</c> says.</summary>
    public static JsonObject Hook(
        string name, JsonArray? columns = null, JsonObject? config = null, string cardinality = "many", int timeoutSeconds = 60, string memory = "64m", string? image = null, string contract = "record", int? batchSize = null) => new()
        {
            ["image"] = image ?? StaticPrograms.TestHooksReference,
            ["digest"] = image is null ? HooksDigest : null,
            ["config"] = config ?? Do("as-metadata-says"),
            ["limits"] = new JsonObject { ["timeout_seconds"] = timeoutSeconds, ["memory"] = memory, ["cpu"] = "1", ["batch_size"] = batchSize },
            ["manifest"] = new JsonObject
            {
                ["name"] = name,
                ["contract"] = contract,
                ["cardinality"] = cardinality,
                ["feature_schema"] = new JsonObject { ["columns"] = columns ?? [] },
            },
        };

    public static JsonObject Column(string name, string type, string? format = null, bool required = false) => new()
    {
        ["name"] = name,
        ["json_type"] = type,
        ["format"] = format,
        ["required"] = required,
    };

    public static JsonObject Do(string what, params (string Name, JsonNode? Value)[] parameters)
    {
        var behaviour = new JsonObject { ["do"] = what };
        foreach ((string name, JsonNode? value) in parameters)
        {
            behaviour[name] = value;
        }

        return behaviour;
    }

    public static JsonObject Steps(params JsonObject[] steps) => Do("steps", ("steps", new JsonArray([.. steps])));

    public static JsonObject Rows(int count) => Do("rows", ("count", count));

    public static JsonObject Reject(string message) => Do("reject", ("message", message));

    public static JsonObject Sleep(double seconds) => Do("sleep", ("seconds", seconds));

    /// <summary>Writes this text into <c>features.json</c>, whatever it is.</summary>
    public static JsonObject Emit(string features) => Do("write", ("text", features));

    public static JsonObject Metadata(JsonObject? behaviour, string title = "a test") => new()
    {
        ["title"] = title,
        ["behaviour"] = behaviour?.ToJsonString(new JsonSerializerOptions { WriteIndented = false }),
    };
}
