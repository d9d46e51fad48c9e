using System.Globalization;
using Docker.DotNet.Models;

namespace Osa.Containers.Engine;

/// <summary>
/// The highest memory use of a running container and the CPU time that it has used, as far as they can be seen: from the kernel's own
/// account when the node sees the engine's cgroups (version 1 or 2, either driver), else from the engine's statistics now and then. Best
/// effort: it vanishes with the container.
/// </summary>
internal sealed class ResourceUse(EngineApi api, string containerId)
{
    private static readonly TimeSpan StatisticsInterval = TimeSpan.FromSeconds(2);

    // Where memory and CPU time stand in version 1 (nanoseconds) and version 2 (microseconds, in cpu.stat).
    private readonly (string Memory, string Cpu)[] _places =
    [
        ($"/sys/fs/cgroup/memory/docker/{containerId}/memory.max_usage_in_bytes", $"/sys/fs/cgroup/cpuacct/docker/{containerId}/cpuacct.usage"),
        (
            $"/sys/fs/cgroup/memory/system.slice/docker-{containerId}.scope/memory.max_usage_in_bytes",
            $"/sys/fs/cgroup/cpuacct/system.slice/docker-{containerId}.scope/cpuacct.usage"),
        ($"/sys/fs/cgroup/system.slice/docker-{containerId}.scope/memory.peak", $"/sys/fs/cgroup/system.slice/docker-{containerId}.scope/cpu.stat"),
        ($"/sys/fs/cgroup/docker/{containerId}/memory.peak", $"/sys/fs/cgroup/docker/{containerId}/cpu.stat"),
    ];

    private (string Memory, string Cpu)? _place;
    private long? _askedAt;
    private long _samples;

    /// <summary>In bytes; null while nothing was seen.</summary>
    public long? PeakBytes { get; private set; }

    /// <summary>Of all its processes, when it was last looked at; null while nothing was seen.</summary>
    public TimeSpan? Cpu { get; private set; }

    public async Task SampleAsync(CancellationToken cancellationToken)
    {
        if (_samples++ == 0)
            _place = _places.Where(p => File.Exists(p.Memory)).Select(p => ((string, string)?)p).FirstOrDefault();
        if (_place is { } place)
            ReadAccount(place.Memory, place.Cpu);
        // Containers that live shorter than a few looks are not worth a request.
        else if (_samples > 3 && (_askedAt is not { } asked || api.Time.GetElapsedTime(asked) > StatisticsInterval))
            await AskAsync(cancellationToken);
    }

    private void ReadAccount(string memory, string cpu)
    {
        try
        {
            if (long.TryParse(File.ReadAllText(memory), CultureInfo.InvariantCulture, out long bytes))
                Saw(bytes);
            if (!File.Exists(cpu))
                return;
            string text = File.ReadAllText(cpu);
            bool isVersion2 = text.StartsWith("usage_usec ", StringComparison.Ordinal);
            string number = isVersion2 ? text["usage_usec ".Length..text.IndexOf('\n', StringComparison.Ordinal)] : text;
            if (long.TryParse(number, CultureInfo.InvariantCulture, out long used))
                Cpu = isVersion2 ? TimeSpan.FromMicroseconds(used) : new TimeSpan(used / TimeSpan.NanosecondsPerTick);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The container has ended.
        }
    }

    private async Task AskAsync(CancellationToken cancellationToken)
    {
        _askedAt = api.Time.GetTimestamp();
        Latest latest = new();
        await api.CallAsync(
            "give statistics",
            (client, token) => client.Containers.GetContainerStatsAsync(containerId, new ContainerStatsParameters { Stream = false, OneShot = true }, latest, token),
            cancellationToken);
        if (latest.Statistics?.MemoryStats is { } memory && Math.Max(memory.MaxUsage, memory.Usage) is > 0 and var bytes)
            Saw((long)bytes);
        if (latest.Statistics?.CPUStats?.CPUUsage?.TotalUsage is > 0 and { } used)
            Cpu = new TimeSpan((long)used / TimeSpan.NanosecondsPerTick);
    }

    private void Saw(long bytes) => PeakBytes = Math.Max(PeakBytes ?? 0, bytes);

    private sealed class Latest : IProgress<ContainerStatsResponse>
    {
        public ContainerStatsResponse? Statistics { get; private set; }

        public void Report(ContainerStatsResponse value) => Statistics = value;
    }
}
