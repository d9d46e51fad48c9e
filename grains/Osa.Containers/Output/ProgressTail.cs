using Osa.Domain.Validation;

namespace Osa.Containers.Output;

/// <summary>Follows <c>progress.jsonl</c> of a container that runs: a live view for people, never the truth of a verdict. Not thread-safe.</summary>
public sealed class ProgressTail
{
    private const int Window = 64 << 10;

    private readonly OutputDirectory _output;
    private long _position;

    internal ProgressTail(OutputDirectory output) => _output = output;

    /// <summary>The complete lines written since the last call. Of more than 64 KiB only the end is read; what cannot be read yet is no line.</summary>
    public IReadOnlyList<ProgressLine> ReadNew()
    {
        if (_output.Open("progress.jsonl", long.MaxValue) is not OutputFile.Readable readable)
            return [];
        using Stream content = readable.Content;
        long length = content.Length;
        if (length < _position)
            _position = 0;
        bool cut = length - _position > Window;
        if (cut)
            _position = length - Window;
        byte[] buffer = new byte[Window];
        int read;
        try
        {
            content.Seek(_position, SeekOrigin.Begin);
            read = content.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
        }
        catch (IOException)
        {
            return [];
        }

        ReadOnlySpan<byte> bytes = buffer.AsSpan(0, read);
        int complete = bytes.LastIndexOf((byte)'\n') + 1;
        // A window without any line end is one overlong line, which is skipped.
        _position += complete == 0 && read == Window ? read : complete;
        List<ProgressLine> lines = [];
        bool first = cut;
        foreach (Range range in bytes[..complete].Split((byte)'\n'))
        {
            if (!first && ProgressLog.ParseLine(bytes[range]) is { } line)
                lines.Add(line);
            first = false;
        }

        return lines;
    }
}
