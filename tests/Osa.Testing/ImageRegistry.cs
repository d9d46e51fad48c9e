using System.Diagnostics;
using System.Globalization;

namespace Osa.Testing;

/// <summary>
/// A throw-away registry of container images (Debian's docker-registry) on a loopback port, which a container engine uses without TLS.
/// It is of use to tests that push to it: it has nothing at first.
/// </summary>
public sealed class ImageRegistry : IAsyncDisposable
{
    private readonly TempDirectory _directory;
    private readonly Process _process;
    private readonly List<string> _pushed = [];

    private ImageRegistry(TempDirectory directory, Process process, int port) => (_directory, _process, Address) = (directory, process, $"127.0.0.1:{port}");

    /// <summary>Host and port, with which its images' references begin.</summary>
    public string Address { get; }

    public static async Task<ImageRegistry> StartAsync()
    {
        var directory = new TempDirectory();
        int port = FreePort.Next();
        await File.WriteAllTextAsync(directory["config.yml"], string.Create(CultureInfo.InvariantCulture, $$"""
            version: 0.1
            log: { level: error }
            storage: { filesystem: { rootdirectory: {{directory["images"]}} }, delete: { enabled: true } }
            http: { addr: 127.0.0.1:{{port}} }
            """));
        string program = Environment.GetEnvironmentVariable("OSA_TEST_REGISTRY") ?? "docker-registry";
        // It ends with its input, which the tests' process holds however it ends itself.
        Process process = Process.Start(new ProcessStartInfo("/bin/sh", ["-c", "\"$@\" < /dev/null & read -r end; kill -9 $!; wait", "sh", program, "serve", directory["config.yml"]])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var output = new List<string>();
        process.OutputDataReceived += Keep;
        process.ErrorDataReceived += Keep;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        var registry = new ImageRegistry(directory, process, port);
        using var client = new HttpClient();
        await Eventually.True(
            async () =>
            {
                try
                {
                    return (await client.GetAsync(new Uri($"http://{registry.Address}/v2/"))).IsSuccessStatusCode;
                }
                catch (HttpRequestException) when (!process.HasExited)
                {
                    return false;
                }
            },
            TimeSpan.FromSeconds(30),
            () => "the registry does not answer (tests/run sees to it that Debian's docker-registry is there): " + string.Join('\n', output));
        return registry;

        void Keep(object sender, DataReceivedEventArgs line)
        {
            if (line.Data is not null)
            {
                lock (output)
                {
                    output.Add(line.Data);
                }
            }
        }
    }

    /// <summary>Makes an image of its own out of one that the engine has, and pushes it; the engine does not have it afterwards.</summary>
    /// <param name="name">Repository and tag, without the registry.</param>
    /// <returns>The reference to pull it by, its digest in the registry, and its id on an engine.</returns>
    public async Task<PushedImage> PushAsync(string image, string name)
    {
        string reference = $"{Address}/{name}";
        string container = await DockerAsync("create", image);
        try
        {
            // A label makes it another image than the one it comes from.
            string id = await DockerAsync("commit", "--change", "LABEL osa.test.copy=" + Guid.NewGuid().ToString("N"), container, reference);
            await DockerAsync("push", "--quiet", reference);
            string digest = await DockerAsync("image", "inspect", "--format", "{{index .RepoDigests 0}}", id);
            await DockerAsync("image", "rm", "--force", id);
            _pushed.Add(id);
            return new PushedImage(reference, digest[(digest.IndexOf('@', StringComparison.Ordinal) + 1)..], id);
        }
        finally
        {
            await DockerAsync("rm", "--force", container);
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (string id in _pushed)
        {
            // Where nobody pulled it, there is nothing to remove.
            await Unprivileged.RunAsync("docker", "image", "rm", "--force", id);
        }

        _process.StandardInput.Close();
        await _process.WaitForExitAsync();
        _process.Dispose();
        _directory.Dispose();
    }

    private static async Task<string> DockerAsync(params string[] arguments)
    {
        (int code, string output) = await Unprivileged.RunAsync(["docker", .. arguments]);
        return code == 0 ? output.Trim() : throw new InvalidOperationException($"docker {string.Join(' ', arguments)}: {output}");
    }
}

/// <summary>An image that only a registry has.</summary>
/// <param name="Reference">Registry, repository and tag.</param>
/// <param name="Digest">Of its manifest, by which the registry knows it.</param>
/// <param name="Id">By which an engine will know it.</param>
public sealed record PushedImage(string Reference, string Digest, string Id);
