using System.Diagnostics;
using Osa.Domain.Features;
using Osa.Domain.Hooks;

namespace Osa.Benchmarks.Features;

/// <summary>How much the process grows while a million rows pass through it.</summary>
internal sealed class CopyMemoryBenchmark : IBenchmark
{
    private const int Rows = 1_000_000;
    private const double BarMegabytes = 256;

    public async Task<bool> RunAsync(CancellationToken cancellation)
    {
        await using FeatureBench bench = await FeatureBench.StartAsync();
        HookManifest manifest = FeatureSample.Manifest("million");
        FeatureTable table = await bench.CreateAsync("million");
        string json = bench.File("features.json");
        await FeatureSample.WriteJsonAsync(json, Rows);
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();

        long before = WorkingSet();
        long peak = before;
        long peakHeap = 0;
        using var done = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Task watching = Task.Run(
            async () =>
            {
                using var timer = new PeriodicTimer(TimeSpan.FromMilliseconds(10));
                while (!done.IsCancellationRequested && await timer.WaitForNextTickAsync(CancellationToken.None))
                {
                    peak = Math.Max(peak, WorkingSet());
                    peakHeap = Math.Max(peakHeap, GC.GetTotalMemory(forceFullCollection: false));
                }
            },
            CancellationToken.None);
        (TimeSpan check, TimeSpan copy) = await bench.PublishAsync(table, manifest, json);
        await done.CancelAsync();
        await watching;

        double grown = (peak - before) / 1e6;
        Console.WriteLine($"{Rows:N0} rows ({new FileInfo(json).Length / 1e6:N0} MB of JSON) in {check.TotalSeconds:F2} s check + {copy.TotalSeconds:F2} s copy, {Rows / (check + copy).TotalSeconds:N0} rows/s");
        Console.WriteLine($"working set: {before / 1e6:N0} MB before, {peak / 1e6:N0} MB at its peak, {grown:N0} MB more (bar {BarMegabytes} MB); heap at most {peakHeap / 1e6:N0} MB");
        return grown < BarMegabytes && await bench.CountAsync(table) == Rows;
    }

    private static long WorkingSet()
    {
        using var self = Process.GetCurrentProcess();
        return self.WorkingSet64;
    }
}
