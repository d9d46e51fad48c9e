using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;

namespace Osa.Examples.Tests;

/// <summary>The source's image, built by its own script, and run the way a node runs sources. In the long form only: the quickstart builds and pulls with it too.</summary>
public sealed class SourceImage : IAsyncLifetime
{
    /// <summary>The name by which a container calls this machine.</summary>
    public const string Upstream = "upstream.test";

    public string Id { get; private set; } = "";

    /// <summary>Where containers of the engine reach this machine.</summary>
    public static IPAddress Bridge { get; } = NetworkInterface.GetAllNetworkInterfaces()
        .Single(link => link.Name == "docker0").GetIPProperties().UnicastAddresses
        .Single(address => address.Address.AddressFamily == AddressFamily.InterNetwork).Address;

    public static bool IsLong { get; } = Environment.GetEnvironmentVariable("OSA_TESTS_LONG") is not null;

    public async ValueTask InitializeAsync()
    {
        if (!IsLong)
        {
            return;
        }

        var (exitCode, output) = await Image.RunProcess(Path.Combine(Example.SourceFolder, "build"), []);
        Assert.True(exitCode == 0, $"sdk/examples/proteins-source/build failed:\n{output}");
        Id = output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)[^1];
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>One chunk, hardened as DESIGN.md section 6 demands.</summary>
    /// <param name="authorities">A file of certificates to trust in place of the image's own.</param>
    internal async Task<Chunk> RunAsync(SourceCall call, string? authorities = null)
    {
        using var folders = new SourceFolders(call);
        var (exitCode, log) = await Image.RunProcess("docker",
        [
            "run", "--rm", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--user", "65534:65534",
            "--pids-limit", "256", "--memory", "256m", "--memory-swap", "256m", "--cpus", "0.5",
            "--add-host", $"{Upstream}:{Bridge}",
            "--mount", $"type=bind,source={folders.In},target=/osa/in,readonly",
            "--mount", $"type=bind,source={folders.Out},target=/osa/out",
            "--mount", $"type=bind,source={folders.Files},target=/osa/files",
            .. authorities is null ? [] : new[] { "--mount", $"type=bind,source={authorities},target=/etc/ssl/certs/ca-certificates.crt,readonly" },
            "--env", "OSA_IN=/osa/in", "--env", "OSA_OUT=/osa/out", "--env", "OSA_FILES=/osa/files",
            .. call.Variables.SelectMany(variable => new[] { "--env", $"{variable.Key}={variable.Value}" }),
            Id,
        ]);
        return folders.Read(exitCode, log);
    }
}
