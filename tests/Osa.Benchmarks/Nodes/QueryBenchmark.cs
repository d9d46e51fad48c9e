using System.Diagnostics;
using Npgsql;
using Osa.V1;

namespace Osa.Benchmarks.Nodes;

/// <summary>Pages and exports of a feature table of a million rows.</summary>
internal sealed class QueryBenchmark : IBenchmark
{
    private const int Rows = 1_000_000;
    private const int Pages = 6_000;
    // The node and this process compile their hot paths in the first ones, once more after they were watched for a while.
    private const int Warm = 3_000;
    private const double PageBar = 1.5;
    private const double ExportBar = 300_000;
    private const double MemoryBar = 64;

    public async Task<bool> RunAsync(CancellationToken cancellation)
    {
        await using NodeBench node = await NodeBench.StartAsync();
        string table = await node.RegisterBatchAsync("queried", new System.Text.Json.Nodes.JsonObject { ["do"] = "write", ["text"] = "[]" });
        await using var connection = new NpgsqlConnection(node.Database);
        await connection.OpenAsync(cancellation);
        await using (var fill = new NpgsqlCommand(
            $"""
            insert into features."{table}" (record_srn, run_id, label, position, score, significant, measured_at, details)
            select 'urn:osa:localhost:rec:' || md5((i / 20)::text) || '@1', gen_random_uuid(), 'feature number ' || i % 1000, i, (i::bigint * 7919) % {Rows} / 7.0, i % 3 = 0, now(), jsonb_build_object('rank', i % 100)
            from generate_series(1, {Rows}) i;
            """, connection)
        { CommandTimeout = 600 })
        {
            await fill.ExecuteNonQueryAsync(cancellation);
        }

        await using (var analyze = new NpgsqlCommand($"vacuum analyze features.\"{table}\"", connection) { CommandTimeout = 600 })
        {
            await analyze.ExecuteNonQueryAsync(cancellation);
        }

        var query = new QueryRequest
        {
            Source = new QuerySource { Table = table },
            Sort = { new SortKey { Column = "score" } },
            PageSize = 50,
            Filter = new Filter { Compare = new Comparison { Column = "score", Op = Operator.GreaterOrEqual, Values = { new FeatureValue() } } },
        };
        var ours = new List<double>();
        var floor = new List<double>();
        for (int i = 0; i < Pages; i++)
        {
            double from = (i * 331) % (Rows - 1_000) / 7.0;
            // Other rows: those that the node has just read are in the processor's cache.
            double fromOfFloor = ((i * 331) + (Rows / 2)) % (Rows - 1_000) / 7.0;
            query.Filter.Compare.Values[0].Number = from;
            long started = Stopwatch.GetTimestamp();
            int count = await node.Client.Queries.RowsAsync(query, cancellation).Take(50).CountAsync(cancellation);
            ours.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
            started = Stopwatch.GetTimestamp();
            await using var command = new NpgsqlCommand(
                $"""
                select f.record_srn, f.run_id, f.created_at, f.label, f.position, f.score, f.significant, f.measured_at, f.details from features."{table}" f
                where not exists (
                    select from osa.records hidden where hidden.srn = f.record_srn and (not hidden.is_current or hidden.embargo_until is not null or hidden.withdrawn_at is not null)
                      and (hidden.withdrawn_at is not null or not hidden.is_current))
                  and f.score >= $1 and f.score is not null order by f.score, f.id limit 51
                """, connection);
            command.Parameters.Add(new NpgsqlParameter { Value = fromOfFloor });
            await using NpgsqlDataReader reader = await command.ExecuteReaderAsync(cancellation);
            int read = 0;
            while (await reader.ReadAsync(cancellation))
            {
                object[] values = new object[9];
                reader.GetValues(values);
                read++;
            }

            floor.Add(Stopwatch.GetElapsedTime(started).TotalMilliseconds);
            if (count != 50 && read > 50)
            {
                throw new InvalidOperationException($"a page of {count} where there are {read}");
            }
        }

        double ratio = Median(ours[Warm..]) / Median(floor[Warm..]);
        Console.WriteLine($"a page of 50: p50 {Median(ours[Warm..]):F2} ms, through Npgsql {Median(floor[Warm..]):F2} ms: {ratio:F2} x (at most {PageBar})");

        var export = new ExportRequest { Source = query.Source, Format = ExportFormat.Csv };
        await node.Client.Queries.ExportAsync(export, Stream.Null, cancellation);
        long before = node.ResidentBytes();
        using var watch = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        long peak = before;
        Task watching = Task.Run(
            async () =>
            {
                while (!watch.IsCancellationRequested)
                {
                    peak = Math.Max(peak, node.ResidentBytes());
                    await Task.Delay(20, watch.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }
            },
            cancellation);
        var rates = new List<double>();
        for (int i = 0; i < 3; i++)
        {
            long started = Stopwatch.GetTimestamp();
            await node.Client.Queries.ExportAsync(export, Stream.Null, cancellation);
            rates.Add(Rows / Stopwatch.GetElapsedTime(started).TotalSeconds);
        }

        await watch.CancelAsync();
        await watching;
        double more = (peak - before) / 1048576.0;
        Console.WriteLine($"a million rows as CSV: {Median(rates):F0} rows/s (at least {ExportBar:F0}), {more:F0} MB more (less than {MemoryBar})");
        return ratio <= PageBar && Median(rates) >= ExportBar && more < MemoryBar;
    }

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);
}
