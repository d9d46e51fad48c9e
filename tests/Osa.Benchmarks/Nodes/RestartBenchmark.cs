using System.Diagnostics;
using System.Text.Json.Nodes;
using Osa.Client.Depositions;
using Osa.Client.Runs;
using Osa.V1;

namespace Osa.Benchmarks.Nodes;

/// <summary>A node killed with 50 runs in flight and started again: from its first answer until each of them is owned again.</summary>
internal sealed class RestartBenchmark : IBenchmark
{
    private const int Runs = 50;
    private const double Bar = 10;

    // The node's default.
    private const double ProbeSeconds = 2;

    public async Task<bool> RunAsync(CancellationToken cancellation)
    {
        var times = new List<double>();
        for (int round = 0; round < 3; round++)
        {
            await using NodeBench node = await NodeBench.StartAsync(ProbeSeconds);
            string hanging = await node.RegisterAsync("hanging", new JsonObject { ["do"] = "hang" });
            DepositionHandle[] drafts = await node.DraftsAsync(hanging, Runs);
            RunHandle[] runs = await Task.WhenAll(drafts.Select(d => d.SubmitAsync(cancellationToken: cancellation)));
            Dictionary<string, ValidationRun> before = [];
            while (before.Count < Runs || before.Values.Any(r => r.Epoch == 0))
            {
                before = (await Task.WhenAll(runs.Select(r => r.GetAsync(cancellation)))).ToDictionary(r => r.Srn);
            }

            TimeSpan start = await node.RestartAsync(ProbeSeconds);
            long ready = Stopwatch.GetTimestamp();
            int owned = 0;
            while (owned < Runs)
            {
                ValidationRun[] now = await Task.WhenAll(runs.Select(r => node.Client.Runs.Handle(r.Srn).GetAsync(cancellation)));
                owned = now.Count(r => r.Epoch > before[r.Srn].Epoch && r.Silo.Length > 0 && r.Silo != before[r.Srn].Silo);
            }

            times.Add(Stopwatch.GetElapsedTime(ready).TotalSeconds);
            await node.Client.Conventions.StopRunsAsync((await node.Client.Conventions.GetAsync(hanging, cancellation)).Srn, "measured", cancellation);
            await Task.WhenAll(runs.Select(r => node.Client.Runs.Handle(r.Srn).WaitAsync(cancellation)));
            Console.WriteLine($"the node answers after {start.TotalSeconds:F1} s, and owns {Runs} runs {times[^1]:F1} s later");
        }

        Console.WriteLine($"median {Statistics.Median(times):F1} s (at most {Bar})");
        return Statistics.Median(times) <= Bar;
    }
}
