using System.Collections.Concurrent;
using Npgsql;
using Osa.Client;
using Osa.Testing;
using Osa.V1;

namespace Osa.Benchmarks.Nodes;

/// <summary>From the commit of an event to each of 100 watchers.</summary>
internal sealed class EventsBenchmark : IBenchmark
{
    private const int Watchers = 100;
    private const int Events = 200;
    private const double BarMilliseconds = 50;

    public async Task<bool> RunAsync(CancellationToken cancellation)
    {
        await using NodeBench node = await NodeBench.StartAsync();
        var committed = new ConcurrentDictionary<string, long>();
        var latencies = new ConcurrentBag<double>();
        using var done = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        OsaClient[] clients = [.. Enumerable.Range(0, 10).Select(_ => node.NewClient())];
        int arrived = 0;
        Task[] watching = [.. Enumerable.Range(0, Watchers).Select(i => Task.Run(async () =>
        {
            await foreach (Event happened in clients[i % clients.Length].Events.WatchAsync(0, new EventFilter { Types_ = { "Benchmark" } }, cancellationToken: done.Token))
            {
                long now = System.Diagnostics.Stopwatch.GetTimestamp();
                while (!committed.ContainsKey(happened.Subject))
                {
                    // Seen before its own commit was answered.
                    await Task.Yield();
                }

                latencies.Add(System.Diagnostics.Stopwatch.GetElapsedTime(committed[happened.Subject], now).TotalMilliseconds);
                Interlocked.Increment(ref arrived);
            }
        }))];
        Task ArrivedAsync(int count) => Eventually.True(() => Volatile.Read(ref arrived) >= count, TimeSpan.FromSeconds(30), $"{count} arrivals");
        await using var connection = new NpgsqlConnection(node.Database);
        await connection.OpenAsync(cancellation);
        for (int i = 0; i < Events + 20; i++)
        {
            await using var insert = new NpgsqlCommand("insert into osa.events (type, subject, audience, payload) values ('Benchmark', $1, 'public', '{}')", connection);
            insert.Parameters.Add(new NpgsqlParameter { Value = i.ToString() });
            await insert.ExecuteNonQueryAsync(cancellation);
            committed[i.ToString()] = System.Diagnostics.Stopwatch.GetTimestamp();
            // Apart from each other, and at every phase of the reader.
            await Task.Delay(20 + (i % 17), cancellation);
            if (i == 19)
            {
                // The first ones found the watchers still connecting.
                await ArrivedAsync(20 * Watchers);
                latencies.Clear();
            }
        }

        await ArrivedAsync((Events + 20) * Watchers);
        await done.CancelAsync();
        await Task.WhenAll(watching).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        double[] sorted = [.. latencies.Order()];
        double p99 = sorted[(int)(sorted.Length * 0.99)];
        Console.WriteLine($"{sorted.Length} arrivals at {Watchers} watchers: p50 {sorted[sorted.Length / 2]:F1} ms, p99 {p99:F1} ms (at most {BarMilliseconds}), largest {sorted[^1]:F1} ms");
        return sorted.Length == Events * Watchers && p99 <= BarMilliseconds;
    }
}
