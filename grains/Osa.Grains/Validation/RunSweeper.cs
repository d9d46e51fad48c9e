using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Osa.Grains.Hosts;
using Osa.Storage.Records;
using Osa.Storage.Sources;
using Osa.Storage.Validation;

namespace Osa.Grains.Validation;

/// <summary>
/// Every silo looks at start, on each change of membership and every few seconds for runs and sources whose next step is due, and wakes them.
/// So none depends on a message that was sent once, or on the silo that sent it. Embargoes that end by their date are announced on the way.
/// </summary>
public sealed partial class RunSweeper(
    RunSweep sweep, SourceStore sources, RecordCommands records, HostDirectory hosts, IGrainFactory grains, LocalSilo silo, IClusterMembershipService membership, TimeProvider time, ILogger<RunSweeper> logger)
    : BackgroundService
{
    private const int AtOnce = 500;
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(2);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        IAsyncEnumerator<ClusterMembershipSnapshot> changes = membership.MembershipUpdates.GetAsyncEnumerator(stoppingToken);
        Task<bool> changed = changes.MoveNextAsync().AsTask();
        bool sessionsAreDue = true;
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await Task.WhenAny(changed, Task.Delay(Interval, time, stoppingToken));
                if (changed.IsCompletedSuccessfully)
                {
                    changed = changes.MoveNextAsync().AsTask();
                    sessionsAreDue = true;
                }

                if (sessionsAreDue)
                {
                    int ended = await sweep.TerminateSessionsOfTheDeadAsync(silo.ClusterId, stoppingToken);
                    sessionsAreDue = false;
                    if (ended > 0)
                    {
                        LogTerminated(logger, ended);
                    }
                }

                await records.ReleaseDueAsync(AtOnce, stoppingToken);
                await SweepAsync(stoppingToken);
            }
            catch (OperationCanceledException)
            {
                // The loop's condition ends it.
            }
            catch (Exception away)
            {
                // Whatever it was, the next round looks again: a sweep that ended would end the silo.
                LogAway(logger, away.Message);
            }
        }
    }

    private async Task SweepAsync(CancellationToken cancellation)
    {
        List<DueRun> due = await sweep.DueAsync(silo.ClusterId, AtOnce, cancellation);
        List<(string ConventionId, string? EngineId)> pulls = await sources.DueAsync(silo.ClusterId, cancellation);
        if (due.Count + pulls.Count == 0 || !(await hosts.LiveAsync(cancellation)).Any(s => s.Row.RunsContainers))
        {
            return;
        }

        foreach (DueRun run in due)
        {
            await AtAsync(run.EngineId, () => grains.ValidationRun(run.RunId).Wake());
        }

        foreach ((string convention, string? engine) in pulls)
        {
            await AtAsync(engine, () => grains.Source(convention).Wake());
        }
    }

    private static async Task AtAsync(string? engine, Func<Task> wake)
    {
        if (engine is not null)
        {
            RequestContext.Set(ContainersPlacement.EngineHint, engine);
        }

        await wake();
        RequestContext.Clear();
    }

    [LoggerMessage(5101, LogLevel.Warning, "The sweep for runs failed: {Reason}")]
    private static partial void LogAway(ILogger logger, string reason);

    [LoggerMessage(5102, LogLevel.Information, "Ended {Count} database sessions of silos that are dead")]
    private static partial void LogTerminated(ILogger logger, int count);
}
