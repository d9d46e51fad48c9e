using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Osa.Containers.Scratch;

namespace Osa.Containers.Output;

/// <summary>What was found under a name of the output directory.</summary>
public abstract record OutputFile
{
    private OutputFile()
    {
    }

    /// <summary>Nothing has that name.</summary>
    public sealed record Absent : OutputFile;

    /// <summary>Something that is not read. <paramref name="Problem"/> says what, for the hook's author: <c>features.json is a symbolic link, not a file</c>.</summary>
    public sealed record Refused(string Problem) : OutputFile;

    /// <summary>A regular file of <paramref name="Length"/> bytes. The stream never gives more than the limit it was opened with; dispose of it.</summary>
    public sealed record Readable(Stream Content, long Length) : OutputFile;
}

/// <summary>
/// The output of a container that has ended. Opens regular files only, without following a link in any part of the name and
/// without blocking.
/// </summary>
public sealed class OutputDirectory
{
    internal OutputDirectory(string path) => Path = path;

    /// <summary>Where it lies, as the node sees it.</summary>
    public string Path { get; }

    /// <param name="name">A relative path with <c>/</c>, e.g. <c>features.json</c>.</param>
    /// <param name="maxBytes">A longer file is refused.</param>
    public unsafe OutputFile Open(string name, long maxBytes)
    {
        string[] parts = name.Split('/');
        if (parts.Any(part => part is "" or "." or "..") || name.Contains('\0', StringComparison.Ordinal))
            return new OutputFile.Refused($"'{name}' is not a path inside the output directory");
        int directory = Posix.OpenDirectory(Path);
        if (directory < 0)
            return new OutputFile.Refused($"the output directory cannot be opened (error {Marshal.GetLastPInvokeError()})");
        for (int i = 0; i < parts.Length - 1; i++)
        {
            int inner;
            fixed (byte* part = Bytes(parts[i]))
                inner = Posix.OpenDirectoryAt(directory, part);
            int error = Marshal.GetLastPInvokeError();
            _ = Posix.Close(directory);
            if (inner < 0)
            {
                return error == Posix.ENOENT
                    ? new OutputFile.Absent()
                    : new OutputFile.Refused($"{string.Join('/', parts[..(i + 1)])} is not a directory that can be read");
            }

            directory = inner;
        }

        try
        {
            fixed (byte* last = Bytes(parts[^1]))
                return OpenIn(directory, last, name, maxBytes);
        }
        finally
        {
            _ = Posix.Close(directory);
        }
    }

    private static unsafe OutputFile OpenIn(int directory, byte* last, string name, long maxBytes)
    {
        // Looked at first, because opening a device or a pipe may itself do something.
        if (Posix.StatAt(directory, last, out Posix.Status status) != 0)
        {
            int error = Marshal.GetLastPInvokeError();
            return error == Posix.ENOENT ? new OutputFile.Absent() : new OutputFile.Refused($"{name} cannot be looked at (error {error})");
        }

        if (status.Type != Posix.TypeRegular)
            return new OutputFile.Refused($"{name} is {Kind(status.Type)}, not a file");
        if (status.Size > (ulong)maxBytes)
            return new OutputFile.Refused($"{name} has {status.Size} bytes; at most {maxBytes} are accepted");
        int descriptor = Posix.OpenFileAt(directory, last);
        if (descriptor < 0)
        {
            int error = Marshal.GetLastPInvokeError();
            return new OutputFile.Refused(error == Posix.EACCES
                ? $"{name} cannot be read by the node: its mode is {Convert.ToString(status.Mode & 0xFFF, 8)}; leave it readable to all (644)"
                : $"{name} cannot be opened (error {error})");
        }

        // A superuser reads everything: refused all the same, or the verdict would depend on the node's user.
        if ((status.Mode & (uint)UnixFileMode.UserRead) == 0)
        {
            _ = Posix.Close(descriptor);
            return new OutputFile.Refused($"{name} cannot be read: its mode is {Convert.ToString(status.Mode & 0xFFF, 8)}; leave it readable to all (644)");
        }

        SafeFileHandle handle = new(descriptor, ownsHandle: true);
        return new OutputFile.Readable(new CappedStream(new FileStream(handle, FileAccess.Read, 1 << 16), maxBytes), (long)status.Size);
    }

    private static string Kind(uint type) => type switch
    {
        Posix.TypeLink => "a symbolic link",
        Posix.TypeFifo => "a named pipe",
        Posix.TypeDirectory => "a directory",
        Posix.TypeSocket => "a socket",
        Posix.TypeCharacterDevice or Posix.TypeBlockDevice => "a device",
        _ => "something else",
    };

    private static byte[] Bytes(string name) => [.. Encoding.UTF8.GetBytes(name), 0];
}
