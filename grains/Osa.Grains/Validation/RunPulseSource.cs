namespace Osa.Grains.Validation;

/// <summary>What watchers of a run wait on. Used from one grain's turns only.</summary>
internal sealed class RunPulseSource(TimeProvider time)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    // Another activation begins elsewhere, so that a watcher that comes over sees a change.
    private long _version = Random.Shared.NextInt64(1, long.MaxValue / 2);
    private TaskCompletionSource _moved = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private string? _hook;
    private IReadOnlyList<LiveProgress> _progress = [];
    private string? _waitingFor;
    private int _place;
    private long _askedAt;

    /// <summary>Somebody asked within the last few seconds.</summary>
    public bool IsWatched => _askedAt != 0 && time.GetElapsedTime(_askedAt) < 2 * Patience;

    /// <summary>For whoever asks: a place in the queue that changes is no news by itself.</summary>
    public void Waits(string? waitingFor, int place) => (_waitingFor, _place) = (waitingFor, place);

    public void Beat(string? hook = null, IReadOnlyList<LiveProgress>? progress = null)
    {
        _hook = hook;
        _progress = progress ?? [];
        _version++;
        TaskCompletionSource moved = _moved;
        _moved = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        moved.TrySetResult();
    }

    public async Task<RunPulse> ChangedAsync(long seen, CancellationToken cancellation)
    {
        _askedAt = time.GetTimestamp();
        if (seen == _version)
        {
            await Task.WhenAny(_moved.Task, Task.Delay(Patience, time, cancellation));
        }

        return new RunPulse(_version, _hook, _progress, _waitingFor, _place);
    }
}
