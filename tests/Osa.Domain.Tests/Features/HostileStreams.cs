using System.Text;

namespace Osa.Domain.Tests.Features;

/// <summary>A text that goes on for ever.</summary>
internal sealed class EndlessText(string begin, char then) : ReadOnlyStream
{
    private readonly byte[] begin = Encoding.UTF8.GetBytes(begin);

    public long BytesRead { get; private set; }

    public override int Read(Span<byte> buffer)
    {
        for (int i = 0; i < buffer.Length; i++, BytesRead++)
            buffer[i] = BytesRead < begin.Length ? begin[BytesRead] : (byte)then;
        return buffer.Length;
    }
}

/// <summary>Content that arrives a few bytes at a time.</summary>
internal sealed class ChunkedStream(byte[] content, int chunk) : ReadOnlyStream
{
    private int at;

    public override int Read(Span<byte> buffer)
    {
        int count = Math.Min(Math.Min(chunk, buffer.Length), content.Length - at);
        content.AsSpan(at, count).CopyTo(buffer);
        at += count;
        return count;
    }
}

/// <summary>Takes everything, keeps nothing, and watches the memory meanwhile.</summary>
internal sealed class PeakStream : Stream
{
    private long length;
    private long writes;

    public int LargestWrite { get; private set; }

    public long PeakMemory { get; private set; }

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => length;

    public override long Position { get => length; set => throw new NotSupportedException(); }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        length += buffer.Length;
        LargestWrite = Math.Max(LargestWrite, buffer.Length);
        // What lives, now and then: the garbage of tests that run beside this one is not its own.
        if (writes++ % 25 == 0)
            PeakMemory = Math.Max(PeakMemory, GC.GetTotalMemory(forceFullCollection: true));
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Write(buffer.Span);
        return ValueTask.CompletedTask;
    }

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}

internal abstract class ReadOnlyStream : Stream
{
    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public abstract override int Read(Span<byte> buffer);

    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) => new(Read(buffer.Span));

    public override void Flush()
    {
    }

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
}
