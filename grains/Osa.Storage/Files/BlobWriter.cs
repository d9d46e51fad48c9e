using System.Buffers;
using System.Security.Cryptography;

namespace Osa.Storage.Files;

/// <summary>
/// A blob that is being written: append to it as to any stream, then <see cref="CompleteAsync"/>. Disposed without that, or
/// after any error, it leaves nothing behind. Not for use by two threads at once.
/// </summary>
/// <remarks>
/// Every write throws OsaException: ResourceExhausted beyond the greatest size or on a full disk, InvalidArgument
/// beyond the announced size, Unavailable on other trouble of the file system.
/// </remarks>
public sealed class BlobWriter : Stream
{
    private const int BufferSize = 128 * 1024;

    private readonly BlobStore _store;
    private readonly BlobLimits _limits;
    private readonly string _temporary;
    private readonly FileStream _file;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private long _length;
    private bool _broken;
    private bool _closed;

    internal BlobWriter(BlobStore store, BlobLimits limits)
    {
        limits.CheckAnnounced();
        _store = store;
        _limits = limits;
        _temporary = store.NewTemporaryPath();
        _file = store.Translate(() => new FileStream(_temporary, new FileStreamOptions
        {
            Mode = FileMode.CreateNew,
            Access = FileAccess.Write,
            Share = FileShare.None,
            BufferSize = BufferSize,
            UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
        }));
    }

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => !_closed;

    /// <summary>Bytes written so far.</summary>
    public override long Length => _length;

    public override long Position
    {
        get => _length;
        set => throw new NotSupportedException("a blob is written from its beginning to its end");
    }

    /// <summary>Checks what was announced, makes the file durable and read-only, and puts it in its place.</summary>
    /// <exception cref="Osa.Domain.Errors.OsaException">InvalidArgument: size or SHA-256 differ from what was announced;
    /// ResourceExhausted: the disk is full; Unavailable: other trouble of the file system.</exception>
    public async Task<Blob> CompleteAsync(CancellationToken ct)
    {
        Usable();
        _broken = true;
        string sha256 = Convert.ToHexStringLower(_hash.GetHashAndReset());
        _limits.CheckComplete(_length, sha256);
        ct.ThrowIfCancellationRequested();
        var blob = new Blob(Guid.NewGuid(), _length, sha256);
        // Waiting for the disk is no work for the caller's thread, which may be a grain's.
        await Task.Run(() => _store.Translate(() => Place(blob.Id)), CancellationToken.None);
        return blob;
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        Begin(buffer.Length);
        try
        {
            _file.Write(buffer);
        }
        catch (Exception e) when (BlobStore.IsFileSystemTrouble(e))
        {
            throw _store.Error(e);
        }

        End(buffer);
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Begin(buffer.Length);
        try
        {
            await _file.WriteAsync(buffer, cancellationToken);
        }
        catch (Exception e) when (BlobStore.IsFileSystemTrouble(e))
        {
            throw _store.Error(e);
        }

        End(buffer.Span);
    }

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <summary>Nothing to do: only <see cref="CompleteAsync"/> makes a blob visible or durable.</summary>
    public override void Flush()
    {
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("a blob is read when it is complete");

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException("a blob is written from its beginning to its end");

    public override void SetLength(long value) => throw new NotSupportedException("a blob is written from its beginning to its end");

    /// <summary>Reads <paramref name="source"/> to its end, at most one buffer beyond the limits.</summary>
    internal async Task AppendAsync(Stream source, CancellationToken ct)
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(BufferSize);
        try
        {
            for (int read; (read = await source.ReadAsync(buffer.AsMemory(0, BufferSize), ct)) > 0;)
            {
                await WriteAsync(buffer.AsMemory(0, read), ct);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    protected override void Dispose(bool disposing)
    {
        if (disposing && !_closed)
        {
            _closed = true;
            _hash.Dispose();
            try
            {
                _file.Dispose();
            }
            catch (IOException)
            {
                // What is still in the buffer of an abandoned file may not fit on a full disk either.
            }

            try
            {
                File.Delete(_temporary);
            }
            catch (Exception e) when (BlobStore.IsFileSystemTrouble(e))
            {
                // The store's sweep of temporary files takes it later.
            }
        }

        base.Dispose(disposing);
    }

    private void Begin(int count)
    {
        Usable();
        _broken = true;
        _limits.CheckGrowth(_length + count);
    }

    private void End(ReadOnlySpan<byte> written)
    {
        _hash.AppendData(written);
        _length += written.Length;
        _broken = false;
    }

    private void Place(Guid id)
    {
        const UnixFileMode readOnly = UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead;
        _file.Flush(flushToDisk: true);
        File.SetUnixFileMode(_file.SafeFileHandle, readOnly);
        _file.Dispose();
        string path = _store.PathOf(id);
        File.Move(_temporary, path, overwrite: true);
        Posix.SyncDirectory(Path.GetDirectoryName(path)!);
    }

    private void Usable()
    {
        ObjectDisposedException.ThrowIf(_closed, this);
        if (_broken)
        {
            throw new InvalidOperationException("this blob is complete, or an earlier write to it failed");
        }
    }
}
