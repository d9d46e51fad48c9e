using System.Globalization;
using Docker.DotNet.Models;
using Osa.Domain.Hooks;

namespace Osa.Containers.Engine;

/// <summary>An image that the engine has.</summary>
/// <param name="Volumes">Paths that the image declares as volumes.</param>
internal sealed record LocalImage(string Id, IReadOnlyList<string> Volumes);

/// <summary>How a container is confined. One place for all containers of the node.</summary>
internal static class Hardening
{
    public const string ClusterLabel = "osa.cluster";
    public const string HelperLabel = "osa.helper";
    public const string RunLabel = "osa.run";
    public const string HookLabel = "osa.hook";
    public const string UnitLabel = "osa.unit";
    public const string AttemptLabel = "osa.attempt";
    public const string ScratchLabel = "osa.scratch";
    public const string StagedLabel = "osa.staged";
    public const string GateLabel = "osa.gate";
    public const string EgressLabel = "osa.egress";

    public const string HookUser = "65534:65534";

    private static readonly HookLimits GateLimits = new(0, 32 << 20, 1, 32);

    private const long SharedMemoryBytes = 16 << 20;
    private const string TemporaryFiles = "rw,noexec,nosuid,nodev,size=100m,uid=65534,gid=65534,mode=1777";

    /// <param name="engineCpus">Cores of the engine: it refuses a limit above them.</param>
    public static CreateContainerParameters Container(
        string name,
        LocalImage image,
        IDictionary<string, string> labels,
        IReadOnlyDictionary<string, string> environment,
        HookLimits limits,
        long maxFileBytes,
        IEnumerable<Mount> mounts,
        long engineCpus) => new()
        {
            Name = name,
            Image = image.Id,
            User = HookUser,
            Labels = labels,
            Env = [.. environment.Select(variable => $"{variable.Key}={variable.Value}")],
            NetworkDisabled = true,
            // An image's own health check would run inside the limits, beside the hook.
            Healthcheck = new HealthConfig { Test = ["NONE"] },
            HostConfig = new HostConfig
            {
                NetworkMode = "none",
                ReadonlyRootfs = true,
                CapDrop = ["ALL"],
                SecurityOpt = ["no-new-privileges"],
                PidsLimit = limits.Pids,
                Memory = limits.MemoryBytes,
                MemorySwap = limits.MemoryBytes,
                NanoCPUs = (long)(Math.Min(limits.Cpu, engineCpus) * 1e9),
                // Without processes: those would be counted for the user over all containers.
                Ulimits =
                [
                    new Ulimit { Name = "fsize", Soft = maxFileBytes, Hard = maxFileBytes },
                    new Ulimit { Name = "core", Soft = 0, Hard = 0 },
                ],
                // Private and small rather than none: Python's multiprocessing needs /dev/shm.
                IpcMode = "private",
                ShmSize = SharedMemoryBytes,
                // An image's declared volumes would be writable on the host's disk, outside every limit.
                Tmpfs = image.Volumes.Where(path => !path.StartsWith("/osa", StringComparison.Ordinal)).Append("/tmp").Distinct().ToDictionary(path => path, _ => TemporaryFiles),
                Mounts = [.. mounts],
                LogConfig = new LogConfig
                {
                    Type = "json-file",
                    Config = new Dictionary<string, string> { ["max-size"] = "50m", ["max-file"] = "2" },
                },
                RestartPolicy = new RestartPolicy { Name = RestartPolicyKind.No },
                AutoRemove = false,
                OomScoreAdj = 500,
            },
        };

    /// <summary>Lets a container write to its root file system and use the network of a gate, in whose namespace it has no right to change anything.</summary>
    public static void OpenThrough(string gateId, CreateContainerParameters container)
    {
        container.NetworkDisabled = false;
        container.HostConfig.NetworkMode = Through(gateId);
        container.HostConfig.ReadonlyRootfs = false;
    }

    /// <summary>The network mode of a container that uses another one's network.</summary>
    public static string Through(string gateId) => "container:" + gateId;

    /// <summary>The container that closes a network off: the node's own program as root, with the right to change its network and no other.</summary>
    /// <param name="network">Id of the network that it is alone in.</param>
    /// <param name="hasIPv6">The machine's kernel speaks IPv6, so that it has to be told not to.</param>
    public static CreateContainerParameters Gate(
        string name, LocalImage image, IDictionary<string, string> labels, string network, IReadOnlyList<string> rules, IEnumerable<string> nameServers, bool hasIPv6, long engineCpus)
    {
        CreateContainerParameters gate = Container(name, image, labels, new Dictionary<string, string>(), GateLimits, 1 << 20, [], engineCpus);
        gate.Entrypoint = ["/osa-probe", "gate", .. rules];
        gate.User = "0:0";
        gate.Hostname = "source";
        gate.NetworkDisabled = false;
        gate.HostConfig.CapAdd = ["NET_ADMIN"];
        gate.HostConfig.NetworkMode = network;
        gate.HostConfig.DNS = [.. nameServers];
        // The machine's own search list says where it stands.
        gate.HostConfig.DNSSearch = ["."];
        if (hasIPv6)
            gate.HostConfig.Sysctls = new Dictionary<string, string> { ["net.ipv6.conf.all.disable_ipv6"] = "1", ["net.ipv6.conf.default.disable_ipv6"] = "1" };
        return gate;
    }

    public static Mount Bind(string hostPath, string target, bool readOnly) => new() { Type = "bind", Source = hostPath, Target = target, ReadOnly = readOnly };

    public static Dictionary<string, string> Labels(string cluster, JobLabels labels, string hostScratch, string staged) => new(Labels(cluster, labels))
    {
        [ScratchLabel] = hostScratch,
        [StagedLabel] = staged,
    };

    /// <param name="attempt">Name of the container that goes through this gate.</param>
    /// <param name="egress">Which policy the gate stands for.</param>
    public static Dictionary<string, string> GateLabels(string cluster, JobLabels labels, string attempt, string egress) => new(Labels(cluster, labels))
    {
        [GateLabel] = attempt,
        [EgressLabel] = egress,
    };

    public static Dictionary<string, string> Labels(string cluster, JobLabels labels) => new()
    {
        [ClusterLabel] = cluster,
        [RunLabel] = labels.Run,
        [HookLabel] = labels.Hook,
        [UnitLabel] = labels.Unit,
        [AttemptLabel] = labels.Attempt.ToString(CultureInfo.InvariantCulture),
    };
}
