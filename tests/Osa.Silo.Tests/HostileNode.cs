using System.Net;
using System.Net.Sockets;
using Osa.Testing;

namespace Osa.Silo.Tests;

/// <summary>A node with low limits, so that what has to reach them does so soon, and sources that may reach two ports of this machine.</summary>
public sealed class HostileNode : IAsyncLifetime
{
    public const int MaxLineBytes = 1 << 20;
    public const int MaxQuarantined = 60;

    private readonly TempDirectory _data = new();
    private TcpListener? _upstream;

    public Archive Archive { get; private set; } = null!;

    /// <summary>Of <see cref="Pulls.ObedientSource"/>.</summary>
    public string Image { get; private set; } = "";

    /// <summary>This machine, as containers see it.</summary>
    public string Bridge { get; private set; } = "";

    /// <summary>Allowed, and somebody listens.</summary>
    public int UpstreamPort => ((IPEndPoint)_upstream!.LocalEndpoint).Port;

    /// <summary>Allowed, and nobody listens.</summary>
    public int DeadPort { get; } = FreePort.Next();

    public string Database { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        (_, string gateway) = await Unprivileged.RunAsync("docker", "network", "inspect", "bridge", "--format", "{{range .IPAM.Config}}{{.Gateway}}{{end}}");
        Bridge = gateway.Trim() is { Length: > 0 } given ? given : "172.17.0.1";
        _upstream = new TcpListener(IPAddress.Parse(Bridge), 0);
        _upstream.Start();
        Image = await ShellImage.ImportAsync(Pulls.ObedientSource);
        Database = await PostgresServer.CreateDatabaseAsync();
        Archive = await Archive.StartAsync(
            _data.Path, Database, engine: true, ("OSA_LIMITS__MaxSourceBytes", $"{32 << 20}"), ("OSA_LIMITS__MaxSourceFiles", "500"), ("OSA_LIMITS__MaxSourceLineBytes", $"{MaxLineBytes}"),
            ("OSA_LIMITS__MaxQuarantined", $"{MaxQuarantined}"), ("OSA_LIMITS__MinFreeDiskBytes", $"{64 << 20}"), ("OSA_SOURCE_ALLOW", $"{Bridge}:{UpstreamPort}, {Bridge}:{DeadPort}"),
            // What its sources do is mostly waiting.
            ("OSA_SLOTS_PER_CORE", "4"));
    }

    public async ValueTask DisposeAsync()
    {
        await Archive.DisposeAsync();
        await ShellImage.RemoveAsync(Image);
        _upstream?.Dispose();
        _data.Dispose();
    }
}
