using System.Diagnostics;
using System.Text.Json.Nodes;
using Osa.Client.Depositions;

namespace Osa.Benchmarks.Nodes;

/// <summary>50 depositions submitted at once to a convention whose submissions share a container, against one.</summary>
internal sealed class ShareBenchmark : IBenchmark
{
    private const int Depositions = 50;
    private const double Bar = 3;

    public async Task<bool> RunAsync(CancellationToken cancellation)
    {
        await using NodeBench node = await NodeBench.StartAsync();
        string shared = await node.RegisterBatchAsync("shared", new JsonObject { ["do"] = "write", ["text"] = "[]" }, share: true);
        await TimeAsync(node, shared, 200);
        var ratios = new List<double>();
        for (int round = 0; round < 7; round++)
        {
            double one = (await TimeAsync(node, shared, 1)).TotalMilliseconds;
            double many = (await TimeAsync(node, shared, Depositions)).TotalMilliseconds;
            Console.WriteLine($"one in {one:F0} ms, {Depositions} at once in {many:F0} ms: {many / one:F2} x");
            ratios.Add(many / one);
        }

        double median = ratios.Order().ElementAt(ratios.Count / 2);
        Console.WriteLine($"ratio {median:F2} (at most {Bar})");
        return median <= Bar;
    }

    private static async Task<TimeSpan> TimeAsync(NodeBench node, string convention, int count)
    {
        DepositionHandle[] drafts = await node.DraftsAsync(convention, count);
        long started = Stopwatch.GetTimestamp();
        await Task.WhenAll(drafts.Select(NodeBench.JudgeAsync));
        return Stopwatch.GetElapsedTime(started);
    }
}
