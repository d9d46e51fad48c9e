using System.Text.Json.Nodes;
using Osa.Domain.Hooks;

namespace Osa.Domain.Sources;

/// <summary>A container with network access that pulls records and files from an upstream system.</summary>
/// <param name="Image">Reference of the image, e.g. <c>ghcr.io/group/source:1.2</c>; where a pull would get it from.</param>
/// <param name="Digest">The local image id or repository digest that is run; null until registration has resolved it.</param>
/// <param name="Config">Handed to the source as <c>config.json</c>; null for none.</param>
public sealed record SourceDefinition(string Image, string? Digest, JsonObject? Config, HookLimits Limits)
{
    /// <summary>Most records of one batch: the most that one run has.</summary>
    public const int MaxBatchSize = 5_000;

    /// <summary>An hour, 4 GiB, two cores, 256 pids: what holds where the document is silent.</summary>
    public static HookLimits DefaultLimits { get; } = new(3_600, 4L << 30, 2, 256);

    /// <summary>When it pulls by itself; null for never.</summary>
    public SourceSchedule? Schedule { get; init; }

    /// <summary>The one pull right after registration; null for none.</summary>
    public InitialRun? InitialRun { get; init; }

    /// <summary>How many records are judged together; null lets the node choose from what the hooks take per record.</summary>
    public int? BatchSize { get; init; }
}

/// <summary>Pulls at times.</summary>
/// <param name="Cron">Five fields, UTC.</param>
/// <param name="Limit">Most records of one pull; null for all.</param>
public sealed record SourceSchedule(string Cron, long? Limit);

/// <param name="Limit">Most records; null for all.</param>
public sealed record InitialRun(long? Limit);
