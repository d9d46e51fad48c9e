namespace Osa.Domain.Conventions;

/// <summary>The node's public limits: named options with a default, shown by <c>osa node limits</c>.</summary>
public sealed record NodeLimits
{
    /// <summary>Longest wall clock a hook may ask for, in seconds. Default: 86,400 (a day).</summary>
    public int MaxHookTimeoutSeconds { get; init; } = 86_400;

    /// <summary>Most memory a hook may ask for, in bytes. Default: 8 GiB.</summary>
    public long MaxHookMemoryBytes { get; init; } = 8L << 30;

    /// <summary>Most cores a hook may ask for. Default: 16.</summary>
    public double MaxHookCpu { get; init; } = 16;

    /// <summary>Most processes a hook may ask for. Default: 1,024.</summary>
    public int MaxHookPids { get; init; } = 1_024;

    /// <summary>Most hooks of one convention. Default: 32.</summary>
    public int MaxHooks { get; init; } = 32;

    /// <summary>
    /// Most declared columns of one hook. Default: 300. PostgreSQL takes 1,600 columns, but a row must fit into 8,160 bytes after
    /// long values have been moved out, and values of up to 24 bytes are not: some 320 such columns are the end.
    /// </summary>
    public int MaxColumns { get; init; } = 300;

    /// <summary>Most fields of one metadata schema. Default: 500.</summary>
    public int MaxFields { get; init; } = 500;

    /// <summary>Largest registration document, in bytes. Default: 1 MiB.</summary>
    public int MaxRegistrationBytes { get; init; } = 1 << 20;

    /// <summary>Largest metadata document, in bytes. Default: 1 MiB.</summary>
    public int MaxMetadataBytes { get; init; } = 1 << 20;

    /// <summary>Deepest nesting of any JSON that is read. Default: 32.</summary>
    public int MaxJsonDepth { get; init; } = 32;

    /// <summary>Largest single file a convention may allow, in bytes. Default: 100 GiB.</summary>
    public long MaxFileBytes { get; init; } = 100L << 30;

    /// <summary>Most files a convention may allow per deposition. Default: 10,000.</summary>
    public int MaxFiles { get; init; } = 10_000;

    /// <summary>Largest features.json, in bytes. Default: 4 GiB.</summary>
    public long MaxFeatureBytes { get; init; } = 4L << 30;

    /// <summary>Most feature rows of one hook for one deposition. Default: 10,000,000.</summary>
    public long MaxFeatureRows { get; init; } = 10_000_000;

    /// <summary>Longest text or JSON value in a feature row, in bytes of UTF-8. Default: 8 MiB.</summary>
    public int MaxFeatureValueBytes { get; init; } = 8 << 20;

    /// <summary>Longest feature row, all of its values together, in bytes. Default: 32 MiB.</summary>
    public int MaxFeatureRowBytes { get; init; } = 32 << 20;

    /// <summary>Most bytes a hook's container may leave in its output directory. Default: 8 GiB.</summary>
    public long MaxOutputBytes { get; init; } = 8L << 30;

    /// <summary>Most files a hook's container may leave in its output directory. Default: 10,000.</summary>
    public int MaxOutputFiles { get; init; } = 10_000;

    /// <summary>Longest file name, in bytes of UTF-8. Default: 200.</summary>
    public int MaxFileNameBytes { get; init; } = 200;

    /// <summary>No limit but those of the formats: for reading back what was accepted under limits that may since have been lowered.</summary>
    public static NodeLimits Largest { get; } = new()
    {
        MaxHookTimeoutSeconds = int.MaxValue,
        MaxHookMemoryBytes = long.MaxValue,
        MaxHookCpu = double.MaxValue,
        MaxHookPids = int.MaxValue,
        MaxHooks = int.MaxValue,
        MaxColumns = int.MaxValue,
        MaxFields = int.MaxValue,
        MaxRegistrationBytes = int.MaxValue,
        MaxMetadataBytes = int.MaxValue,
        MaxJsonDepth = 1_000,
        MaxFileBytes = long.MaxValue,
        MaxFiles = int.MaxValue,
        MaxFeatureBytes = long.MaxValue,
        MaxFeatureRows = long.MaxValue,
        MaxFeatureValueBytes = int.MaxValue,
        MaxOutputBytes = long.MaxValue,
        MaxOutputFiles = int.MaxValue,
        MaxFileNameBytes = int.MaxValue,
    };
}
