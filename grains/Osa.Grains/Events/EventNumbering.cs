using Microsoft.Extensions.Hosting;
using Osa.Domain.Errors;
using Osa.Storage.Events;

namespace Osa.Grains.Events;

/// <summary>Gives committed events their positions about every 100 ms; of several silos whoever gets there first does it.</summary>
public sealed class EventNumbering(EventLog events, TimeProvider time) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(100);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await events.NumberAsync(stoppingToken);
                await Task.Delay(Interval, time, stoppingToken);
            }
            catch (Exception e) when (e is OsaException or OperationCanceledException)
            {
                await Task.Delay(TimeSpan.FromSeconds(1), time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }
}
