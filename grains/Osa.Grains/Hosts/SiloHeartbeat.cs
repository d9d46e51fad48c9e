using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Osa.Containers;
using Osa.Storage.Hosts;

namespace Osa.Grains.Hosts;

/// <summary>Writes this silo's row every second or two, and at once when its engine's state changes.</summary>
public sealed partial class SiloHeartbeat(SiloTable silos, LocalSilo silo, IServiceProvider services, TimeProvider time, ILogger<SiloHeartbeat> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(100);

    private readonly ContainerHost? _host = services.GetService(typeof(ContainerHost)) as ContainerHost;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        HostState? written = null;
        long writtenAt = 0;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                HostState? state = _host?.State;
                if (written is null || state != written || time.GetElapsedTime(writtenAt) >= Interval)
                {
                    await silos.HeartbeatAsync(Row(state), stoppingToken);
                    (written, writtenAt) = (state ?? new HostState("", null, null), time.GetTimestamp());
                }

                await Task.Delay(_host is null ? Interval : Look, time, stoppingToken);
            }
            catch (Exception away)
            {
                if (!stoppingToken.IsCancellationRequested)
                {
                    LogAway(logger, away.Message);
                }

                await Task.Delay(Interval, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    [LoggerMessage(4101, LogLevel.Warning, "This silo's row could not be written: {Reason}")]
    private static partial void LogAway(ILogger logger, string reason);

    private SiloRow Row(HostState? state)
    {
        EngineDescription? engine = state?.Description;
        HostCapacity? capacity = state?.Capacity;
        var disk = new DriveInfo(silo.DataDirectory);
        return new SiloRow(
            silo.Address, silo.Name, RoleNames(silo.Roles), engine?.EngineId, state?.Text ?? "", engine?.Version ?? "", engine?.ApiVersion ?? "", engine?.Kernel ?? "",
            engine?.CgroupVersion ?? "", capacity?.Slots ?? 0, capacity?.MemoryBytes ?? 0, capacity?.Cpu ?? 0,
            engine?.RuncVersion ?? "", disk.AvailableFreeSpace, disk.TotalSize);
    }

    private static string[] RoleNames(NodeRoles roles) =>
        [.. new[] { NodeRoles.Api, NodeRoles.Containers }.Where(r => roles.HasFlag(r)).Select(r => r.ToString().ToLowerInvariant())];
}
