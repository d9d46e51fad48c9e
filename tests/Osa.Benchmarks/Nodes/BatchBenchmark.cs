using System.Diagnostics;
using System.Text.Json.Nodes;
using Osa.Client.Depositions;
using Osa.Client.Runs;
using Osa.V1;

namespace Osa.Benchmarks.Nodes;

/// <summary>
/// 10,000 depositions in runs of 500, from the submit of the first run to the last committed verdict; first with a hook that does nothing,
/// then with one that emits 20 rows of six columns for each.
/// </summary>
internal sealed class BatchBenchmark : IBenchmark
{
    private const int Depositions = 10_000;
    private const int RunSize = 500;
    private const int Rows = 20;
    private const double DepositionsBar = 800;
    private const double RowsBar = 30_000;

    public async Task<bool> RunAsync(CancellationToken cancellation)
    {
        await using NodeBench node = await NodeBench.StartAsync();
        string nothing = await node.RegisterBatchAsync("empty", new JsonObject { ["do"] = "write", ["text"] = "[]", ["buffered"] = true });
        string filled = await node.RegisterBatchAsync("filled", new JsonObject { ["do"] = "rows", ["count"] = Rows, ["buffered"] = true });
        // The node compiles its hot paths in its first runs.
        await TimeAsync(node, nothing, 2 * RunSize);
        await TimeAsync(node, filled, 6 * RunSize);
        double rate = Depositions / (await TimeAsync(node, nothing, Depositions)).TotalSeconds;
        double rows = Depositions * Rows / (await TimeAsync(node, filled, Depositions)).TotalSeconds;
        Console.WriteLine($"{Depositions} depositions in runs of {RunSize}: {rate:F0}/s (at least {DepositionsBar})");
        Console.WriteLine($"{Depositions} depositions with {Rows} rows each: {rows:F0} rows/s (at least {RowsBar})");
        return rate >= DepositionsBar && rows >= RowsBar;
    }

    private static async Task<TimeSpan> TimeAsync(NodeBench node, string convention, int count)
    {
        DepositionHandle[] drafts = await node.DraftsAsync(convention, count);
        long started = Stopwatch.GetTimestamp();
        await Task.WhenAll(drafts.Chunk(RunSize).Select(async part =>
        {
            RunHandle run = await node.Client.Depositions.SubmitManyAsync(part.Select(d => d.Srn));
            ValidationRun verdict = await run.WaitAsync();
            if (verdict.Depositions.Count(d => d.Status == "passed") != part.Length)
            {
                throw new InvalidOperationException($"{verdict.Srn}: {verdict.Summary}");
            }
        }));
        return Stopwatch.GetElapsedTime(started);
    }
}
