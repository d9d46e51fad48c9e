using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using Npgsql;
using Osa.Client;
using Osa.Client.Depositions;

namespace Osa.Benchmarks.Nodes;

/// <summary>Create, metadata and get through gRPC from 16 connections, against a pgbench script that writes and reads the same rows.</summary>
internal sealed partial class EditsBenchmark : IBenchmark
{
    private const int Connections = 16;
    private const double Bar = 0.4;
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(10);

    public async Task<bool> RunAsync(CancellationToken cancellation)
    {
        await using NodeBench node = await NodeBench.StartAsync();
        OsaClient[] clients = [.. Enumerable.Range(0, Connections).Select(_ => node.NewClient())];
        // The node and this process compile their hot paths, which takes the better part of a minute.
        await OursAsync(clients, TimeSpan.FromSeconds(45));
        var ours = new List<double>();
        var floor = new List<double>();
        for (int round = 0; round < 3; round++)
        {
            floor.Add(await PgbenchAsync(node.Database));
            ours.Add(await OursAsync(clients, Duration));
        }

        double ratio = Statistics.Median(ours) / Statistics.Median(floor);
        Console.WriteLine($"create + metadata + get: {Statistics.Median(ours):F0} operations/s, pgbench {Statistics.Median(floor):F0} operations/s, {Connections} connections, medians of 3");
        Console.WriteLine($"ratio {ratio:F2} (at least {Bar})");
        return ratio >= Bar;
    }

    private static async Task<double> OursAsync(OsaClient[] clients, TimeSpan duration)
    {
        long started = Stopwatch.GetTimestamp();
        int[] operations = await Task.WhenAll(clients.Select(async client =>
        {
            int done = 0;
            while (Stopwatch.GetElapsedTime(started) < duration)
            {
                DepositionHandle draft = await client.Depositions.CreateAsync(NodeBench.Convention);
                await draft.SetMetadataAsync(new JsonObject { ["organism"] = "Homo sapiens" });
                await draft.GetAsync();
                done += 3;
            }

            return done;
        }));
        return operations.Sum() / Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    private static async Task<double> PgbenchAsync(string connectionString)
    {
        var connection = new NpgsqlConnectionStringBuilder(connectionString);
        string script = Path.GetTempFileName();
        // The rows of one create, one change of metadata and one read, each in one statement as the node writes them.
        await File.WriteAllTextAsync(
            script,
            """
            \set n random(1, 1000000000000000)
            with fresh as (
              insert into osa.idempotency (caller_id, operation, key, answer) values ('11111111-1111-1111-1111-111111111111', 'floor', :n::text, md5(:n::text)) on conflict do nothing returning 1),
            d as (
              insert into osa.depositions (id, owner_id, convention_id, convention_version, metadata)
              select md5(:n::text)::uuid, '11111111-1111-1111-1111-111111111111', 'benchmark', '1.0.0', '{}' from fresh returning *),
            e as (
              insert into osa.events (type, subject, audience, owner_id, payload)
              select 'DepositionCreatedEvent', :n::text, 'owner', '11111111-1111-1111-1111-111111111111', jsonb_build_object('deposition_id', :n::text) from d)
            select * from d;
            with d as (
              update osa.depositions set metadata = '{"organism": "Homo sapiens"}', updated_at = now() where id = md5(:n::text)::uuid and status = 'draft' returning *),
            e as (
              insert into osa.events (type, subject, audience, owner_id, payload)
              select 'MetadataUpdatedEvent', :n::text, 'owner', '11111111-1111-1111-1111-111111111111', jsonb_build_object('deposition_id', :n::text, 'metadata', '{"organism": "Homo sapiens"}'::jsonb) from d)
            select * from d;
            select d.*, (select json_agg(f) from osa.deposition_files f where f.deposition_id = d.id) from osa.depositions d where id = md5(:n::text)::uuid;
            """);
        var start = new ProcessStartInfo(
            Directory.GetDirectories("/usr/lib/postgresql").Order().Select(d => Path.Combine(d, "bin", "pgbench")).Last(File.Exists),
            [
                "-n", "-M", "prepared", "-c", Connections.ToString(CultureInfo.InvariantCulture), "-j", "2", "-T", Duration.TotalSeconds.ToString(CultureInfo.InvariantCulture),
                "-f", script, "-h", connection.Host!, "-p", connection.Port.ToString(CultureInfo.InvariantCulture), "-U", connection.Username!, connection.Database!,
            ])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["PGPASSWORD"] = connection.Password;
        using Process pgbench = Process.Start(start)!;
        Task<string> errors = pgbench.StandardError.ReadToEndAsync();
        string output = await pgbench.StandardOutput.ReadToEndAsync();
        await pgbench.WaitForExitAsync();
        File.Delete(script);
        return Tps().Match(output) is { Success: true } tps
            ? 3 * double.Parse(tps.Groups[1].Value, CultureInfo.InvariantCulture)
            : throw new InvalidOperationException($"pgbench said:\n{output}\n{await errors}");
    }

    [GeneratedRegex(@"tps = ([0-9.]+) \(without initial", RegexOptions.None, 1000)]
    private static partial Regex Tps();
}
