using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Osa.Storage.Files;

namespace Osa.Grains.Files;

/// <summary>Deletes blobs a day after the last reference to them went away, and what killed uploads left half-written.</summary>
public sealed partial class StoreSweeper(BlobStore blobs, BlobReferences references, TimeProvider time, ILogger<StoreSweeper> logger) : BackgroundService
{
    private const int AtOnce = 1_000;
    private static readonly TimeSpan Interval = TimeSpan.FromHours(1);
    private static readonly TimeSpan Age = TimeSpan.FromDays(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            // First after an interval: several silos that start together need not all walk the store.
            await Task.Delay(Interval, time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            try
            {
                blobs.DeleteAbandoned(Age);
                foreach (Guid[] candidates in blobs.ListOlderThan(Age).Chunk(AtOnce))
                {
                    List<Guid> deletable = await references.DeletableAsync(candidates, stoppingToken);
                    deletable.ForEach(blobs.Delete);
                    await references.ForgetAsync(deletable, stoppingToken);
                }
            }
            catch (OperationCanceledException)
            {
                // The loop's condition ends it.
            }
            catch (Exception away)
            {
                LogAway(logger, away.Message);
            }
        }
    }

    [LoggerMessage(7001, LogLevel.Warning, "The sweep of the file store stopped: {Reason}")]
    private static partial void LogAway(ILogger logger, string reason);
}
