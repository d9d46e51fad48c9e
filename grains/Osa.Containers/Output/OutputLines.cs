using System.Buffers;

namespace Osa.Containers.Output;

/// <summary>The lines of a file of a container, each in memory by itself. Blank ones are left out.</summary>
/// <param name="maxBytes">A longer line is the end, or with <paramref name="passOverLong"/> given cut off at that length.</param>
/// <param name="takeUnended">Whether a last line without its end is one.</param>
public sealed class OutputLines(Stream content, int maxBytes, bool takeUnended, bool passOverLong = false) : IDisposable
{
    private byte[] _buffer = ArrayPool<byte>.Shared.Rent(256 << 10);
    private int _start;
    private int _end;
    private bool _atEnd;

    /// <summary>Number of the last line, from 1.</summary>
    public long Number { get; private set; }

    /// <summary>The line was longer than it may be: nothing more can be read, or only its beginning was given.</summary>
    public bool IsTooLong { get; private set; }

    /// <summary>The next line, valid until the next call; null at the end. A last line without its end is one only where that was asked for.</summary>
    public async ValueTask<ReadOnlyMemory<byte>?> NextAsync(CancellationToken cancellationToken)
    {
        int searched = 0;
        if (IsTooLong && passOverLong)
        {
            await PassAsync(cancellationToken);
            IsTooLong = false;
        }

        while (true)
        {
            int at = _buffer.AsSpan(_start + searched, _end - _start - searched).IndexOf((byte)'\n');
            int length = at >= 0 ? searched + at : _end - _start;
            if (length > maxBytes)
            {
                IsTooLong = true;
                Number++;
                if (passOverLong)
                    return _buffer.AsMemory(_start, maxBytes);
                return null;
            }

            if (at >= 0 || (_atEnd && length > 0 && takeUnended))
            {
                ReadOnlyMemory<byte> line = _buffer.AsMemory(_start, length);
                _start += at >= 0 ? length + 1 : length;
                searched = 0;
                Number++;
                if (line.Span.ContainsAnyExcept(" \t\r"u8))
                    return line;
                continue;
            }

            if (_atEnd)
                return null;
            searched = length;
            await FillAsync(cancellationToken);
        }
    }

    public void Dispose()
    {
        byte[] rented = _buffer;
        _buffer = [];
        if (rented.Length > 0)
            ArrayPool<byte>.Shared.Return(rented);
    }

    // To the end of the line, of which nothing is kept.
    private async ValueTask PassAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            int at = _buffer.AsSpan(_start, _end - _start).IndexOf((byte)'\n');
            if (at >= 0 || _atEnd)
            {
                _start = at >= 0 ? _start + at + 1 : _end;
                return;
            }

            _start = _end;
            await FillAsync(cancellationToken);
        }
    }

    private async ValueTask FillAsync(CancellationToken cancellationToken)
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start, _end - _start).CopyTo(_buffer);
            _end -= _start;
            _start = 0;
        }

        if (_end == _buffer.Length)
        {
            byte[] larger = ArrayPool<byte>.Shared.Rent(_buffer.Length * 2);
            _buffer.AsSpan(0, _end).CopyTo(larger);
            ArrayPool<byte>.Shared.Return(_buffer);
            _buffer = larger;
        }

        int read = await content.ReadAsync(_buffer.AsMemory(_end), cancellationToken);
        _end += read;
        _atEnd = read == 0;
    }
}
