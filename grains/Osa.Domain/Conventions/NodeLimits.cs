using System.ComponentModel;
using System.Globalization;
using System.Reflection;

namespace Osa.Domain.Conventions;

/// <summary>The node's public limits: named options with a default, shown by <c>osa node limits</c>.</summary>
public sealed record NodeLimits
{
    [Description("Longest wall clock a hook may ask for, in seconds. Default: 86,400 (a day).")]
    public int MaxHookTimeoutSeconds { get; init; } = 86_400;

    [Description("Most memory a hook may ask for, in bytes. Default: 8 GiB.")]
    public long MaxHookMemoryBytes { get; init; } = 8L << 30;

    [Description("Most cores a hook may ask for. Default: 16.")]
    public double MaxHookCpu { get; init; } = 16;

    [Description("Most processes a hook may ask for. Default: 1,024.")]
    public int MaxHookPids { get; init; } = 1_024;

    [Description("Most hooks of one convention. Default: 32.")]
    public int MaxHooks { get; init; } = 32;

    [Description(
        "Most declared columns of one hook. Default: 300. PostgreSQL takes 1,600 columns, but a row must fit into 8,160 "
        + "bytes after long values have been moved out, and values of up to 24 bytes are not: some 320 such columns are "
        + "the end.")]
    public int MaxColumns { get; init; } = 300;

    [Description("Most fields of one metadata schema. Default: 500.")]
    public int MaxFields { get; init; } = 500;

    [Description("Largest registration document, in bytes. Default: 1 MiB.")]
    public int MaxRegistrationBytes { get; init; } = 1 << 20;

    [Description("Largest metadata document, in bytes. Default: 1 MiB.")]
    public int MaxMetadataBytes { get; init; } = 1 << 20;

    [Description("Deepest nesting of any JSON that is read. Default: 32.")]
    public int MaxJsonDepth { get; init; } = 32;

    [Description("Largest single file a convention may allow, in bytes. Default: 100 GiB.")]
    public long MaxFileBytes { get; init; } = 100L << 30;

    [Description("Most files a convention may allow per deposition. Default: 10,000.")]
    public int MaxFiles { get; init; } = 10_000;

    [Description("Largest features.json, in bytes. Default: 4 GiB.")]
    public long MaxFeatureBytes { get; init; } = 4L << 30;

    [Description("Longest line of what a batch hook leaves for one deposition, in bytes. Default: 64 MiB.")]
    public int MaxBatchLineBytes { get; init; } = 64 << 20;

    [Description("Most feature rows of one hook for one deposition. Default: 10,000,000.")]
    public long MaxFeatureRows { get; init; } = 10_000_000;

    [Description("Longest text or JSON value in a feature row, in bytes of UTF-8. Default: 8 MiB.")]
    public int MaxFeatureValueBytes { get; init; } = 8 << 20;

    [Description("Longest feature row, all of its values together, in bytes. Default: 32 MiB.")]
    public int MaxFeatureRowBytes { get; init; } = 32 << 20;

    [Description("Most bytes a hook's container may leave in its output directory, in one file or in all of them. Default: 8 GiB.")]
    public long MaxOutputBytes { get; init; } = 8L << 30;

    [Description("Most files a hook's container may leave in its output directory. Default: 10,000.")]
    public int MaxOutputFiles { get; init; } = 10_000;

    [Description("Longest line of a source's records, in bytes. Default: 4 MiB.")]
    public int MaxSourceLineBytes { get; init; } = 4 << 20;

    [Description("Most bytes that one container of a source may leave, records and files together. Default: 64 GiB.")]
    public long MaxSourceBytes { get; init; } = 64L << 30;

    [Description("Most files that one container of a source may leave. Default: 1,000,000.")]
    public int MaxSourceFiles { get; init; } = 1_000_000;

    [Description("Records of one pull that are kept aside when they cannot be taken; more are only counted. Default: 10,000.")]
    public int MaxQuarantined { get; init; } = 10_000;

    [Description("Free disk below which no source pulls, in bytes. Default: 1 GiB.")]
    public long MinFreeDiskBytes { get; init; } = 1L << 30;

    [Description(
        "How long a run waits for infrastructure that is away (container engine, image, disk) before its depositions go back to "
        + "their owners, in seconds. Default: 86,400 (a day).")]
    public double MaxSetbackSeconds { get; init; } = 86_400;

    [Description("Longest file name, in bytes of UTF-8. Default: 200.")]
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
        MaxBatchLineBytes = int.MaxValue,
        MaxSourceLineBytes = int.MaxValue,
        MaxSourceBytes = long.MaxValue,
        MaxSourceFiles = int.MaxValue,
        MaxOutputBytes = long.MaxValue,
        MaxOutputFiles = int.MaxValue,
        MaxFileNameBytes = int.MaxValue,
    };

    /// <summary>Every limit by its name, for people.</summary>
    public IReadOnlyList<(string Name, string Value, string Description)> Describe() =>
    [
        .. typeof(NodeLimits).GetProperties(BindingFlags.Public | BindingFlags.Instance)
            .Select(p => (p.Name, Text: p.GetCustomAttribute<DescriptionAttribute>()?.Description, Value: p.GetValue(this)))
            .Where(p => p.Text is not null)
            .Select(p => (p.Name, Convert.ToString(p.Value, CultureInfo.InvariantCulture)!, p.Text!)),
    ];
}
