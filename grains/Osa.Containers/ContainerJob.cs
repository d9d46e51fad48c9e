using System.Text.RegularExpressions;
using Osa.Domain.Errors;
using Osa.Domain.Hooks;

namespace Osa.Containers;

/// <summary>One attempt to run one container: everything that makes it, so that the same attempt can be found again after a crash.</summary>
/// <param name="Name">Name of the container and of its scratch directory, made from cluster, run, hook, unit and attempt.</param>
/// <param name="Labels">Whose attempt this is.</param>
/// <param name="Image">Reference of the image; where its repository digest belongs to.</param>
/// <param name="ImageDigest">The registered local image id or repository digest: what runs, or nothing.</param>
public sealed partial record ContainerJob(string Name, JobLabels Labels, string Image, string ImageDigest, HookLimits Limits)
{
    /// <summary>Environment beside the image's own.</summary>
    public required IReadOnlyDictionary<string, string> Environment { get; init; }

    /// <summary>Small inputs, written to <c>/osa/in</c>: file name to content.</summary>
    public required IReadOnlyDictionary<string, ReadOnlyMemory<byte>> Documents { get; init; }

    /// <summary>Files for <c>/osa/in/files</c>.</summary>
    public IReadOnlyList<InputFile> Files { get; init; } = [];

    /// <summary>Depositions for <c>/osa/in/records.jsonl</c>, their files in <c>/osa/files/{id}</c>; null for a job of one.</summary>
    public IReadOnlyList<BatchRecord>? Records { get; init; }

    /// <summary>What it may reach over a network of its own; null: it has no network. With one its root file system is writable too.</summary>
    public EgressPolicy? Egress { get; init; }

    /// <summary><c>/osa/files</c> is empty, and the container's to write; not together with <see cref="Records"/>.</summary>
    public bool WritableFiles { get; init; }

    /// <summary>Most bytes in <c>/osa/out</c> and a writable <c>/osa/files</c> together, and of any file that is written.</summary>
    public required long MaxOutputBytes { get; init; }

    /// <summary>Most entries (files and directories) in <c>/osa/out</c> and a writable <c>/osa/files</c> together.</summary>
    public required int MaxOutputFiles { get; init; }

    /// <summary>A job of the record contract: one deposition, no network.</summary>
    /// <param name="record"><c>record.json</c>: <c>{"srn": …, "metadata": {…}}</c>.</param>
    /// <param name="config"><c>config.json</c>, or null for a hook without configuration: then there is no such file.</param>
    /// <remarks>The limits of output have to be set with it.</remarks>
    public static ContainerJob ForRecord(
        string name,
        JobLabels labels,
        HookDefinition hook,
        ReadOnlyMemory<byte> record,
        ReadOnlyMemory<byte>? config,
        IReadOnlyList<InputFile> files,
        long maxOutputBytes,
        int maxOutputFiles)
    {
        ContainerJob job = Of(name, labels, hook, config, "/osa/in/files", maxOutputBytes, maxOutputFiles);
        return job with { Documents = new Dictionary<string, ReadOnlyMemory<byte>>(job.Documents) { ["record.json"] = record }, Files = files };
    }

    /// <summary>A job of the batch contract: many depositions, no network.</summary>
    /// <inheritdoc cref="ForRecord"/>
    public static ContainerJob ForBatch(
        string name, JobLabels labels, HookDefinition hook, IReadOnlyList<BatchRecord> records, ReadOnlyMemory<byte>? config, long maxOutputBytes, int maxOutputFiles) =>
        Of(name, labels, hook, config, "/osa/files", maxOutputBytes, maxOutputFiles) with { Records = records };

    /// <summary>A job of the source contract: it fetches records over the network and leaves their files in <c>/osa/files</c>.</summary>
    /// <param name="variables">Environment beside <c>OSA_IN</c>, <c>OSA_OUT</c> and <c>OSA_FILES</c>, e.g. <c>OSA_SINCE</c>.</param>
    /// <param name="documents">For <c>/osa/in</c>, e.g. <c>config.json</c> and <c>session.json</c>.</param>
    /// <param name="maxOutputBytes">In <c>/osa/out</c> and <c>/osa/files</c> together.</param>
    /// <param name="maxOutputFiles">Entries in both together.</param>
    public static ContainerJob ForSource(
        string name,
        JobLabels labels,
        string image,
        string digest,
        HookLimits limits,
        IReadOnlyDictionary<string, string> variables,
        IReadOnlyDictionary<string, ReadOnlyMemory<byte>> documents,
        EgressPolicy egress,
        long maxOutputBytes,
        int maxOutputFiles) => new(name, labels, image, digest, limits)
        {
            Environment = new Dictionary<string, string>(variables) { ["OSA_IN"] = "/osa/in", ["OSA_OUT"] = "/osa/out", ["OSA_FILES"] = "/osa/files" },
            Documents = documents,
            Egress = egress,
            WritableFiles = true,
            MaxOutputBytes = maxOutputBytes,
            MaxOutputFiles = maxOutputFiles,
        };

    private static ContainerJob Of(
        string name, JobLabels labels, HookDefinition hook, ReadOnlyMemory<byte>? config, string filesDirectory, long maxOutputBytes, int maxOutputFiles) => new(
        name,
        labels,
        hook.Image,
        hook.Digest ?? throw OsaException.Precondition($"hook {hook.Name} has no digest: its image was never resolved"),
        hook.Limits)
        {
            Environment = new Dictionary<string, string>
            {
                ["OSA_IN"] = "/osa/in",
                ["OSA_OUT"] = "/osa/out",
                ["OSA_FILES"] = filesDirectory,
                ["OSA_HOOK_NAME"] = hook.Name,
            },
            Documents = config is { } content ? new Dictionary<string, ReadOnlyMemory<byte>> { ["config.json"] = content } : new Dictionary<string, ReadOnlyMemory<byte>>(),
            MaxOutputBytes = maxOutputBytes,
            MaxOutputFiles = maxOutputFiles,
        };

    /// <exception cref="OsaException">InvalidArgument: a name that could leave its directory, or inputs that exclude each other.</exception>
    internal void Check()
    {
        CheckName(Name);
        if (WritableFiles && Records is not null)
            throw OsaException.Invalid("records", "writable_files", "files of depositions are given where the container is to write its own");
        if (Records?.FirstOrDefault(r => !TokenPattern().IsMatch(r.Id)) is { } record)
            throw OsaException.Invalid("records", "id", $"'{record.Id}' cannot name a deposition in a container: 1 to 100 of a-z, 0-9 and hyphen");
        foreach (string name in Documents.Keys.Concat(Files.Concat(Records?.SelectMany(r => r.Files) ?? []).Select(file => file.Name)))
        {
            if (name is "" or "." or ".." || name.AsSpan().ContainsAny('/', '\0') || System.Text.Encoding.UTF8.GetByteCount(name) > 255)
                throw OsaException.Invalid("files", "file_name", $"'{name}' cannot be the name of a file in a container");
        }
    }

    /// <exception cref="OsaException">InvalidArgument: not a name that both the engine and a directory can have.</exception>
    internal static void CheckName(string name)
    {
        if (!NamePattern().IsMatch(name))
            throw OsaException.Invalid("name", "container_name", $"'{name}' is not a container's name: a letter or digit, then 1 to 199 letters, digits, hyphens and underscores");
    }

    [GeneratedRegex(@"\A[A-Za-z0-9][A-Za-z0-9_\-]{1,199}\z", RegexOptions.NonBacktracking)]
    private static partial Regex NamePattern();

    [GeneratedRegex(@"\A[a-z0-9\-]{1,100}\z", RegexOptions.NonBacktracking)]
    private static partial Regex TokenPattern();
}

/// <summary>One of the depositions that a container is given together.</summary>
/// <param name="Id">An opaque token, <c>[a-z0-9-]+</c>; never a name that means something outside.</param>
/// <param name="MetadataJson">A JSON object on one line.</param>
public sealed record BatchRecord(string Id, string MetadataJson, IReadOnlyList<InputFile> Files);

/// <summary>Whose attempt a container is.</summary>
/// <param name="Attempt">From 1.</param>
public sealed record JobLabels(string Run, string Hook, string Unit, int Attempt);

/// <summary>A file of the store that a container may read.</summary>
/// <param name="Name">Its name in the container.</param>
/// <param name="SourcePath">Where it lies; linked when it is on scratch's file system and readable by all, else copied.</param>
public sealed record InputFile(string Name, string SourcePath);
