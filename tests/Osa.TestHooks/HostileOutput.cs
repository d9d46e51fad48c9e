using System.Runtime.InteropServices;
using System.Text;

namespace Osa.TestHooks;

/// <summary>Output that is made to hurt whoever reads or removes it.</summary>
internal static unsafe partial class HostileOutput
{
    public static void Make(string kind, string path, long count)
    {
        string directory = Path.GetDirectoryName(path)!;
        switch (kind)
        {
            case "link":
                File.CreateSymbolicLink(path, "/etc/passwd");
                break;
            case "fifo":
                MakeFifo(path);
                break;
            case "directory":
                Directory.CreateDirectory(path);
                break;
            case "unreadable":
                File.WriteAllText(path, "{}");
                File.SetUnixFileMode(path, UnixFileMode.None);
                break;
            case "locked-directory":
                string locked = Path.Combine(directory, "locked");
                Directory.CreateDirectory(Path.Combine(locked, "inner"));
                File.WriteAllText(Path.Combine(locked, "inner", "file"), "kept from you");
                File.SetUnixFileMode(Path.Combine(locked, "inner"), UnixFileMode.None);
                File.SetUnixFileMode(locked, UnixFileMode.None);
                break;
            case "deep":
                Directory.SetCurrentDirectory(directory);
                for (long i = 0; i < count; i++)
                {
                    if (MakeDirectory("d") != 0 || ChangeDirectory("d") != 0)
                        throw new IOException($"level {i}: error {Marshal.GetLastPInvokeError()}");
                }

                break;
            case "bad-name":
                MakeFileNamed([.. Encoding.UTF8.GetBytes(directory + "/"), 0xff, 0xfe, (byte)'\n', 0]);
                break;
            case "huge":
                using (FileStream file = new(path, FileMode.Create))
                {
                    byte[] block = new byte[1 << 20];
                    for (long written = 0; written < count; written += block.Length)
                        file.Write(block);
                }

                break;
            case "sparse":
                using (FileStream file = new(path, FileMode.Create))
                    file.SetLength(count);
                break;
            case "many":
                for (long i = 0; i < count; i++)
                    File.WriteAllText(Path.Combine(directory, $"file{i}"), "");
                break;
            default:
                throw new ArgumentException($"no output is called '{kind}'", nameof(kind));
        }
    }

    private static void MakeFifo(string path)
    {
        if (MakeFifo(path, 0x1B6) != 0)
            throw new IOException($"mkfifo: error {Marshal.GetLastPInvokeError()}");
    }

    private static void MakeFileNamed(byte[] path)
    {
        fixed (byte* name = path)
        {
            if (Create(name, 0x1B6) < 0)
                throw new IOException($"creat: error {Marshal.GetLastPInvokeError()}");
        }
    }

    [LibraryImport("libc", EntryPoint = "mkfifo", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MakeFifo(string path, uint mode);

    [LibraryImport("libc", EntryPoint = "creat", SetLastError = true)]
    private static partial int Create(byte* path, uint mode);

    [LibraryImport("libc", EntryPoint = "chdir", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int ChangeDirectory(string path);

    [LibraryImport("libc", EntryPoint = "mkdir", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int MakeDirectory(string path, uint mode = 0x1FF);
}
