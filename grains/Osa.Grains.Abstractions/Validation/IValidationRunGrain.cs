using Orleans.Concurrency;

namespace Osa.Grains.Validation;

/// <summary>Takes one run from queued to its verdict. Lives on silos with the containers role.</summary>
[Alias("osa.validation-run")]
public interface IValidationRunGrain : IGrainWithStringKey
{
    /// <summary>There may be something to do. Waking twice is harmless.</summary>
    [Alias("wake")]
    [OneWay]
    Task Wake();

    /// <summary>What the container of a hook that runs now has logged so far (its first 16 KiB and last 48 KiB), or null when none runs.</summary>
    /// <exception cref="Osa.Domain.Errors.OsaException">Unavailable: the engine is away.</exception>
    [Alias("live-log")]
    [AlwaysInterleave]
    Task<string?> LiveLog(string hook, CancellationToken cancellation);

    /// <summary>Answers when something other than <paramref name="seen"/> is to be seen, or after a few seconds.</summary>
    [Alias("changed")]
    [AlwaysInterleave]
    Task<RunPulse> Changed(long seen, CancellationToken cancellation);
}

/// <summary>What only the activation knows of a run; the rest is rows.</summary>
/// <param name="Version">Changes with every change of the run.</param>
/// <param name="Hook">The hook whose container runs, or null.</param>
/// <param name="Progress">The last lines of its progress.jsonl so far.</param>
/// <param name="WaitingFor">What it waits for at this moment, or null.</param>
/// <param name="Place">How many are before it in the queue for a slot.</param>
[GenerateSerializer]
[Immutable]
[Alias("osa.run-pulse")]
public sealed record RunPulse(
    [property: Id(0)] long Version, [property: Id(1)] string? Hook, [property: Id(2)] IReadOnlyList<LiveProgress> Progress,
    [property: Id(3)] string? WaitingFor, [property: Id(4)] int Place)
{
    /// <summary>Nothing is known.</summary>
    public static RunPulse None { get; } = new(0, null, [], null, 0);
}

/// <summary>A progress line of a hook that is still running.</summary>
[GenerateSerializer]
[Immutable]
[Alias("osa.live-progress")]
public sealed record LiveProgress([property: Id(0)] string Status, [property: Id(1)] string? Step, [property: Id(2)] string? Message);
