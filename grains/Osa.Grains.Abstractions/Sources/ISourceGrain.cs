using Orleans.Concurrency;

namespace Osa.Grains.Sources;

/// <summary>Pulls a convention's records from upstream: by its schedule, at registration, or by hand; one pull at a time. Lives on silos with the containers role.</summary>
[Alias("osa.source")]
public interface ISourceGrain : IGrainWithStringKey
{
    /// <summary>There may be something to do. Waking twice is harmless.</summary>
    [Alias("wake")]
    [OneWay]
    Task Wake();

    /// <summary>What the container that runs now has logged so far (its first 16 KiB and last 48 KiB), or null when none runs.</summary>
    /// <exception cref="Osa.Domain.Errors.OsaException">Unavailable: the engine is away.</exception>
    [Alias("live-log")]
    [AlwaysInterleave]
    Task<string?> LiveLog(CancellationToken cancellation);
}
