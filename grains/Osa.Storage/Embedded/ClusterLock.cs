using Osa.Domain.Errors;
using Osa.Storage.Files;

namespace Osa.Storage.Embedded;

/// <summary>Keeps a second node from running the same cluster. The kernel lets go of it when the node dies, however it dies.</summary>
internal sealed class ClusterLock : IDisposable
{
    private readonly FileStream _file;
    private readonly string _holder;

    private ClusterLock(FileStream file, string holder)
    {
        _file = file;
        _holder = holder;
        File.WriteAllText(holder, $"process {Environment.ProcessId} on {Environment.MachineName}");
    }

    /// <exception cref="OsaException">FailedPrecondition: another node has it; names its process.</exception>
    public static ClusterLock Take(ClusterHome home, string dataDirectory)
    {
        // Beside the lock, since a locked file cannot be read.
        string holder = home.In("lock.holder");
        try
        {
            return new ClusterLock(
                new FileStream(home.In("lock"), new FileStreamOptions
                {
                    Mode = FileMode.OpenOrCreate,
                    Access = FileAccess.ReadWrite,
                    Share = FileShare.None,
                    UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
                }),
                holder);
        }
        catch (IOException e) when (e.HResult == Posix.Eagain)
        {
            throw OsaException.Precondition(
                $"another node ({(File.Exists(holder) ? File.ReadAllText(holder) : "process unknown")}) runs on {dataDirectory}: stop it, or start this one with another data directory, or with the connection string of a shared PostgreSQL");
        }
        catch (UnauthorizedAccessException e)
        {
            throw OsaException.Unavailable($"{home.Path} belongs to another user: start the node as the user that it was first started as", e);
        }
    }

    public void Dispose()
    {
        try
        {
            File.Delete(_holder);
        }
        catch (DirectoryNotFoundException)
        {
            // Somebody deleted the data directory of a running node.
        }

        _file.Dispose();
    }
}
