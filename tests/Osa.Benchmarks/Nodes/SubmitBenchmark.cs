using System.Diagnostics;
using Osa.Client.Depositions;

namespace Osa.Benchmarks.Nodes;

/// <summary>Submit to committed verdict, one at a time, against the raw container: 50 alternating pairs.</summary>
internal sealed class SubmitBenchmark : IBenchmark
{
    private const int Pairs = 50;
    private const double Bar = 1.15;

    public async Task<bool> RunAsync(CancellationToken cancellation)
    {
        await using NodeBench node = await NodeBench.StartAsync();
        using RawContainers floor = await RawContainers.StartAsync();
        var ours = new List<double>();
        var raw = new List<double>();
        for (int i = -3; i < Pairs; i++)
        {
            DepositionHandle draft = await node.DraftAsync();
            long started = Stopwatch.GetTimestamp();
            await NodeBench.JudgeAsync(draft);
            double judged = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
            // What the node clears up behind the verdict's back must not weigh on the floor.
            await Task.Delay(250, cancellation);
            started = Stopwatch.GetTimestamp();
            await floor.RunAsync();
            double ran = Stopwatch.GetElapsedTime(started).TotalMilliseconds;
            if (i >= 0)
            {
                ours.Add(judged);
                raw.Add(ran);
            }
        }

        double ratio = Statistics.Median(ours.Zip(raw, (a, b) => a / b));
        Console.WriteLine($"submit to verdict {Statistics.Median(ours):F0} ms, raw container {Statistics.Median(raw):F0} ms, medians of {Pairs} pairs");
        Console.WriteLine($"ratio {Statistics.Median(ours) / Statistics.Median(raw):F2} of the medians, {ratio:F2} median of the pairs (at most {Bar})");
        return Statistics.Median(ours) / Statistics.Median(raw) <= Bar;
    }
}
