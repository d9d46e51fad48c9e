using System.Text.Json.Nodes;

namespace Osa.Domain.Hooks;

/// <summary>A group's own code in an OCI image, run against every submitted deposition.</summary>
/// <param name="Image">Reference of the image, e.g. <c>ghcr.io/group/hook:1.2</c>; where a pull would get it from.</param>
/// <param name="Digest">
/// The local image id or repository digest (<c>sha256:</c> + 64 hex digits) that is run; null until registration has resolved it.
/// </param>
/// <param name="Config">Handed to the hook as <c>config.json</c>; null for none.</param>
public sealed record HookDefinition(string Image, string? Digest, JsonObject? Config, HookLimits Limits, HookManifest Manifest)
{
    public string Name => Manifest.Name;
}

/// <summary>What one container of a hook may use.</summary>
/// <param name="TimeoutSeconds">Wall clock from the container's start, in seconds.</param>
/// <param name="MemoryBytes">Memory and swap together, in bytes; the manifest writes <c>512m</c>, <c>2g</c> (binary multiples).</param>
/// <param name="Cpu">Cores, e.g. 0.5.</param>
/// <param name="Pids">Processes and threads.</param>
public sealed record HookLimits(int TimeoutSeconds, long MemoryBytes, double Cpu, int Pids)
{
    /// <summary>Most depositions that one container of a batch hook is given.</summary>
    public const int MaxBatchSize = 5_000;

    /// <summary>How many depositions one container of a batch hook is given at most; of no meaning for others.</summary>
    public int BatchSize { get; init; } = MaxBatchSize;

    /// <summary>Container engines start nothing with less than 6 MiB.</summary>
    public const long MinMemoryBytes = 6L * 1024 * 1024;

    /// <summary>Container engines measure cores in hundredths.</summary>
    public const double MinCpu = 0.01;

    /// <summary>300 s, 512 MiB, half a core, 256 pids: what holds where the manifest is silent.</summary>
    public static HookLimits Default { get; } = new(300, 512L * 1024 * 1024, 0.5, 256);
}

/// <summary>How a hook is fed.</summary>
public enum HookContract
{
    /// <summary>One deposition per container: <c>record.json</c> in, <c>features.json</c> out.</summary>
    Record,

    /// <summary>Many depositions per container: <c>records.jsonl</c> in, <c>features.jsonl</c>, <c>rejections.jsonl</c>, <c>errors.jsonl</c> out.</summary>
    Batch,
}

/// <summary>How many feature rows a hook emits for one deposition.</summary>
public enum FeatureCardinality
{
    /// <summary>At most one row: <c>features.json</c> is an object or a list of at most one.</summary>
    One,

    /// <summary>Any number of rows.</summary>
    Many,
}

/// <summary>What a hook emits.</summary>
/// <param name="Name">Name of the hook and of its feature table.</param>
/// <param name="RecordSchema">Name of the record type in the author's code; informative.</param>
[GenerateSerializer]
[Immutable]
[Alias("osa.hook-manifest")]
public sealed record HookManifest(
    [property: Id(0)] string Name,
    [property: Id(1)] string RecordSchema,
    [property: Id(2)] HookContract Contract,
    [property: Id(3)] FeatureCardinality Cardinality,
    [property: Id(4)] IReadOnlyList<ColumnDefinition> Columns);

/// <summary>JSON type of a feature column.</summary>
public enum JsonType
{
    String,
    Number,
    Integer,
    Boolean,
    Array,
    Object,
}

/// <summary>One declared column of a feature table.</summary>
/// <param name="Format"><c>date-time</c>, <c>date</c> or <c>uuid</c> on a string; null otherwise.</param>
/// <param name="Required">Every row carries a value that is not null.</param>
[GenerateSerializer]
[Immutable]
[Alias("osa.column-definition")]
public sealed record ColumnDefinition(
    [property: Id(0)] string Name, [property: Id(1)] JsonType Type, [property: Id(2)] string? Format, [property: Id(3)] bool Required)
{
    /// <summary>Rows are filtered and sorted by it: it gets an index, as every scalar column does that does not decline.</summary>
    [Id(4)]
    public bool Index { get; init; } = true;

    /// <summary>The formats that give a string a type of its own.</summary>
    public static IReadOnlyList<string> Formats { get; } = ["date-time", "date", "uuid"];

    /// <summary>Names that a feature table, or PostgreSQL in every table, already has.</summary>
    public static IReadOnlyList<string> ReservedNames { get; } =
        ["id", "record_srn", "run_id", "created_at", "ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"];
}
