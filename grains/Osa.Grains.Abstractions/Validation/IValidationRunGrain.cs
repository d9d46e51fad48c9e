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

    /// <summary>Answers when something other than <paramref name="seen"/> is to be seen, or after a few seconds.</summary>
    [Alias("changed")]
    [AlwaysInterleave]
    Task<RunPulse> Changed(long seen, CancellationToken cancellation);
}

/// <summary>What only the activation knows of a run; the rest is rows.</summary>
/// <param name="Version">Changes with every change of the run.</param>
/// <param name="Hook">The hook whose container runs, or null.</param>
/// <param name="Progress">The last lines of its progress.jsonl so far.</param>
[GenerateSerializer]
[Immutable]
[Alias("osa.run-pulse")]
public sealed record RunPulse([property: Id(0)] long Version, [property: Id(1)] string? Hook, [property: Id(2)] IReadOnlyList<LiveProgress> Progress);

/// <summary>A progress line of a hook that is still running.</summary>
[GenerateSerializer]
[Immutable]
[Alias("osa.live-progress")]
public sealed record LiveProgress([property: Id(0)] string Status, [property: Id(1)] string? Step, [property: Id(2)] string? Message);
