namespace Osa.Storage.Validation;

/// <summary>What an activation holds after it claimed a run or a pull. Every later write names the epoch; zero rows means that it was lost.</summary>
/// <param name="Subject">The run or the pull.</param>
public sealed record Fence(Guid Subject, long Epoch)
{
    /// <summary>How long a living owner may be silent before any silo may wake its work; a dead one's is woken at once.</summary>
    public static readonly TimeSpan Lease = TimeSpan.FromMinutes(3);
}

/// <summary>The work was claimed by somebody else: whoever sees this touches nothing any more.</summary>
public sealed class FenceLostException(Guid subject) : Exception($"{subject} was claimed by another activation");

/// <summary>Rows of work that is driven by whoever has claimed it.</summary>
public interface IFencedWork
{
    /// <summary>Says what the work waits for, and by when somebody must look again.</summary>
    /// <param name="setback">Infrastructure was away.</param>
    /// <exception cref="FenceLostException"/>
    Task WaitAsync(Fence fence, string? waitingFor, TimeSpan next, bool setback, CancellationToken cancellation);

    /// <summary>The owner still works on it.</summary>
    /// <exception cref="FenceLostException"/>
    Task HeartbeatAsync(Fence fence, CancellationToken cancellation);

    /// <summary>Why the work shall end, once somebody wished it.</summary>
    /// <exception cref="FenceLostException"/>
    Task<string?> WishAsync(Fence fence, CancellationToken cancellation);
}
