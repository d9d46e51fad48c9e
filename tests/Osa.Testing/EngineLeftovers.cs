using System.Collections.Concurrent;
using System.Diagnostics;

namespace Osa.Testing;

/// <summary>
/// What nodes leave with the container engine. A node that is stopped leaves its containers and their networks to be found again; where
/// its data directory is deleted nobody will, and an engine has about thirty networks to give.
/// </summary>
public static class EngineLeftovers
{
    private static readonly ConcurrentDictionary<string, string> Clusters = new(StringComparer.Ordinal);

    /// <summary>Removes every container and network of a node.</summary>
    /// <param name="clusterId">The label they carry.</param>
    public static void Remove(string clusterId)
    {
        foreach (string label in (string[])["osa.cluster", "osa.helper"])
        {
            string filter = $"label={label}={clusterId}";
            if (Docker("ps", "--all", "--quiet", "--filter", filter) is { Length: > 0 } containers)
                Docker(["rm", "--force", .. containers]);
            if (Docker("network", "ls", "--quiet", "--filter", filter) is { Length: > 0 } networks)
                Docker(["network", "rm", .. networks]);
        }
    }

    internal static void Note(string data, string clusterId) => Clusters[data] = clusterId;

    /// <summary>Removes what nodes have left whose data are in this directory or below.</summary>
    internal static void RemoveOfData(string directory)
    {
        foreach ((string data, string clusterId) in Clusters.Where(c => c.Key == directory || c.Key.StartsWith(directory + "/", StringComparison.Ordinal)))
        {
            Clusters.TryRemove(data, out _);
            Remove(clusterId);
        }
    }

    /// <returns>The lines of its output.</returns>
    private static string[] Docker(params string[] arguments)
    {
        using Process docker = Process.Start(new ProcessStartInfo("docker", arguments) { UseShellExecute = false, RedirectStandardOutput = true })!;
        string output = docker.StandardOutput.ReadToEnd();
        docker.WaitForExit();
        return docker.ExitCode == 0
            ? output.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            : throw new InvalidOperationException($"docker {string.Join(' ', arguments)} ended with {docker.ExitCode}");
    }
}
