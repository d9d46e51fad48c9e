using System.Diagnostics;
using Npgsql;
using Osa.Client.Depositions;
using Osa.V1;

namespace Osa.Benchmarks.Nodes;

/// <summary>The node's memory while 200,000 records are pulled, and how long a person's deposition takes meanwhile.</summary>
internal sealed class LongPullBenchmark : IBenchmark
{
    private const int Records = 200_000;
    private const int Chunk = 20_000;
    private const long MemoryBar = 400 << 20;
    private const long GrowthBar = 20 << 20;
    private const int QuietSamples = 50;
    private static readonly TimeSpan Pace = TimeSpan.FromSeconds(1);

    public async Task<bool> RunAsync(CancellationToken cancellation)
    {
        await using NodeBench node = await NodeBench.StartAsync();
        await node.RegisterSourceAsync("long", Records, null, Chunk);
        await LatencyAsync(node);
        var quiet = new List<double>();
        for (int i = 0; i < QuietSamples; i++)
        {
            quiet.Add(await LatencyAsync(node));
        }

        string id = (await node.Client.Sources.RunAsync("long")).Id;
        var memory = new List<long>();
        var during = new List<double>();
        Pull pull = await node.Client.Sources.GetPullAsync(id);
        long started = Stopwatch.GetTimestamp();
        while (!pull.Settled)
        {
            during.Add(await LatencyAsync(node));
            memory.Add(node.ResidentBytes());
            await Task.Delay(Pace, cancellation);
            pull = await node.Client.Sources.GetPullAsync(id);
        }

        double seconds = Stopwatch.GetElapsedTime(started).TotalSeconds;
        if (pull.Counts.Published != Records)
        {
            throw new InvalidOperationException(pull.ToString());
        }

        long second = Mean(memory, 0.25, 0.5);
        long last = Mean(memory, 0.75, 1);
        double longest = await LongestRunAsync(node, id);
        double bound = longest + (1.5 * Statistics.Percentile(quiet, 0.99));
        double p99 = Statistics.Percentile(during, 0.99);
        Console.WriteLine($"{Records} records in {seconds:F0} s, {Records / seconds:F0}/s");
        Console.WriteLine($"resident at most {memory.Max() >> 20} MB (less than {MemoryBar >> 20}); {second >> 20} MB in the second quarter, {last >> 20} MB in the last (within {GrowthBar >> 20})");
        Console.WriteLine($"a person's deposition: p99 {Statistics.Percentile(quiet, 0.99):F0} ms when it is quiet, {p99:F0} ms during the pull ({during.Count} samples); the longest batch took {longest:F0} ms (at most {bound:F0})");
        return memory.Max() < MemoryBar && Math.Abs(last - second) <= GrowthBar && p99 <= bound;
    }

    private static long Mean(List<long> samples, double from, double to) => (long)samples[(int)(samples.Count * from)..(int)(samples.Count * to)].Average();

    private static async Task<double> LatencyAsync(NodeBench node)
    {
        DepositionHandle draft = await node.DraftAsync();
        long started = Stopwatch.GetTimestamp();
        await NodeBench.JudgeAsync(draft);
        return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
    }

    private static async Task<double> LongestRunAsync(NodeBench node, string pull)
    {
        await using NpgsqlDataSource database = NpgsqlDataSource.Create(node.Database);
        await using NpgsqlCommand command = database.CreateCommand("select extract(epoch from max(completed_at - started_at))::float8 * 1000 from osa.validation_runs where pull_id::text = $1");
        command.Parameters.Add(new NpgsqlParameter { Value = pull });
        return (double)(await command.ExecuteScalarAsync())!;
    }
}
