using Osa.Domain.Hooks;

namespace Osa.Containers;

/// <summary>
/// What one engine can carry. Memory limits are promises and never overcommitted; cpu limits are ceilings and may add up to several
/// times the cores; slots bound the number of containers.
/// </summary>
/// <param name="Slots">Containers at the same time.</param>
/// <param name="MemoryBytes">Sum of the memory limits, in bytes.</param>
/// <param name="Cpu">Sum of the cpu limits, in cores.</param>
public sealed record HostCapacity(int Slots, long MemoryBytes, double Cpu)
{
    private const long LeastReserve = 512L << 20;

    public static HostCapacity Of(EngineDescription engine, ContainerHostOptions options) => new(
        engine.Cpus * options.SlotsPerCore,
        options.MemoryBytes ?? engine.MemoryBytes - Math.Max(engine.MemoryBytes / 10, Math.Min(LeastReserve, engine.MemoryBytes / 2)),
        engine.Cpus * options.CpuOvercommit);

    /// <summary>Why the job may not start beside what has been granted, or null when it may.</summary>
    public string? WhyNot(IReadOnlyCollection<HookLimits> granted, HookLimits job)
    {
        if (WhyNever(job) is { } never)
            return never;
        if (granted.Count >= Slots)
            return $"all {Slots} slots are taken";
        long memory = granted.Sum(other => other.MemoryBytes);
        if (job.MemoryBytes > MemoryBytes - memory)
            return $"{Mebibytes(MemoryBytes - memory)} of memory are free, {Mebibytes(job.MemoryBytes)} are needed";
        double cpu = granted.Sum(CeilingOf);
        // Sums of tenths are not exact.
        return CeilingOf(job) + cpu > Cpu + 1e-9 ? $"{Cpu - cpu:0.##} of cpu are free, {CeilingOf(job):0.##} are needed" : null;
    }

    /// <summary>Why the job could not even start alone, or null when it could.</summary>
    public string? WhyNever(HookLimits job) => Slots < 1
        ? "the host has no slots"
        : job.MemoryBytes > MemoryBytes
            ? $"it needs {Mebibytes(job.MemoryBytes)} of memory and the host has {Mebibytes(MemoryBytes)} for containers"
            : null;

    // The engine itself gives no more than it has, so a greater wish is no obstacle on an empty host.
    private double CeilingOf(HookLimits job) => Math.Min(job.Cpu, Cpu);

    private static string Mebibytes(long bytes) => $"{bytes / 1048576.0:0.#} MiB";
}
