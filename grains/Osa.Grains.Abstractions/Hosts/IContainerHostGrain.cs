using Orleans.Concurrency;

namespace Osa.Grains.Hosts;

/// <summary>The queue in front of one container engine: who gets its next slot, and which images it has.</summary>
[Alias("osa.container-host")]
public interface IContainerHostGrain : IGrainWithStringKey
{
    /// <summary>Waits a few seconds for a slot; asking again with the same ticket keeps the place in the queue.</summary>
    [Alias("acquire")]
    [AlwaysInterleave]
    Task<SlotAnswer> Acquire(SlotRequest request, CancellationToken cancellation);

    /// <summary>Gives a slot back, or leaves the queue.</summary>
    [Alias("release")]
    [AlwaysInterleave]
    Task Release(string ticket);

    /// <summary>
    /// Waits a few seconds for an image to be there and its digest to be known, pulling it where that is possible. Asking again
    /// joins what is under way.
    /// </summary>
    [Alias("resolve-image")]
    [AlwaysInterleave]
    Task<ImageAnswer> ResolveImage(string image, string? digest, CancellationToken cancellation);

    /// <summary>Containers and directories that no run claims any more: what the reaper will remove.</summary>
    [Alias("orphans")]
    [AlwaysInterleave]
    Task<List<OrphanContainer>> Orphans(CancellationToken cancellation);
}

/// <param name="ContainerId">Null where only the directory is left.</param>
[GenerateSerializer]
[Immutable]
[Alias("osa.orphan-container")]
public sealed record OrphanContainer([property: Id(0)] string Name, [property: Id(1)] string? ContainerId);

/// <param name="Ticket">The container's name: a slot is held until its container is gone.</param>
/// <param name="MemoryBytes">Never overcommitted.</param>
/// <param name="Cpu">Cores; a ceiling, which may be overcommitted.</param>
/// <param name="Convention">Conventions share the slots evenly, whatever each of them asks for.</param>
/// <param name="IsBulk">Of a run over several depositions, which leaves the turn to people more often than not.</param>
[GenerateSerializer]
[Immutable]
[Alias("osa.slot-request")]
public sealed record SlotRequest(
    [property: Id(0)] string Ticket, [property: Id(1)] long MemoryBytes, [property: Id(2)] double Cpu, [property: Id(3)] string Convention, [property: Id(4)] bool IsBulk);

/// <param name="Granted">The slot is held under the ticket.</param>
/// <param name="WaitingFor">In words, with the place in the queue; null when granted.</param>
/// <param name="Place">How many are before it in the queue.</param>
/// <param name="IsAway">The engine itself is not there, whatever the queue.</param>
[GenerateSerializer]
[Immutable]
[Alias("osa.slot-answer")]
public sealed record SlotAnswer([property: Id(0)] bool Granted, [property: Id(1)] string? WaitingFor, [property: Id(2)] int Place, [property: Id(3)] bool IsAway = false);

/// <param name="Digest">The digest to run from now on; null while it is being resolved.</param>
/// <param name="Step">What is being done, in words.</param>
[GenerateSerializer]
[Immutable]
[Alias("osa.image-answer")]
public sealed record ImageAnswer([property: Id(0)] string? Digest, [property: Id(1)] string Step);
