using System.Diagnostics;
using System.Text.Json.Nodes;
using Osa.Client.Depositions;
using Osa.Testing;

namespace Osa.Benchmarks.Nodes;

/// <summary>A run whose hook does nothing, beside a fork bomb and a memory hog with the limits of a silent manifest.</summary>
internal sealed class NeighbourBenchmark : IBenchmark
{
    private const int Samples = 20;
    private const double Bar = 2.5;

    public async Task<bool> RunAsync(CancellationToken cancellation)
    {
        await using NodeBench node = await NodeBench.StartAsync();
        string[] hostile = [await node.RegisterAsync("bomb", new JsonObject { ["do"] = "fork-bomb" }), await node.RegisterAsync("hog", new JsonObject { ["do"] = "oom" })];
        await LatencyAsync(node, 10);
        double quiet = await LatencyAsync(node, Samples);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        Task[] beside = [.. hostile.Select(h => KeepRunningAsync(node, h, over.Token))];
        foreach (string convention in hostile)
        {
            await Eventually.True(async () => await node.HasRunningAsync(convention), TimeSpan.FromSeconds(60), $"{convention} does not run");
        }

        double loud = await LatencyAsync(node, Samples);
        await over.CancelAsync();
        await Task.WhenAll(beside);
        Console.WriteLine($"submit to verdict {quiet:F0} ms when it is quiet, {loud:F0} ms beside a fork bomb and a memory hog, medians of {Samples}");
        Console.WriteLine($"ratio {loud / quiet:F2} (at most {Bar})");
        return loud / quiet <= Bar;
    }

    private static async Task<double> LatencyAsync(NodeBench node, int samples)
    {
        var times = new List<double>();
        for (int i = 0; i < samples; i++)
        {
            DepositionHandle draft = await node.DraftAsync();
            long started = Stopwatch.GetTimestamp();
            await NodeBench.JudgeAsync(draft);
            times.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
        }

        return Statistics.Median(times);
    }

    // One after the other: the hog's end is soon, and the next one follows.
    private static async Task KeepRunningAsync(NodeBench node, string convention, CancellationToken over)
    {
        while (!over.IsCancellationRequested)
        {
            DepositionHandle[] drafts = await node.DraftsAsync(convention, 1);
            var run = await drafts[0].SubmitAsync();
            try
            {
                await run.WaitAsync(cancellationToken: over);
            }
            catch (OperationCanceledException)
            {
                await run.CancelAsync("the measurement is over");
            }
        }
    }
}
