using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Osa.Storage.Events;

namespace Osa.Grains.Events;

/// <summary>
/// Gives committed events their positions every second, so that a reader, who does the same before reading, finds few to number; of
/// several silos whoever gets there first does it.
/// </summary>
public sealed partial class EventNumbering(EventLog events, TimeProvider time, ILogger<EventNumbering> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                while (await events.NumberAsync(stoppingToken) == EventLog.LargestStep)
                {
                    // There are more.
                }

                await Task.Delay(Interval, time, stoppingToken);
            }
            catch (Exception away)
            {
                if (!stoppingToken.IsCancellationRequested)
                {
                    LogAway(logger, away.Message);
                }

                await Task.Delay(TimeSpan.FromSeconds(1), time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    [LoggerMessage(7101, LogLevel.Warning, "Events could not be numbered: {Reason}")]
    private static partial void LogAway(ILogger logger, string reason);
}
