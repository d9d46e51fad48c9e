using Npgsql;
using Osa.V1;

namespace Osa.Benchmarks.Nodes;

/// <summary>
/// 20,000 records of about 1 KB without files, and a hook that does nothing: from the start of the source's container, which alone needs
/// less than a second, to the last publication. With batches of 500, and as the node chooses.
/// </summary>
internal sealed class PullBenchmark : IBenchmark
{
    private const int Records = 20_000;
    private const int Rounds = 3;
    private const double FixedBar = 800;
    private const double ChosenBar = 1_500;

    public async Task<bool> RunAsync(CancellationToken cancellation)
    {
        await using NodeBench node = await NodeBench.StartAsync();
        // The node compiles its hot paths in its first runs.
        await RateAsync(node, "warm", 10_000, 500);
        double given = await MedianAsync(node, "given", 500);
        double chosen = await MedianAsync(node, "chosen", null);
        Console.WriteLine($"{Records} records in batches of 500: {given:F0} records/s (at least {FixedBar}), in batches that the node chooses: {chosen:F0} records/s (at least {ChosenBar}), medians of {Rounds}");
        return given >= FixedBar && chosen >= ChosenBar;
    }

    private static async Task<double> MedianAsync(NodeBench node, string name, int? batch)
    {
        var rates = new List<double>();
        for (int i = 0; i < Rounds; i++)
        {
            rates.Add(await RateAsync(node, $"{name}-{i}", Records, batch));
        }

        return Statistics.Median(rates);
    }

    private static async Task<double> RateAsync(NodeBench node, string name, int records, int? batch)
    {
        await node.RegisterSourceAsync(name, records, batch);
        Pull pull = await node.Client.Sources.WaitAsync((await node.Client.Sources.RunAsync(name)).Id);
        if (pull.Counts.Published != records)
        {
            throw new InvalidOperationException(pull.ToString());
        }

        await using NpgsqlDataSource database = NpgsqlDataSource.Create(node.Database);
        await using NpgsqlCommand command = database.CreateCommand(
            """
            with source as (select finished_at - duration_ms * interval '1 ms' as started, duration_ms / 1000.0 as own, finished_at, (select completed_at from osa.pulls p where p.id = pull_id) as taken from osa.pull_attempts where pull_id::text = $1),
            hooks as (select sum(duration_ms) / 1000.0 as containers, count(*) as number from osa.run_units u join osa.validation_runs r on r.id = u.run_id where r.pull_id::text = $1),
            ended as (select max(completed_at) as at from osa.validation_runs where pull_id::text = $1)
            select extract(epoch from ended.at - source.started)::float8, source.own::float8, extract(epoch from source.taken - source.started)::float8, hooks.containers::float8, hooks.number from source, hooks, ended
            """);
        command.Parameters.Add(new NpgsqlParameter { Value = pull.Id });
        await using NpgsqlDataReader row = await command.ExecuteReaderAsync();
        await row.ReadAsync();
        double seconds = row.GetDouble(0);
        Console.WriteLine(
            $"  {records} records in {seconds:F1} s, {records / seconds:F0}/s: the source's container {row.GetDouble(1):F1} s, all taken after {row.GetDouble(2):F1} s, {row.GetInt64(4)} hook containers of {row.GetDouble(3):F1} s together");
        return records / seconds;
    }
}
