using System.Runtime.InteropServices;
using System.Text;
using System.Text.Unicode;
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
/// A directory that a container wrote to, which has ended. Opens regular files only, without following a link in any part of the name and
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
        if (!IsInside(parts))
            return new OutputFile.Refused($"'{name}' is not a path inside the output directory");
        int directory = OpenInner(parts.AsSpan(0, parts.Length - 1), out int depth, out int error);
        if (directory < 0)
        {
            return depth == 0
                ? new OutputFile.Refused($"the output directory cannot be opened (error {error})")
                : error == Posix.ENOENT
                    ? new OutputFile.Absent()
                    : new OutputFile.Refused($"{string.Join('/', parts[..depth])} is not a directory that can be read");
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

    /// <summary>Names of what is in a directory, in no order, without following a link in any part of its own name. Throws nothing.</summary>
    /// <param name="name">A relative path with <c>/</c>; empty for the directory itself.</param>
    /// <param name="most">Most names that the caller accepts. No more than one beyond is looked at, so a longer answer means too many.</param>
    /// <returns>
    /// Null when there is no such directory, or it cannot be read. A name that is not UTF-8 is given as NUL and its bytes in hexadecimal: no
    /// file's name has a NUL, and <see cref="Open"/> refuses such a one.
    /// </returns>
    public unsafe IReadOnlyList<string>? List(string name, int most)
    {
        string[] parts = name.Length == 0 ? [] : name.Split('/');
        if (!IsInside(parts))
            return null;
        int directory = OpenInner(parts, out _, out _);
        if (directory < 0)
            return null;
        nint list = Posix.ListDirectory(directory);
        if (list == 0)
        {
            _ = Posix.Close(directory);
            return null;
        }

        List<string> names = [];
        for (nint entry = Posix.NextEntry(list); entry != 0 && names.Count <= most; entry = Posix.NextEntry(list))
        {
            byte* found = Posix.NameOf(entry);
            if (!Posix.IsSelfOrParent(found))
                names.Add(NameOf(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(found)));
        }

        _ = Posix.CloseDirectory(list);
        return names;
    }

    private static string NameOf(ReadOnlySpan<byte> bytes) => Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : "\0" + Convert.ToHexStringLower(bytes);

    private static bool IsInside(string[] parts) => parts.All(part => part is not ("" or "." or "..") && !part.Contains('\0', StringComparison.Ordinal));

    /// <param name="depth">How many of the parts had to be opened until one failed, which is counted.</param>
    /// <returns>Descriptor of the directory that the parts lead to, or -1.</returns>
    private unsafe int OpenInner(ReadOnlySpan<string> parts, out int depth, out int error)
    {
        depth = 0;
        int directory = Posix.OpenDirectory(Path);
        error = Marshal.GetLastPInvokeError();
        while (directory >= 0 && depth < parts.Length)
        {
            int inner;
            fixed (byte* part = Bytes(parts[depth++]))
                inner = Posix.OpenDirectoryAt(directory, part);
            error = Marshal.GetLastPInvokeError();
            _ = Posix.Close(directory);
            directory = inner;
        }

        return directory;
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
