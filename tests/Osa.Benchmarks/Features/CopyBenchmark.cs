using Osa.Domain.Features;
using Osa.Domain.Hooks;

namespace Osa.Benchmarks.Features;

/// <summary>One record with 100,000 rows of six mixed columns, from the hook's file to committed rows, against psql's \copy into an identical table.</summary>
internal sealed class CopyBenchmark : IBenchmark
{
    private const int Rows = 100_000;
    private const int Rounds = 5;
    private const double Bar = 0.6;

    public async Task<bool> RunAsync(CancellationToken cancellation)
    {
        await using FeatureBench bench = await FeatureBench.StartAsync();
        HookManifest manifest = FeatureSample.Manifest("ours");
        FeatureTable ours = await bench.CreateAsync("ours");
        FeatureTable floor = await bench.CreateAsync("psql");
        string json = bench.File("features.json");
        string text = bench.File("features.txt");
        string csv = bench.File("features.csv");
        await FeatureSample.WriteJsonAsync(json, Rows);
        await FeatureSample.WriteTextAsync(text, Rows, FeatureBench.RecordSrn, Guid.NewGuid());
        await FeatureSample.WriteCsvAsync(csv, Rows, FeatureBench.RecordSrn, Guid.NewGuid());

        var total = new List<double>();
        var check = new List<double>();
        var copy = new List<double>();
        var psqlText = new List<double>();
        var psqlCsv = new List<double>();
        // The first round warms both sides up and is not counted.
        for (int round = -1; round < Rounds; round++)
        {
            await bench.ClearAsync(ours);
            (TimeSpan checking, TimeSpan copying) = await bench.PublishAsync(ours, manifest, json);
            await bench.ClearAsync(floor);
            TimeSpan asText = await bench.PsqlAsync(floor, text, "text");
            await bench.ClearAsync(floor);
            TimeSpan asCsv = await bench.PsqlAsync(floor, csv, "csv");
            if (await bench.CountAsync(ours) != Rows || await bench.CountAsync(floor) != Rows)
                throw new InvalidOperationException("rows are missing");
            if (round < 0)
                continue;

            total.Add((checking + copying).TotalSeconds);
            check.Add(checking.TotalSeconds);
            copy.Add(copying.TotalSeconds);
            psqlText.Add(asText.TotalSeconds);
            psqlCsv.Add(asCsv.TotalSeconds);
        }

        double mine = Statistics.Median(total);
        double best = Math.Min(Statistics.Median(psqlText), Statistics.Median(psqlCsv));
        Console.WriteLine($"ours: {Rows / mine:N0} rows/s ({mine:F3} s: check {Statistics.Median(check):F3}, copy and commit {Statistics.Median(copy):F3})");
        Console.WriteLine($"psql \\copy: {Rows / best:N0} rows/s (text {Statistics.Median(psqlText):F3} s, csv {Statistics.Median(psqlCsv):F3} s)");
        double[] rounds = [.. total.Select((t, i) => Math.Min(psqlText[i], psqlCsv[i]) / t)];
        Console.WriteLine($"ratio: {best / mine:F2} x (bar {Bar} x; medians of {Rounds}, alternating; single rounds {rounds.Min():F2} to {rounds.Max():F2})");
        return best / mine >= Bar;
    }
}
