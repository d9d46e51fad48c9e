using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Osa.Storage.Events;

namespace Osa.Grains.Events;

/// <summary>
/// Reads the feed for all watchers of this silo together, and only while there are any. It keeps the newest events, the same for
/// everybody; whoever is further behind than that pages by itself.
/// </summary>
public sealed partial class EventReader(EventLog events, TimeProvider time, ILogger<EventReader> logger) : BackgroundService
{
    private const int Kept = 4_096;
    private const int Page = 1_000;

    // A part of the 50 ms within which a watcher learns of what has been committed.
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(15);

    private readonly Lock _lock = new();
    private readonly SemaphoreSlim _wanted = new(0, 1);
    private readonly List<FeedEvent> _newest = [];
    private long _before;
    private long _position = -1;
    private int _watchers;
    private TaskCompletionSource _moved = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Somebody watches until the answer is disposed of.</summary>
    public IDisposable Watch()
    {
        lock (_lock)
        {
            if (++_watchers == 1 && _wanted.CurrentCount == 0)
            {
                _wanted.Release();
            }
        }

        return new Watching(this);
    }

    /// <summary>The first events after a position; null where that is further back than what is kept, or not yet read.</summary>
    public IReadOnlyList<FeedEvent>? After(long position, int atMost)
    {
        lock (_lock)
        {
            return _position < 0 || position < _before || position > _position ? null : _newest.GetRange((int)(position - _before), (int)Math.Min(atMost, _position - position));
        }
    }

    /// <summary>Waits until something has happened after a position.</summary>
    public async Task BeyondAsync(long position, CancellationToken cancellation)
    {
        while (true)
        {
            Task moved;
            lock (_lock)
            {
                if (_position != position)
                {
                    return;
                }

                moved = _moved.Task;
            }

            await moved.WaitAsync(cancellation);
        }
    }

    /// <summary>Until it has read on, or a moment has passed: for whoever pages by itself and has come to the end.</summary>
    public async Task MovedAsync(CancellationToken cancellation)
    {
        Task moved;
        lock (_lock)
        {
            moved = _moved.Task;
        }

        await Task.WhenAny(moved, Task.Delay(2 * Interval, time, cancellation));
        cancellation.ThrowIfCancellationRequested();
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                if (ForgetUnwatched())
                {
                    await _wanted.WaitAsync(stoppingToken);
                }

                if (_position < 0)
                {
                    Begin(await events.HeadAsync(stoppingToken));
                }

                IReadOnlyList<FeedEvent> fresh = await events.ReadAsync(_position, Page, stoppingToken);
                Add(fresh);
                if (fresh.Count < Page)
                {
                    await Task.Delay(Interval, time, stoppingToken);
                }
            }
            catch (Exception away)
            {
                if (!stoppingToken.IsCancellationRequested)
                {
                    LogAway(logger, away.Message);
                    await Task.Delay(TimeSpan.FromSeconds(1), time, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }
            }
        }
    }

    private void Begin(long head)
    {
        lock (_lock)
        {
            (_before, _position) = (head, head);
            Move();
        }
    }

    private bool ForgetUnwatched()
    {
        lock (_lock)
        {
            if (_watchers > 0)
            {
                return false;
            }

            _newest.Clear();
            _position = -1;
            return true;
        }
    }

    private void Add(IReadOnlyList<FeedEvent> fresh)
    {
        if (fresh.Count == 0)
        {
            return;
        }

        lock (_lock)
        {
            _newest.AddRange(fresh);
            _position = fresh[^1].Position;
            if (_newest.Count > 2 * Kept)
            {
                _newest.RemoveRange(0, _newest.Count - Kept);
            }

            // Positions have no gaps.
            _before = _position - _newest.Count;
            Move();
        }
    }

    private void Move()
    {
        TaskCompletionSource moved = _moved;
        _moved = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        moved.TrySetResult();
    }

    [LoggerMessage(7201, LogLevel.Warning, "The feed could not be read for its watchers: {Reason}")]
    private static partial void LogAway(ILogger logger, string reason);

    private sealed class Watching(EventReader reader) : IDisposable
    {
        private int _ended;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _ended, 1) == 0)
            {
                lock (reader._lock)
                {
                    reader._watchers--;
                }
            }
        }
    }
}
