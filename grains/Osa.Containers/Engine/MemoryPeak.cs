using System.Globalization;
using Docker.DotNet.Models;

namespace Osa.Containers.Engine;

/// <summary>
/// The highest memory use of a running container, as far as it can be seen: from the kernel's own mark when the node sees the engine's
/// cgroups (version 1 or 2, either driver), else from the engine's statistics now and then. Best effort: it vanishes with the container.
/// </summary>
internal sealed class MemoryPeak(EngineApi api, string containerId)
{
    private static readonly TimeSpan StatisticsInterval = TimeSpan.FromSeconds(2);

    private readonly string[] _marks =
    [
        $"/sys/fs/cgroup/memory/docker/{containerId}/memory.max_usage_in_bytes",
        $"/sys/fs/cgroup/memory/system.slice/docker-{containerId}.scope/memory.max_usage_in_bytes",
        $"/sys/fs/cgroup/system.slice/docker-{containerId}.scope/memory.peak",
        $"/sys/fs/cgroup/docker/{containerId}/memory.peak",
    ];

    private string? _mark;
    private long? _askedAt;
    private long _samples;

    /// <summary>In bytes; null while nothing was seen.</summary>
    public long? PeakBytes { get; private set; }

    public async Task SampleAsync(CancellationToken cancellationToken)
    {
        if (_samples++ == 0)
            _mark = _marks.FirstOrDefault(File.Exists);
        if (_mark is not null)
            ReadMark(_mark);
        // Containers that live shorter than a few looks are not worth a request.
        else if (_samples > 3 && (_askedAt is not { } asked || api.Time.GetElapsedTime(asked) > StatisticsInterval))
            await AskAsync(cancellationToken);
    }

    private void ReadMark(string mark)
    {
        try
        {
            if (long.TryParse(File.ReadAllText(mark), CultureInfo.InvariantCulture, out long bytes))
                Saw(bytes);
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
        if (latest.Memory is { } memory && Math.Max(memory.MaxUsage, memory.Usage) is > 0 and var bytes)
            Saw((long)bytes);
    }

    private void Saw(long bytes) => PeakBytes = Math.Max(PeakBytes ?? 0, bytes);

    private sealed class Latest : IProgress<ContainerStatsResponse>
    {
        public MemoryStats? Memory { get; private set; }

        public void Report(ContainerStatsResponse value) => Memory = value.MemoryStats;
    }
}
