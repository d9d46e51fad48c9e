using System.Net;
using Osa.Containers;
using Osa.Domain.Conventions;
using Osa.Domain.Errors;
using Osa.Grains;

namespace Osa.Silo.Hosting;

/// <summary>Everything an operator can set, each as an environment variable <c>OSA_…</c> (or a key of the same name in appsettings.json).</summary>
public sealed record NodeOptions
{
    /// <summary>Directory of everything the node keeps. Default: <c>~/.local/share/osa</c>.</summary>
    [ConfigurationKeyName("DATA")]
    public string Data { get; init; } = Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.LocalApplicationData, Environment.SpecialFolderOption.DoNotVerify), "osa");

    /// <summary>The domain in every name that the node gives; never changes after the first start. Default: <c>localhost</c>.</summary>
    [ConfigurationKeyName("DOMAIN")]
    public string Domain { get; init; } = "localhost";

    /// <summary>Where clients connect (gRPC, HTTP/2). Plain http only on loopback; https takes its certificate from Kestrel's settings. Default: <c>http://127.0.0.1:7400</c>.</summary>
    [ConfigurationKeyName("LISTEN")]
    public Uri Listen { get; init; } = new("http://127.0.0.1:7400");

    /// <summary>
    /// Where operators connect (HTTP/1.1: <c>/health</c>, <c>/metrics</c>, the dashboard). Loopback only: put a proxy before it for others. Port 0 is any free one, which
    /// <c>osa node status</c> shows. Default: <c>http://127.0.0.1:0</c>.
    /// </summary>
    [ConfigurationKeyName("OPERATIONS")]
    public Uri Operations { get; init; } = new("http://127.0.0.1:0");

    /// <summary><c>text</c>, or <c>json</c>: one object per line, with the ids of traces. Default: <c>text</c>.</summary>
    [ConfigurationKeyName("LOG_FORMAT")]
    public string LogFormat { get; init; } = "text";

    /// <summary>Npgsql connection string. Default: none, the node owns a private PostgreSQL in its data directory.</summary>
    [ConfigurationKeyName("DATABASE")]
    public string? Database { get; init; }

    /// <summary><c>api</c>, <c>containers</c> or both. Default: <c>api,containers</c>.</summary>
    [ConfigurationKeyName("ROLES")]
    public string Roles { get; init; } = "api,containers";

    /// <summary>Address for the other silos; whoever reaches it is trusted. Default: <c>127.0.0.1</c>.</summary>
    [ConfigurationKeyName("SILO_ADDRESS")]
    public string SiloAddress { get; init; } = "127.0.0.1";

    /// <summary>Port for the other silos. Default: 0, any free one.</summary>
    [ConfigurationKeyName("SILO_PORT")]
    public int SiloPort { get; init; }

    /// <summary>File with the base64 of at least 32 random bytes that sign tokens. Default: <c>secrets/signing.key</c> in the data directory.</summary>
    [ConfigurationKeyName("SIGNING_KEY_FILE")]
    public string? SigningKeyFile { get; init; }

    /// <summary>The container engine. Default: <c>unix:///var/run/docker.sock</c>.</summary>
    [ConfigurationKeyName("ENGINE")]
    public Uri Engine { get; init; } = new("unix:///var/run/docker.sock");

    /// <summary>Directory for inputs and raw outputs of containers, local to the engine's machine. Default: <c>scratch</c> in the data directory.</summary>
    [ConfigurationKeyName("SCRATCH")]
    public string? Scratch { get; init; }

    /// <summary>The data directory as the engine's machine sees it, when the node runs in a container itself. Default: the same path.</summary>
    [ConfigurationKeyName("HOST_DATA")]
    public string? HostData { get; init; }

    /// <summary>The static program of the node's own image. Default: <c>osa-probe</c> beside the node's program.</summary>
    [ConfigurationKeyName("PROBE")]
    public string Probe { get; init; } = Path.Combine(AppContext.BaseDirectory, "osa-probe");

    /// <summary>Containers at the same time per core. Default: 2.</summary>
    [ConfigurationKeyName("SLOTS_PER_CORE")]
    public int SlotsPerCore { get; init; } = 2;

    /// <summary>How far the sum of the containers' cpu limits may exceed the cores. Default: 4.</summary>
    [ConfigurationKeyName("CPU_OVERCOMMIT")]
    public double CpuOvercommit { get; init; } = 4;

    /// <summary>Memory for all containers together, in bytes; never overcommitted. Default: the engine's, less a tenth.</summary>
    [ConfigurationKeyName("CONTAINER_MEMORY")]
    public long? ContainerMemory { get; init; }

    /// <summary>How long a silent silo is probed before it counts as suspect, in seconds; two missed probes in a row end it. Default: 2.</summary>
    [ConfigurationKeyName("PROBE_SECONDS")]
    public double ProbeSeconds { get; init; } = 2;

    /// <summary>
    /// Private addresses that sources may reach beside public ones, with commas: <c>10.1.2.0/24</c>, <c>10.1.2.3</c>, <c>10.1.2.3:8080</c>. Ports of the node, of its
    /// database and of the engine stay closed. Default: none.
    /// </summary>
    [ConfigurationKeyName("SOURCE_ALLOW")]
    public string SourceAllow { get; init; } = "";

    /// <summary>The public limits, <c>OSA_LIMITS__MaxHookMemoryBytes</c> and so on.</summary>
    [ConfigurationKeyName("LIMITS")]
    public NodeLimits Limits { get; init; } = new();

    public NodeRoles NodeRoles => Roles.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Aggregate(
        NodeRoles.None,
        (roles, name) => name switch
        {
            "api" => roles | NodeRoles.Api,
            "containers" => roles | NodeRoles.Containers,
            _ => throw OsaException.Invalid("OSA_ROLES", "roles", $"'{name}' is not a role; api and containers are"),
        });

    /// <exception cref="OsaException">InvalidArgument.</exception>
    public IReadOnlyList<EgressRule> SourceRules => [.. SourceAllow.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select(ReadRule)];

    /// <exception cref="OsaException">InvalidArgument: a setting that cannot work, with what would.</exception>
    public void Validate()
    {
        if (NodeRoles == NodeRoles.None)
        {
            throw OsaException.Invalid("OSA_ROLES", "roles", "name api, containers or both");
        }

        if (Listen.Scheme is not ("http" or "https"))
        {
            throw OsaException.Invalid("OSA_LISTEN", "scheme", $"'{Listen}' is neither http nor https");
        }

        if (Listen.Scheme == "http" && !Listen.IsLoopback)
        {
            throw OsaException.Invalid("OSA_LISTEN", "tls", $"'{Listen}' would carry tokens in the clear; use https with a certificate, or a loopback address behind a proxy");
        }

        if (Operations.Scheme != "http" || !Operations.IsLoopback)
        {
            throw OsaException.Invalid("OSA_OPERATIONS", "address", $"'{Operations}' is not plain http on a loopback address; put a proxy with TLS and sign-in before it for others");
        }

        if (LogFormat is not ("text" or "json"))
        {
            throw OsaException.Invalid("OSA_LOG_FORMAT", "choice", $"'{LogFormat}' is neither text nor json");
        }

        _ = SourceRules;
        if (!IPAddress.TryParse(SiloAddress, out _))
        {
            throw OsaException.Invalid("OSA_SILO_ADDRESS", "address", $"'{SiloAddress}' is not an IP address");
        }

        if (ProbeSeconds is not (>= 0.2 and <= 60))
        {
            throw OsaException.Invalid("OSA_PROBE_SECONDS", "range", "must be between 0.2 and 60");
        }
    }

    private static EgressRule ReadRule(string text)
    {
        try
        {
            return EgressRule.Parse(text);
        }
        catch (OsaException e)
        {
            throw OsaException.Invalid("OSA_SOURCE_ALLOW", e.Violations[0].Rule, e.Violations[0].Message);
        }
    }
}
