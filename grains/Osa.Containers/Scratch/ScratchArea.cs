using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Osa.Domain.Errors;

namespace Osa.Containers.Scratch;

/// <summary>
/// Directories of attempts: <c>{name}/in</c>, <c>in/files</c>, <c>out</c>, for many depositions <c>files/{id}</c>, for a source an empty <c>files</c> and the marker <c>gate</c>, and the
/// marker <c>staged</c>. A directory has its final name only when it is complete. The parents are 0700; what is mounted has modes that work for uid 65534 whatever the umask.
/// </summary>
internal sealed class ScratchArea(string root, string dataDirectory, string? hostDataDirectory)
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode ReadableDirectory = OwnerOnly | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;
    private const UnixFileMode WritableDirectory = ReadableDirectory | UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;
    private const UnixFileMode ReadableFile = UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    private readonly string _root = Path.TrimEndingDirectorySeparator(Path.GetFullPath(root));

    public string Root => _root;

    public string PathOf(string name) => Path.Combine(_root, name);

    public string InputOf(string name) => Path.Combine(_root, name, "in");

    /// <summary>Where each of many depositions has its folder, or where a source leaves files.</summary>
    public string FilesOf(string name) => Path.Combine(_root, name, "files");

    public string OutputOf(string name) => Path.Combine(_root, name, "out");

    /// <summary>The path as the engine's machine sees it.</summary>
    /// <exception cref="OsaException">FailedPrecondition: the node runs in a container and the path is outside its data directory.</exception>
    public string HostPath(string path) => Translate(path, dataDirectory, hostDataDirectory);

    /// <inheritdoc cref="HostPath"/>
    internal static string Translate(string path, string dataDirectory, string? hostDataDirectory)
    {
        string full = Path.GetFullPath(path);
        if (hostDataDirectory is null)
            return full;
        string data = Path.TrimEndingDirectorySeparator(Path.GetFullPath(dataDirectory));
        string host = Path.TrimEndingDirectorySeparator(hostDataDirectory);
        if (full == data)
            return host;
        return full.StartsWith(data + "/", StringComparison.Ordinal)
            ? host + full[data.Length..]
            : throw OsaException.Precondition($"'{full}' is outside the data directory '{data}', so the engine's machine has no known path for it: put the scratch directory inside the data directory");
    }

    /// <summary>Puts the job's inputs in place, unless an earlier call for the same name has.</summary>
    /// <returns>The directory's marker, and whether this call put it there.</returns>
    public (StagedMarker Marker, bool Fresh) Stage(ContainerJob job)
    {
        if (ReadMarker(job.Name) is { } existing)
            return (existing, false);
        EnsureRoot();
        string making = Path.Combine(_root, $"{job.Name}.{RandomNumberGenerator.GetHexString(12, true)}.staging");
        StagedMarker marker = StagedMarker.Create();
        try
        {
            string input = Path.Combine(making, "in");
            string files = Path.Combine(input, "files");
            Make(making, OwnerOnly);
            Make(input, ReadableDirectory);
            Make(files, ReadableDirectory);
            Make(Path.Combine(making, "out"), WritableDirectory);
            foreach ((string name, ReadOnlyMemory<byte> content) in job.Documents)
                WriteFile(Path.Combine(input, name), content);
            foreach (InputFile file in job.Files)
                PlaceFile(file.SourcePath, Path.Combine(files, file.Name));
            if (job.WritableFiles)
                Make(Path.Combine(making, "files"), WritableDirectory);
            if (job.Egress is not null)
                WriteFile(Path.Combine(making, "gate"), default);
            if (job.Records is not null)
                StageRecords(job.Records, Path.Combine(input, "records.jsonl"), Path.Combine(making, "files"));
            WriteFile(Path.Combine(making, "staged"), marker.ToBytes());
            if (Posix.RenameNew(making, PathOf(job.Name)) == 0)
                return (marker, true);
            int error = Marshal.GetLastPInvokeError();
            // Somebody else was staging the same attempt and was first: theirs is as good.
            if (error is Posix.EEXIST or Posix.ENOTEMPTY && ReadMarker(job.Name) is { } theirs)
            {
                RemoveTree(making);
                return (theirs, false);
            }

            throw OsaException.Unavailable($"inputs could not be staged: renaming to '{PathOf(job.Name)}' failed with error {error}");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            RemoveTree(making);
            throw OsaException.Unavailable($"inputs could not be staged in '{_root}': {e.Message}", e);
        }
    }

    /// <summary>The marker of a complete directory, or null.</summary>
    public StagedMarker? ReadMarker(string name)
    {
        string path = Path.Combine(_root, name, "staged");
        // Rarely there, and an exception costs more than to ask first.
        if (!File.Exists(path))
            return null;
        try
        {
            return StagedMarker.Parse(File.ReadAllText(path));
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    public bool OutputIsEmpty(ContainerJob job) =>
        !Directory.EnumerateFileSystemEntries(OutputOf(job.Name)).Any() && !(job.WritableFiles && Directory.EnumerateFileSystemEntries(FilesOf(job.Name)).Any());

    /// <summary>Whether the attempt may have a gate and a network; what has no directory may.</summary>
    public bool MayHaveGate(string name) => !Directory.Exists(PathOf(name)) || File.Exists(Path.Combine(_root, name, "gate"));

    /// <summary>
    /// Takes away the path that the container's input was mounted from. What runs keeps its mount; but the engine can no longer start
    /// the container, so nobody who read its state before it ran can run it a second time.
    /// </summary>
    public void Seal(string name)
    {
        // Fails when it is sealed or removed already, which is as good.
        _ = Posix.RenameNew(InputOf(name), Path.Combine(_root, name, "in.sealed"));
    }

    /// <summary>Whether the container of this directory was started, or forbidden to.</summary>
    public bool IsSealed(string name) => Directory.Exists(Path.Combine(_root, name, "in.sealed"));

    /// <summary>Names that have a directory, complete or not.</summary>
    public IReadOnlyList<string> List() => Directory.Exists(_root)
        ? [.. Directory.EnumerateFileSystemEntries(_root)
            .Select(path => Path.GetFileName(path)!)
            .Where(name => name[0] != '.')
            .Select(name => name.Split('.', 2)[0])
            .Distinct(StringComparer.Ordinal)]
        : [];

    /// <summary>Renames the directory, so that it no longer counts as staged.</summary>
    public void Retire(string name)
    {
        if (Directory.Exists(PathOf(name)))
            _ = Posix.RenameNew(PathOf(name), Path.Combine(_root, $"{name}.{RandomNumberGenerator.GetHexString(12, true)}.removed"));
    }

    /// <summary>Removes all directories of the name, as far as this process may.</summary>
    /// <returns>Directories that it may not empty.</returns>
    public IReadOnlyList<string> Remove(string name)
    {
        List<string> stubborn = [];
        if (!Directory.Exists(_root))
            return stubborn;
        foreach (string path in Directory.EnumerateDirectories(_root, name + ".*").Append(PathOf(name)))
        {
            if (!RemoveTree(path))
                stubborn.Add(path);
        }

        return stubborn;
    }

    /// <returns>True when it is gone.</returns>
    private static bool RemoveTree(string path)
    {
        if (!UnixTree.Empty(path))
            return false;
        try
        {
            if (Directory.Exists(path))
                Directory.Delete(path);
        }
        catch (DirectoryNotFoundException)
        {
            // Gone is what was asked for.
        }

        return true;
    }

    public void EnsureRoot()
    {
        if (!Directory.Exists(_root))
            Directory.CreateDirectory(_root, OwnerOnly);
    }

    private static void Make(string path, UnixFileMode mode)
    {
        Directory.CreateDirectory(path);
        File.SetUnixFileMode(path, mode);
    }

    private static void StageRecords(IReadOnlyList<BatchRecord> records, string path, string files)
    {
        Make(files, ReadableDirectory);
        using (StreamWriter lines = new(new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 18)) { NewLine = "\n" })
        {
            foreach (BatchRecord record in records)
                lines.WriteLine($$"""{"id":"{{record.Id}}","metadata":{{record.MetadataJson}}}""");
        }

        File.SetUnixFileMode(path, ReadableFile);
        foreach (BatchRecord record in records.Where(r => r.Files.Count > 0))
        {
            string folder = Path.Combine(files, record.Id);
            Make(folder, ReadableDirectory);
            foreach (InputFile file in record.Files)
                PlaceFile(file.SourcePath, Path.Combine(folder, file.Name));
        }
    }

    private static void WriteFile(string path, ReadOnlyMemory<byte> content)
    {
        using (FileStream file = new(path, FileMode.CreateNew, FileAccess.Write))
            file.Write(content.Span);
        File.SetUnixFileMode(path, ReadableFile);
    }

    private static void PlaceFile(string source, string target)
    {
        bool readable = (File.GetUnixFileMode(source) & UnixFileMode.OtherRead) == UnixFileMode.OtherRead;
        if (readable && Posix.Link(source, target) == 0)
            return;
        File.Copy(source, target);
        File.SetUnixFileMode(target, ReadableFile);
    }
}

/// <summary>Content of the file <c>staged</c>: which staging this is, and since which boot of the machine it can be trusted.</summary>
/// <param name="Boot">The kernel's boot id: after a power failure files may be shorter than what was written.</param>
/// <param name="Token">Random; the container carries it as a label, so a container never meets another staging's directory.</param>
internal sealed record StagedMarker(string Boot, string Token)
{
    private static readonly string CurrentBoot = File.ReadAllText("/proc/sys/kernel/random/boot_id").Trim();

    public bool IsOfThisBoot => Boot == CurrentBoot;

    public static StagedMarker Create() => new(CurrentBoot, RandomNumberGenerator.GetHexString(24, true));

    public static StagedMarker? Parse(string text) => text.Split(' ') is [var boot, var token] ? new StagedMarker(boot, token) : null;

    public ReadOnlyMemory<byte> ToBytes() => System.Text.Encoding.ASCII.GetBytes($"{Boot} {Token}");
}
