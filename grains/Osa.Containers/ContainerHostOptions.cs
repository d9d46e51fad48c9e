namespace Osa.Containers;

/// <summary>Where the container engine is and what the node may ask of it.</summary>
public sealed record ContainerHostOptions
{
    /// <summary>The engine's API. Default: <c>unix:///var/run/docker.sock</c>.</summary>
    public Uri Endpoint { get; init; } = new("unix:///var/run/docker.sock");

    /// <summary>
    /// Directory for inputs and raw outputs of attempts, local to the engine's machine; disposable when nothing runs. Made with mode 0700.
    /// On the file system of the store, input files are linked instead of copied.
    /// </summary>
    public required string ScratchDirectory { get; init; }

    /// <summary>The node's data directory as the node sees it.</summary>
    public required string DataDirectory { get; init; }

    /// <summary>The data directory as the engine's machine sees it, when the node runs in a container itself. Default: null, the same path.</summary>
    public string? HostDataDirectory { get; init; }

    /// <summary>Labels this cluster's containers. A restored backup on the same engine needs another one.</summary>
    public required string ClusterId { get; init; }

    /// <summary>Path of the published static program of Osa.Containers.Probe.</summary>
    public required string ProbeBinary { get; init; }

    /// <summary>Containers at the same time per core of the engine. Default: 2.</summary>
    public int SlotsPerCore { get; init; } = 2;

    /// <summary>How far the sum of the cpu limits may exceed the cores: they are ceilings, not reservations. Default: 4.</summary>
    public double CpuOvercommit { get; init; } = 4;

    /// <summary>Memory for all containers together, in bytes; never overcommitted. Default: null, the engine's memory less a tenth, at least 512 MiB less.</summary>
    public long? MemoryBytes { get; init; }

    /// <summary>How long the engine may take to answer one request. Default: 60 s. Waiting for a container's end has no limit.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>How long a pull may take. Default: 15 min.</summary>
    public TimeSpan PullTimeout { get; init; } = TimeSpan.FromMinutes(15);
}
