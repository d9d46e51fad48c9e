using Osa.Testing;

namespace Osa.Silo.Tests;

/// <summary>What has to be gone when a run is over.</summary>
internal static class Cleanup
{
    /// <summary>Waits until the engine has no container and the disk no directory of the runs.</summary>
    public static async Task IsDoneAsync(Archive archive, params string[] runs)
    {
        foreach (string run in runs)
        {
            string[] left = [];
            await Eventually.True(
                async () => (left = [.. await Archive.ContainersOfAsync(run), .. archive.ScratchOf(run)]).Length == 0,
                Archive.Patience,
                () => $"{run} left behind {string.Join(", ", left)}");
        }
    }
}
