using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using Osa.Client;
using Osa.TestHooks.Support;
using Osa.V1;

namespace Osa.Testing;

/// <summary>How a silo is started.</summary>
/// <param name="Data">The data directory; several silos of one node share it.</param>
/// <param name="Database">Null: the node's own PostgreSQL.</param>
public sealed record NodeSetup(string Data, string? Database = null)
{
    public string Roles { get; init; } = "api,containers";

    /// <summary>Short, so that a dead silo is noticed in a second or two.</summary>
    public double ProbeSeconds { get; init; } = 0.5;

    /// <summary>A point at which it kills itself, armed before it starts.</summary>
    public string? KillAt { get; init; }

    /// <summary>Its lines count as covered when coverage is measured, which costs it a third of its speed.</summary>
    public bool IsCovered { get; init; }

    /// <summary>Faults may be armed; each point then looks for one.</summary>
    public bool HasFaultPoints { get; init; } = true;

    /// <summary>Further variables, <c>OSA_…</c>.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>The user that runs it; null for the one of the tests.</summary>
    public string? User { get; init; }
}

/// <summary>A real silo, as a process of its own that can be stopped and killed.</summary>
public sealed class NodeProcess : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    private readonly Process _process;
    private readonly NodeSetup _setup;
    private readonly List<OsaClient> _clients = [];

    private NodeProcess(Process process, NodeSetup setup, Uri address, string faults)
    {
        (_process, _setup, Address, FaultDirectory) = (process, setup, address, faults);
    }

    public Uri Address { get; }

    public int ProcessId => _process.Id;

    public bool HasExited => _process.HasExited;

    /// <summary>Where a file named after a fault point arms it, with the text <c>stop</c>, <c>kill</c> or <c>wait</c>.</summary>
    public string FaultDirectory { get; }

    /// <summary>The last MiB of what it has written so far.</summary>
    public string Log
    {
        get
        {
            if (!File.Exists(LogPath))
            {
                return "";
            }

            using FileStream log = File.OpenRead(LogPath);
            log.Seek(-Math.Min(log.Length, 1 << 20), SeekOrigin.End);
            return new StreamReader(log).ReadToEnd();
        }
    }

    private string LogPath => FaultDirectory + ".log";

    /// <summary>Starts a silo and waits until it answers.</summary>
    /// <exception cref="InvalidOperationException">It ended instead; the message is its log.</exception>
    public static async Task<NodeProcess> StartAsync(NodeSetup setup)
    {
        await WriteKeyAsync(setup.Data);
        string probe = await StaticPrograms.ProbeBinaryAsync();
        var address = new Uri($"http://127.0.0.1:{FreePort.Next().ToString(CultureInfo.InvariantCulture)}");
        string faults = Path.Combine(setup.Data, "faults-" + Guid.NewGuid().ToString("N")[..8]);
        Directory.CreateDirectory(faults);
        if (setup.KillAt is { } point)
        {
            await File.WriteAllTextAsync(Path.Combine(faults, point), "kill");
        }

        string[] program = [SiloPath()];
        if (setup.User is not null)
        {
            program = await Unprivileged.CommandAsync(setup.User, program);
        }

        var start = new ProcessStartInfo("/bin/sh", ["-c", $"exec \"$@\" >'{faults}.log' 2>&1 </dev/null", "sh", .. program]) { UseShellExecute = false };
        foreach ((string name, string? value) in new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["OSA_DATA"] = setup.Data,
            ["OSA_DATABASE"] = setup.Database,
            ["OSA_LISTEN"] = address.ToString(),
            ["OSA_SILO_PORT"] = FreePort.Next().ToString(CultureInfo.InvariantCulture),
            ["OSA_ROLES"] = setup.Roles,
            ["OSA_PROBE"] = probe,
            ["OSA_PROBE_SECONDS"] = setup.ProbeSeconds.ToString(CultureInfo.InvariantCulture),
            ["OSA_FAULTS"] = setup.HasFaultPoints ? faults : null,
        }.Concat(setup.Environment.Select(e => new KeyValuePair<string, string?>(e.Key, e.Value))))
        {
            start.Environment[name] = value;
        }

        if (!setup.IsCovered)
        {
            start.Environment["CORECLR_ENABLE_PROFILING"] = "0";
        }

        var node = new NodeProcess(Process.Start(start)!, setup, address, faults);
        try
        {
            OsaClient client = node.Client();
            await Eventually.True(
                async () =>
                {
                    if (node.HasExited)
                    {
                        throw new InvalidOperationException($"the silo ended with {node._process.ExitCode}:\n{node.Log}");
                    }

                    try
                    {
                        await client.Node.InfoAsync();
                        return true;
                    }
                    catch (OsaClientException)
                    {
                        return false;
                    }
                },
                Patience,
                () => $"the silo does not answer:\n{node.Log}");
            return node;
        }
        catch
        {
            // One that does not answer would outlive the test.
            await node.DisposeAsync();
            throw;
        }
    }

    /// <summary>A client with a token of that role; the same name is the same user.</summary>
    public OsaClient Client(string role = "admin", string user = "ada")
    {
        OsaClient client = OsaClient.Connect(Address, Token(_setup.Data, role, UserId(user)));
        _clients.Add(client);
        return client;
    }

    /// <summary>A client without a token.</summary>
    public OsaClient Anonymous()
    {
        OsaClient client = OsaClient.Connect(Address);
        _clients.Add(client);
        return client;
    }

    public static Guid UserId(string name) => new(SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(name)).AsSpan(0, 16));

    /// <summary>A token as the node's key signs it.</summary>
    public static string Token(string data, string role, Guid user, TimeSpan? lifetime = null, byte[]? key = null)
    {
        DateTime now = TimeProvider.System.GetUtcNow().UtcDateTime;
        return new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(new SecurityTokenDescriptor
        {
            Audience = "authenticated",
            IssuedAt = now,
            Expires = now + (lifetime ?? TimeSpan.FromDays(1)),
            Claims = new Dictionary<string, object>(StringComparer.Ordinal) { ["sub"] = user.ToString(), ["name"] = "test", ["role"] = role, ["jti"] = Guid.NewGuid().ToString("N") },
            SigningCredentials = new SigningCredentials(
                new SymmetricSecurityKey(key ?? Convert.FromBase64String(File.ReadAllText(Path.Combine(data, "secrets", "signing.key")))), SecurityAlgorithms.HmacSha256),
        });
    }

    /// <summary>Waits until some container engine offers slots.</summary>
    public Task WaitForEngineAsync()
    {
        OsaClient client = Client();
        return Eventually.True(
            async () =>
            {
                NodeStatus status = await client.Node.StatusAsync();
                EngineLeftovers.Note(_setup.Data, status.ClusterId);
                return status.ContainerHosts.Any(h => string.Equals(h.State, "ready", StringComparison.Ordinal));
            },
            Patience,
            () => $"no container engine became ready:\n{Log}");
    }

    /// <summary>Stops the process (<c>STOP</c>), wakes it (<c>CONT</c>), asks it to end (<c>TERM</c>) or ends it (<c>KILL</c>).</summary>
    public void Signal(string name)
    {
        using Process kill = Process.Start("kill", [$"-{name}", ProcessId.ToString(CultureInfo.InvariantCulture)]);
        kill.WaitForExit();
    }

    public async Task KillAsync()
    {
        Signal("KILL");
        await _process.WaitForExitAsync();
    }

    /// <summary>Asks it to end, and waits.</summary>
    /// <returns>The exit code.</returns>
    public async Task<int> TerminateAsync()
    {
        Signal("TERM");
        await _process.WaitForExitAsync().WaitAsync(Patience);
        return _process.ExitCode;
    }

    /// <summary>The next time the silo gets to the point, it is stopped or killed there, or the work waits for <see cref="Release"/>.</summary>
    public void Arm(string point, string action) => File.WriteAllText(Path.Combine(FaultDirectory, point), action);

    /// <summary>Waits until the silo got to an armed point.</summary>
    public Task FiredAsync(string point) =>
        Eventually.True(() => File.Exists(Path.Combine(FaultDirectory, point + ".fired")), Patience, $"the silo never got to {point}");

    /// <summary>Lets go on what waits at the point.</summary>
    public void Release(string point) => File.Delete(Path.Combine(FaultDirectory, point + ".fired"));

    /// <summary>Ends the silo, whatever state it is in, and waits.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (OsaClient client in _clients)
        {
            client.Dispose();
        }

        if (!HasExited)
        {
            Signal("CONT");
            Signal("TERM");
            try
            {
                await _process.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(45));
            }
            catch (TimeoutException)
            {
                await KillAsync();
            }
        }

        _process.Dispose();
    }

    private static async Task WriteKeyAsync(string data)
    {
        string path = Path.Combine(data, "secrets", "signing.key");
        if (File.Exists(path))
        {
            return;
        }

        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        await File.WriteAllTextAsync(path, Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)));
        File.SetUnixFileMode(path, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    /// <summary>The silo that <c>tests/run</c> has published, or else the one that was built with these tests.</summary>
    private static string SiloPath() =>
        Environment.GetEnvironmentVariable("OSA_TEST_SILO")
        ?? Path.Combine(StaticPrograms.SolutionDirectory, "artifacts", "bin", "Osa.Silo", new DirectoryInfo(AppContext.BaseDirectory).Name, "osa-silo");
}
