using System.Text;
using Osa.Domain.Errors;

namespace Osa.Storage.Files;

/// <summary>
/// Immutable files under random ids: what people deposited, what hooks emitted, image archives. A blob becomes real by the
/// row that refers to it; one without a row for a day is garbage. Any number of processes may share one directory.
/// </summary>
/// <remarks>
/// <c>id</c> names the store, <c>tmp/</c> holds what is being written, <c>blobs/{first two hex digits}/{id}</c> the blobs, mode 0444;
/// the root is 0700. Everything enters as a stream, container output too: a file that is moved in would keep its owner, its
/// mode and its other links, and must be read for its checksum anyway. <see cref="ProveAsync"/> comes first, once per process.
/// </remarks>
/// <param name="root">Directory of the store, e.g. <c>data/store</c>. With several silos a shared mount.</param>
public sealed class BlobStore(string root)
{
    private const UnixFileMode Private = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly string _root = Path.GetFullPath(root);

    private string IdPath => Path.Combine(_root, "id");

    private string Temporary => Path.Combine(_root, "tmp");

    private string Blobs => Path.Combine(_root, "blobs");

    /// <summary>
    /// Proves that this directory is the store that PostgreSQL knows. With null, for a database that knows none yet, the store is
    /// made if need be and names itself; save that id unless another silo was faster, read it back, and prove again with what is saved.
    /// </summary>
    /// <returns>The id of the store.</returns>
    /// <exception cref="OsaException">FailedPrecondition: another store is here, or none where one is expected: two silos do not
    /// share it, or its mount is missing. Unavailable: trouble of the file system.</exception>
    public Task<Guid> ProveAsync(Guid? expected, CancellationToken ct) => Task.Run(() => Translate(() => Prove(expected)), ct);

    /// <summary>Begins a blob whose content comes piece by piece.</summary>
    /// <exception cref="OsaException">InvalidArgument or ResourceExhausted: what is announced breaks the limits; Unavailable: trouble of the file system.</exception>
    public BlobWriter OpenWriter(BlobLimits limits) => new(this, limits);

    /// <summary>Stores what <paramref name="source"/> holds; on any error, and on cancellation, nothing is left.</summary>
    /// <exception cref="OsaException">As <see cref="BlobWriter"/> says.</exception>
    public async Task<Blob> WriteAsync(Stream source, BlobLimits limits, CancellationToken ct)
    {
        await using BlobWriter writer = OpenWriter(limits);
        await writer.AppendAsync(source, ct);
        return await writer.CompleteAsync(ct);
    }

    /// <summary>Stores the chunks in their order; on any error, and on cancellation, nothing is left.</summary>
    /// <exception cref="OsaException">As <see cref="BlobWriter"/> says.</exception>
    public async Task<Blob> WriteAsync(IAsyncEnumerable<ReadOnlyMemory<byte>> chunks, BlobLimits limits, CancellationToken ct)
    {
        await using BlobWriter writer = OpenWriter(limits);
        await foreach (ReadOnlyMemory<byte> chunk in chunks.WithCancellation(ct))
        {
            await writer.WriteAsync(chunk, ct);
        }

        return await writer.CompleteAsync(ct);
    }

    /// <summary>Opens a blob that a row refers to.</summary>
    /// <exception cref="OsaException">Unavailable: it is not there, so the store is not what it should be.</exception>
    public FileStream OpenRead(Guid id) => Translate(() => new FileStream(PathOf(id), new FileStreamOptions
    {
        Mode = FileMode.Open,
        Access = FileAccess.Read,
        Share = FileShare.Read | FileShare.Delete,
        BufferSize = 0,
        Options = FileOptions.Asynchronous | FileOptions.SequentialScan,
    }));

    /// <summary>Where the blob lies, for a hard link into a container's inputs. Mode 0444, so any user of a container can read it.</summary>
    public string PathOf(Guid id)
    {
        string name = id.ToString("D");
        return Path.Combine(Blobs, name[..2], name);
    }

    /// <summary>Deletes a blob; one that is already gone is no error. Hard links to it live on.</summary>
    /// <exception cref="OsaException">Unavailable: trouble of the file system.</exception>
    public void Delete(Guid id) => Translate(() => File.Delete(PathOf(id)));

    /// <summary>
    /// The blobs that were written at least <paramref name="age"/> ago by the clock of the store's file system: the candidates of the sweep,
    /// which asks PostgreSQL for references and deletes those without. Read lazily, in no order.
    /// </summary>
    /// <exception cref="OsaException">Unavailable: trouble of the file system.</exception>
    public IEnumerable<Guid> ListOlderThan(TimeSpan age)
    {
        DateTime limit = Translate(Clock) - age;
        foreach (string directory in Translate(() => Directory.GetDirectories(Blobs)))
        {
            foreach (string path in Translate(() => Directory.GetFiles(directory)))
            {
                if (Guid.TryParseExact(Path.GetFileName(path), "D", out Guid id) && File.GetLastWriteTimeUtc(path) is var written && Exists(written) && written <= limit)
                {
                    yield return id;
                }
            }
        }
    }

    /// <summary>Deletes what a killed process left half-written at least <paramref name="age"/> ago.</summary>
    /// <returns>How many files.</returns>
    /// <exception cref="OsaException">Unavailable: trouble of the file system.</exception>
    public int DeleteAbandoned(TimeSpan age) => Translate(() =>
    {
        DateTime limit = Clock() - age;
        int deleted = 0;
        foreach (string path in Directory.GetFiles(Temporary))
        {
            if (File.GetLastWriteTimeUtc(path) is var written && Exists(written) && written <= limit)
            {
                File.Delete(path);
                deleted++;
            }
        }

        return deleted;
    });

    internal string NewTemporaryPath() => Path.Combine(Temporary, Guid.NewGuid().ToString("N"));

    internal static bool IsFileSystemTrouble(Exception e) => e is IOException or UnauthorizedAccessException;

    /// <summary>The domain error of a failure of the file system.</summary>
    internal OsaException Error(Exception e) => e switch
    {
        // gRPC's RESOURCE_EXHAUSTED names a full file system; repeating the request at once would not help.
        IOException { HResult: Posix.Enospc or Posix.Edquot } => new OsaException(ErrorCode.ResourceExhausted, $"no space is left in the file store at {_root}", null, e),
        FileNotFoundException or DirectoryNotFoundException => OsaException.Unavailable($"the file store at {_root} lacks something that was there: is its mount away? ({e.Message})", e),
        _ => OsaException.Unavailable($"the file store at {_root} does not work: {e.Message}", e),
    };

    internal T Translate<T>(Func<T> action)
    {
        try
        {
            return action();
        }
        catch (Exception e) when (IsFileSystemTrouble(e))
        {
            throw Error(e);
        }
    }

    internal void Translate(Action action) => Translate(() =>
    {
        action();
        return true;
    });

    /// <summary>.NET answers with the year 1601 for a file that is gone: another process deleted it meanwhile.</summary>
    private static bool Exists(DateTime written) => written.Year > 1601;

    private Guid Prove(Guid? expected)
    {
        Guid? found = ReadId();
        if (expected is null && found is null)
        {
            found = Create();
        }

        if (expected is null || expected == found)
        {
            return found!.Value;
        }

        throw OsaException.Precondition(found is null
            ? $"the database belongs to file store {expected}, and there is none at {_root}: mount the store that the other silos use there"
            : $"the database belongs to file store {expected}, and {_root} is store {found}: all silos of one database must share one store");
    }

    private Guid? ReadId()
    {
        string text;
        try
        {
            text = File.ReadAllText(IdPath).Trim();
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }

        return Guid.TryParseExact(text, "D", out Guid id)
            ? id
            : throw OsaException.Precondition($"{IdPath} does not hold the id of a file store; restore it from a backup");
    }

    private Guid Create()
    {
        // The id comes last: a store that has one is complete.
        Directory.CreateDirectory(_root, Private);
        Directory.CreateDirectory(Temporary, Private);
        Directory.CreateDirectory(Blobs, Private);
        for (int i = 0; i < 256; i++)
        {
            Directory.CreateDirectory(Path.Combine(Blobs, i.ToString("x2")), Private);
        }

        Posix.SyncDirectory(Blobs);
        string temporary = NewTemporaryPath();
        using (var file = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write))
        {
            file.Write(Encoding.ASCII.GetBytes(Guid.NewGuid().ToString("D") + "\n"));
            file.Flush(flushToDisk: true);
        }

        // Where another silo was faster, its name counts.
        _ = Posix.TryLink(temporary, IdPath);
        File.Delete(temporary);
        Posix.SyncDirectory(_root);
        return ReadId()!.Value;
    }

    /// <summary>What the file system's clock says, which on a shared mount is not this machine's.</summary>
    private DateTime Clock()
    {
        string probe = NewTemporaryPath();
        File.WriteAllBytes(probe, [0]);
        DateTime now = File.GetLastWriteTimeUtc(probe);
        File.Delete(probe);
        return now;
    }
}
