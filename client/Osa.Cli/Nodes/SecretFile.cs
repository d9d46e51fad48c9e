namespace Osa.Cli.Nodes;

/// <summary>Files that nobody but their owner may read.</summary>
internal static class SecretFile
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    /// <summary>Writes a new file with mode 0600.</summary>
    /// <exception cref="IOException">There is one already.</exception>
    public static void Create(string path, string content)
    {
        CreateDirectoryOf(path);
        using var file = new FileStream(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnerOnly });
        using var writer = new StreamWriter(file);
        writer.WriteLine(content);
    }

    /// <summary>Writes a file with mode 0600 in place of the one that may be there.</summary>
    public static async Task ReplaceAsync(string path, string content, CancellationToken cancellationToken)
    {
        CreateDirectoryOf(path);
        var fresh = $"{path}.{Guid.NewGuid():N}";
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = OwnerOnly };
        await using (var writer = new StreamWriter(new FileStream(fresh, options)))
        {
            await writer.WriteLineAsync(content.AsMemory(), cancellationToken);
        }

        File.Move(fresh, path, overwrite: true);
    }

    private static void CreateDirectoryOf(string path) =>
        Directory.CreateDirectory(Path.GetDirectoryName(path)!, OwnerOnly | UnixFileMode.UserExecute);
}
