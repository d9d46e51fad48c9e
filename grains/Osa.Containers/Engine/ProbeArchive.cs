using System.Formats.Tar;

namespace Osa.Containers.Engine;

/// <summary>The root file system of the node's own image: one program.</summary>
internal static class ProbeArchive
{
    public static MemoryStream Make(byte[] binary)
    {
        MemoryStream archive = new(binary.Length + (16 << 10));
        using (TarWriter writer = new(archive, TarEntryFormat.Pax, leaveOpen: true))
        {
            using MemoryStream content = new(binary);
            writer.WriteEntry(new PaxTarEntry(TarEntryType.RegularFile, "osa-probe")
            {
                Mode = UnixFileMode.UserRead | UnixFileMode.UserExecute | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute,
                DataStream = content,
            });
        }

        archive.Position = 0;
        return archive;
    }
}
