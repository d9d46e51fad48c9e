namespace Osa.Storage.Files;

/// <summary>Reads parts of blobs, thousands of them if need be: each blob is opened once, when the first of its parts is.</summary>
public sealed class BlobSegments(BlobStore blobs) : IDisposable
{
    private readonly Dictionary<Guid, FileStream> _open = [];

    /// <summary>A stream over <paramref name="length"/> bytes from <paramref name="offset"/> on; of no use after this is disposed of.</summary>
    /// <exception cref="Osa.Domain.Errors.OsaException">NotFound: the blob is not there.</exception>
    public Stream Open(Guid blob, long offset, long length)
    {
        if (!_open.TryGetValue(blob, out FileStream? file))
        {
            _open[blob] = file = blobs.OpenRead(blob);
        }

        return new Segment(file, offset, offset + length);
    }

    public void Dispose()
    {
        foreach (FileStream file in _open.Values)
        {
            file.Dispose();
        }
    }

    private sealed class Segment(FileStream file, long start, long end) : Stream
    {
        private long _position = start;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(Span<byte> buffer)
        {
            int read = RandomAccess.Read(file.SafeFileHandle, buffer[..Capped(buffer.Length)], _position);
            _position += read;
            return read;
        }

        public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            int read = await RandomAccess.ReadAsync(file.SafeFileHandle, buffer[..Capped(buffer.Length)], _position, cancellationToken);
            _position += read;
            return read;
        }

        public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
            ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

        private int Capped(int wanted) => (int)Math.Min(wanted, end - _position);
    }
}
