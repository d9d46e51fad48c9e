using System.Runtime.InteropServices;

namespace Osa.Containers.Scratch;

/// <summary>
/// Removes and measures trees that hostile code has written: names that are not UTF-8, links, directories nested deeper than
/// any path or stack, modes that forbid everything. Works on descriptors and bytes, never on a path that the tree's author chose.
/// </summary>
internal static unsafe class UnixTree
{
    /// <summary>Removes all that is in the directory, as far as this process may.</summary>
    /// <returns>True when the directory is empty now, or was not there.</returns>
    public static bool Empty(string directory)
    {
        int descriptor = Posix.OpenDirectory(directory);
        if (descriptor < 0)
            return Marshal.GetLastPInvokeError() == Posix.ENOENT;
        nint list = Posix.ListDirectory(descriptor);
        if (list == 0)
        {
            _ = Posix.Close(descriptor);
            return false;
        }

        try
        {
            return EmptyList(list);
        }
        finally
        {
            _ = Posix.CloseDirectory(list);
        }
    }

    /// <summary>Bytes allocated or claimed (the greater of both per file) and entries below the directory; stops counting beyond either limit.</summary>
    /// <remarks>Best effort while the tree changes; what may not be entered counts as one entry.</remarks>
    public static (long Bytes, long Entries) Measure(string directory, long maxBytes, long maxEntries)
    {
        long bytes = 0;
        long entries = 0;
        Stack<nint> lists = new();
        try
        {
            Push(Posix.OpenDirectory(directory));
            while (lists.TryPeek(out nint list) && bytes <= maxBytes && entries <= maxEntries)
            {
                nint entry = Posix.NextEntry(list);
                if (entry == 0)
                {
                    _ = Posix.CloseDirectory(lists.Pop());
                    continue;
                }

                byte* name = Posix.NameOf(entry);
                if (Posix.IsSelfOrParent(name))
                    continue;
                entries++;
                int parent = Posix.DescriptorOf(list);
                if (Posix.StatAt(parent, name, out Posix.Status status) != 0)
                    continue;
                if (status.Type == Posix.TypeRegular)
                    bytes += (long)Math.Min(Math.Max(status.Size, status.Blocks * 512), long.MaxValue / 4);
                else if (status.Type == Posix.TypeDirectory && lists.Count < 64)
                    Push(Posix.OpenDirectoryAt(parent, name));
            }
        }
        finally
        {
            while (lists.TryPop(out nint list))
                _ = Posix.CloseDirectory(list);
        }

        return (bytes, entries);

        void Push(int descriptor)
        {
            if (descriptor < 0)
                return;
            nint list = Posix.ListDirectory(descriptor);
            if (list == 0)
                _ = Posix.Close(descriptor);
            else
                lists.Push(list);
        }
    }

    // A directory's own directories are moved up beside it before it is removed, so that nothing is ever deeper than two levels.
    private static bool EmptyList(nint list)
    {
        int top = Posix.DescriptorOf(list);
        byte* moved = stackalloc byte[32];
        long serial = 0;
        while (true)
        {
            bool progress = false;
            bool left = false;
            Posix.Rewind(list);
            for (nint entry = Posix.NextEntry(list); entry != 0; entry = Posix.NextEntry(list))
            {
                byte* name = Posix.NameOf(entry);
                if (Posix.IsSelfOrParent(name))
                    continue;
                left = true;
                progress |= Remove(top, name, moved, ref serial);
            }

            if (!left)
                return true;
            if (!progress)
                return false;
        }
    }

    private static bool Remove(int top, byte* name, byte* moved, ref long serial)
    {
        if (Posix.UnlinkFileAt(top, name) == 0)
            return true;
        int error = Marshal.GetLastPInvokeError();
        if (error == Posix.ENOENT)
            return true;
        if (error is not (Posix.EISDIR or Posix.EPERM))
            return false;
        if (Posix.UnlinkDirectoryAt(top, name) == 0)
            return true;
        if (Marshal.GetLastPInvokeError() is not (Posix.ENOTEMPTY or Posix.EEXIST))
            return false;
        int descriptor = Posix.OpenDirectoryAt(top, name);
        // A directory of this user's own that forbids its owner to list it: fchmodat cannot follow a link here, name is a directory.
        if (descriptor < 0 && Posix.ChangeModeAt(top, name, 0x1C0, 0) == 0)
            descriptor = Posix.OpenDirectoryAt(top, name);
        if (descriptor < 0)
            return false;
        nint list = Posix.ListDirectory(descriptor);
        if (list == 0)
        {
            _ = Posix.Close(descriptor);
            return false;
        }

        bool progress = false;
        for (nint entry = Posix.NextEntry(list); entry != 0; entry = Posix.NextEntry(list))
        {
            byte* child = Posix.NameOf(entry);
            if (Posix.IsSelfOrParent(child))
                continue;
            if (Posix.UnlinkFileAt(descriptor, child) == 0 || Posix.UnlinkDirectoryAt(descriptor, child) == 0)
            {
                progress = true;
                continue;
            }

            do
                WriteName(moved, serial++);
            while (Posix.StatAt(top, moved, out _) == 0);
            progress |= Posix.RenameAt(descriptor, child, top, moved) == 0;
        }

        _ = Posix.CloseDirectory(list);
        return Posix.UnlinkDirectoryAt(top, name) == 0 || progress;
    }

    private static void WriteName(byte* target, long serial)
    {
        int length = 0;
        target[length++] = (byte)'~';
        do
            target[length++] = (byte)('0' + (serial % 10));
        while ((serial /= 10) > 0);
        target[length] = 0;
    }
}
