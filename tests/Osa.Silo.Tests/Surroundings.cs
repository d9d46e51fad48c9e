using System.Text.Json.Nodes;
using Osa.Client.Features;

namespace Osa.Silo.Tests;

/// <summary>What a container saw, as the behaviour <c>echo</c> tells it.</summary>
internal sealed class Surroundings(TypedFeatureRow row)
{
    public static JsonArray Columns =>
    [
        Documents.Column("uid", "string"), Documents.Column("gid", "string"), Documents.Column("capabilities", "string"), Documents.Column("bounding", "string"),
        Documents.Column("no_new_privileges", "string"), Documents.Column("seccomp", "string"), Documents.Column("env", "object"), Documents.Column("interfaces", "array"), Documents.Column("ipv6", "string"),
        Documents.Column("hostname", "string"), Documents.Column("resolver", "string"),
        Documents.Column("mounts", "object"), Documents.Column("writable", "object"), Documents.Column("documents", "object"), Documents.Column("files", "object"),
    ];

    public JsonObject Environment => (JsonObject)row["env"]!;

    /// <summary>Name to SHA-256.</summary>
    public JsonObject Files => (JsonObject)row["files"]!;

    /// <summary>A file beside the deposition's own, <c>record.json</c> or <c>config.json</c>.</summary>
    public string? Document(string name) => (string?)((JsonObject)row["documents"]!)[name];
}
