namespace Osa.Testing;

/// <summary>A directory that is gone after the test, with what nodes had their data in it left with the engine; anybody may pass through it.</summary>
public sealed class TempDirectory : IDisposable
{
    public TempDirectory()
    {
        Path = Directory.CreateTempSubdirectory("osa-test-").FullName;
        File.SetUnixFileMode(Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.GroupExecute | UnixFileMode.OtherExecute);
    }

    public string Path { get; }

    /// <summary>A path inside it.</summary>
    public string this[string name] => System.IO.Path.Combine(Path, name);

    public void Dispose()
    {
        EngineLeftovers.RemoveOfData(Path);
        Directory.Delete(Path, recursive: true);
    }
}
