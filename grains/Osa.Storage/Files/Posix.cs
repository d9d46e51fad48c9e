using System.ComponentModel;
using System.Runtime.InteropServices;

namespace Osa.Storage.Files;

/// <summary>The few system calls that .NET does not offer.</summary>
internal static class Posix
{
    /// <summary>Values of errno on Linux.</summary>
    public const int Eagain = 11;
    public const int Eexist = 17;
    public const int Enospc = 28;
    public const int Edquot = 122;

    /// <summary>Number of SIGQUIT: PostgreSQL's immediate exit.</summary>
    public const int Sigquit = 3;

    private const int ReadOnlyDirectoryCloseOnExec = 0x80000 | 0x10000;

    /// <summary>Makes the directory's entries durable: a rename survives a power cut only after this.</summary>
    /// <exception cref="IOException">The system call failed.</exception>
    public static void SyncDirectory(string path)
    {
        int descriptor = Open(path, ReadOnlyDirectoryCloseOnExec);
        if (descriptor < 0)
        {
            throw Failed("open", path);
        }

        try
        {
            if (Fsync(descriptor) != 0)
            {
                throw Failed("fsync", path);
            }
        }
        finally
        {
            _ = Close(descriptor);
        }
    }

    /// <summary>Gives a file a second name. Of several that want one name at once one gets it, which a rename does not promise.</summary>
    /// <returns>False when the name is taken.</returns>
    /// <exception cref="IOException">The system call failed.</exception>
    public static bool TryLink(string path, string name)
    {
        if (Link(path, name) == 0)
        {
            return true;
        }

        return Marshal.GetLastPInvokeError() == Eexist ? false : throw Failed("link", name);
    }

    /// <summary>Gives a file or directory to another user.</summary>
    /// <exception cref="IOException">The system call failed.</exception>
    public static void ChangeOwner(string path, uint user, uint group)
    {
        if (Chown(path, user, group) != 0)
        {
            throw Failed("chown", path);
        }
    }

    /// <summary>Sends a signal; a process that is already gone is no error.</summary>
    public static void Signal(int process, int signal) => _ = Kill(process, signal);

    private static IOException Failed(string call, string path)
    {
        int error = Marshal.GetLastPInvokeError();
        return new IOException($"{call} {path}: {new Win32Exception(error).Message}", error);
    }

    [DllImport("libc", EntryPoint = "open", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Open([MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags);

    [DllImport("libc", EntryPoint = "fsync", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Fsync(int descriptor);

    [DllImport("libc", EntryPoint = "close", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Close(int descriptor);

    [DllImport("libc", EntryPoint = "link", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Link([MarshalAs(UnmanagedType.LPUTF8Str)] string path, [MarshalAs(UnmanagedType.LPUTF8Str)] string name);

    [DllImport("libc", EntryPoint = "chown", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Chown([MarshalAs(UnmanagedType.LPUTF8Str)] string path, uint user, uint group);

    [DllImport("libc", EntryPoint = "kill", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Kill(int process, int signal);
}
