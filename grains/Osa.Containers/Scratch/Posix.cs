using System.Runtime.InteropServices;

namespace Osa.Containers.Scratch;

/// <summary>
/// The few calls of POSIX that .NET has no words for: opening without following a link and without blocking, and reaching
/// names that are not UTF-8 or lie deeper than a path can say. Linux on x64 and arm64, glibc and musl.
/// </summary>
internal static unsafe partial class Posix
{
    public const int EPERM = 1;
    public const int ENOENT = 2;
    public const int ENXIO = 6;
    public const int EACCES = 13;
    public const int EEXIST = 17;
    public const int ENOTDIR = 20;
    public const int EISDIR = 21;
    public const int ENOTEMPTY = 39;
    public const int ELOOP = 40;

    public const int RenameNoReplace = 1;

    public const uint TypeMask = 0xF000;
    public const uint TypeFifo = 0x1000;
    public const uint TypeCharacterDevice = 0x2000;
    public const uint TypeDirectory = 0x4000;
    public const uint TypeBlockDevice = 0x6000;
    public const uint TypeRegular = 0x8000;
    public const uint TypeLink = 0xA000;
    public const uint TypeSocket = 0xC000;

    private const int CloseOnExec = 0x80000;
    private const int NonBlocking = 0x800;
    private const int RemoveDirectory = 0x200;
    private const int SymlinkNoFollow = 0x100;
    private const int CurrentDirectory = -100;
    private const uint StatBasic = 0x7ff;

    // These two differ between the architectures' headers.
    private static readonly int DirectoryOnly = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 0x4000 : 0x10000;
    private static readonly int NoFollow = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? 0x8000 : 0x20000;

    /// <summary>What statx(2) tells; its layout is the same on every architecture.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    public struct Status
    {
        [FieldOffset(20)] public uint Owner;
        [FieldOffset(28)] public ushort Mode;
        [FieldOffset(40)] public ulong Size;
        [FieldOffset(48)] public ulong Blocks;

        public readonly uint Type => Mode & TypeMask;
    }

    /// <summary>Descriptor of a directory named by the node itself, or -1.</summary>
    public static int OpenDirectory(string path) => Open(path, DirectoryOnly | NoFollow | CloseOnExec, 0);

    /// <summary>Descriptor of a directory inside another, or -1.</summary>
    public static int OpenDirectoryAt(int directory, byte* name) => OpenAt(directory, name, DirectoryOnly | NoFollow | CloseOnExec, 0);

    /// <summary>Descriptor for reading, or -1; neither follows a link nor waits for the other end of a pipe.</summary>
    public static int OpenFileAt(int directory, byte* name) => OpenAt(directory, name, NoFollow | NonBlocking | CloseOnExec, 0);

    public static int StatAt(int directory, byte* name, out Status status) => Statx(directory, name, SymlinkNoFollow, StatBasic, out status);

    public static int UnlinkFileAt(int directory, byte* name) => UnlinkAt(directory, name, 0);

    public static int UnlinkDirectoryAt(int directory, byte* name) => UnlinkAt(directory, name, RemoveDirectory);

    /// <summary>Renames a directory of the node, refusing to replace anything.</summary>
    public static int RenameNew(string from, string to) => RenameAt2(CurrentDirectory, from, CurrentDirectory, to, RenameNoReplace);

    /// <summary>The name in a dirent; the header before it is 19 bytes long on 64-bit Linux.</summary>
    public static byte* NameOf(nint entry) => (byte*)entry + 19;

    public static bool IsSelfOrParent(byte* name) => name[0] == '.' && (name[1] == 0 || (name[1] == '.' && name[2] == 0));

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "openat", SetLastError = true)]
    private static partial int OpenAt(int directory, byte* name, int flags, uint mode);

    [LibraryImport("libc", EntryPoint = "unlinkat", SetLastError = true)]
    private static partial int UnlinkAt(int directory, byte* name, int flags);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true)]
    private static partial int Statx(int directory, byte* name, int flags, uint mask, out Status status);

    [LibraryImport("libc", EntryPoint = "renameat", SetLastError = true)]
    public static partial int RenameAt(int fromDirectory, byte* from, int toDirectory, byte* to);

    [LibraryImport("libc", EntryPoint = "renameat2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int RenameAt2(int fromDirectory, string from, int toDirectory, string to, uint flags);

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Link(string existing, string created);

    [LibraryImport("libc", EntryPoint = "fchmodat", SetLastError = true)]
    public static partial int ChangeModeAt(int directory, byte* name, uint mode, int flags);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    public static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "fdopendir", SetLastError = true)]
    public static partial nint ListDirectory(int descriptor);

    [LibraryImport("libc", EntryPoint = "readdir", SetLastError = true)]
    public static partial nint NextEntry(nint list);

    [LibraryImport("libc", EntryPoint = "rewinddir")]
    public static partial void Rewind(nint list);

    [LibraryImport("libc", EntryPoint = "closedir", SetLastError = true)]
    public static partial int CloseDirectory(nint list);

    [LibraryImport("libc", EntryPoint = "dirfd", SetLastError = true)]
    public static partial int DescriptorOf(nint list);
}
