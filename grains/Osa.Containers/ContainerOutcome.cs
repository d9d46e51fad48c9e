using Osa.Containers.Output;
using Osa.Domain.Validation;

namespace Osa.Containers;

/// <summary>What one engine is.</summary>
/// <param name="EngineId">The engine's own id: two nodes that share it share the host.</param>
public sealed record EngineDescription(
    string EngineId,
    string Version,
    string ApiVersion,
    string Kernel,
    string OperatingSystem,
    string Architecture,
    string CgroupVersion,
    int Cpus,
    long MemoryBytes,
    string RuncVersion);

/// <summary>What <see cref="ContainerEngine.PrepareAsync"/> found or made.</summary>
public abstract record Preparation
{
    private protected Preparation()
    {
    }
}

/// <summary>How far a container had come when it was prepared.</summary>
public enum PreparedState
{
    /// <summary>Never started.</summary>
    Created,
    Running,
    Exited,
}

/// <summary>A container that is this attempt's: made now, or by somebody who crashed since.</summary>
/// <param name="ImageId">What the engine made it from.</param>
public sealed record PreparedContainer(ContainerJob Job, string Id, string ImageId, PreparedState State) : Preparation
{
    internal Scratch.ScratchArea Area { get; init; } = null!;
}

/// <summary>The attempt cannot go on: its name is taken by something that must not be continued. The caller makes the next attempt.</summary>
/// <param name="Reason">For the log and the operator.</param>
public sealed record NotAdoptable(string Name, string? ContainerId, string Reason) : Preparation;

/// <summary>What a container did. It has ended, and still exists together with its scratch directory until it is removed.</summary>
/// <param name="ImageId">What actually ran, as the engine says.</param>
/// <param name="ExitCode">128 + n after signal n.</param>
/// <param name="OutOfMemory">The engine's flag or its <c>oom</c> event, for the first process or a child.</param>
/// <param name="Duration">From start to end by the engine's clock; zero when it could not be started.</param>
/// <param name="PeakMemoryBytes">Highest memory use that was seen; null for containers too short to be looked at.</param>
/// <param name="Log">The first 16 KiB and the last 48 KiB of stdout and stderr, as plain text.</param>
public sealed record ContainerOutcome(
    string ContainerId,
    string ImageId,
    long ExitCode,
    bool OutOfMemory,
    DateTimeOffset? StartedAt,
    TimeSpan Duration,
    long? PeakMemoryBytes,
    string Log,
    OutputDirectory Output,
    IReadOnlyList<ProgressLine> Progress)
{
    /// <summary>CPU time of all its processes when it was last looked at; null for containers too short to be.</summary>
    public TimeSpan? CpuTime { get; init; }

    /// <summary>The kill that this call sent, after it was recorded; null when it sent none.</summary>
    public KillReason? Kill { get; init; }

    /// <summary>What it left in <c>/osa/files</c>, as hostile as <see cref="Output"/>; null where that was not its to write.</summary>
    public OutputDirectory? Files { get; init; }

    /// <summary>All that it left in the end, in bytes; counted no further than its limit.</summary>
    public long OutputBytes { get; init; }

    /// <summary>More output than the job allows was there in the end.</summary>
    public bool OutputLimitExceeded { get; init; }

    /// <summary>Why the image's command could not be started; null when it was.</summary>
    public string? StartError { get; init; }

    /// <summary>What was wrong with progress.jsonl as a whole, e.g. a symbolic link.</summary>
    public string? ProgressProblem { get; init; }

    /// <summary>The evidence for <see cref="HookVerdict.Decide"/>.</summary>
    /// <param name="recordedKill">The kill on record for this attempt, by whoever sent it.</param>
    /// <param name="lostBefore">The attempt before was lost as well, on an engine that stayed up.</param>
    public HookEvidence Evidence(Domain.Hooks.HookLimits limits, KillReason? recordedKill, bool lostBefore) => new(limits, ExitCode, OutOfMemory, Progress, Log)
    {
        Kill = Kill ?? recordedKill,
        OutputLimitExceeded = OutputLimitExceeded,
        StartError = StartError,
        OutputProblem = ProgressProblem,
        LostBefore = lostBefore,
    };
}

/// <summary>A container of this cluster, for the reaper.</summary>
/// <param name="Name">Of the attempt.</param>
/// <param name="State">As the engine calls it: created, running, exited, ….</param>
public sealed record OwnedContainer(string Id, string Name, JobLabels Labels, string State);
