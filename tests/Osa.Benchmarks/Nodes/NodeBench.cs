using System.Text.Json.Nodes;
using Npgsql;
using Osa.Client;
using Osa.Client.Depositions;
using Osa.Client.Runs;
using Osa.TestHooks.Support;
using Osa.Testing;
using Osa.V1;

namespace Osa.Benchmarks.Nodes;

/// <summary>A real node on a durable PostgreSQL of its own, with one convention whose only hook does nothing.</summary>
internal sealed class NodeBench : IAsyncDisposable
{
    public const string Convention = "benchmark";

    /// <summary>What the hook asks for; the floor's containers get the same.</summary>
    public const long MemoryBytes = 64 << 20;

    private readonly TempDirectory _data;
    private readonly PostgresServer _postgres;
    private NodeProcess _node;

    private NodeBench(TempDirectory data, PostgresServer postgres, string database, NodeProcess node)
    {
        (_data, _postgres, Database, _node) = (data, postgres, database, node);
        Client = node.Client();
    }

    public OsaClient Client { get; private set; }

    public string Database { get; }

    /// <param name="probeSeconds">Long, so that no silo of a busy machine is taken for dead.</param>
    public static async Task<NodeBench> StartAsync(double probeSeconds = 5)
    {
        var data = new TempDirectory();
        PostgresServer postgres = await PostgresServer.StartAsync(durable: true);
        string database = await postgres.NewDatabaseAsync();
        NodeProcess node = await NodeProcess.StartAsync(new NodeSetup(data.Path, database) { ProbeSeconds = probeSeconds, HasFaultPoints = false });
        var bench = new NodeBench(data, postgres, database, node);
        await node.WaitForEngineAsync();
        await bench.RegisterAsync(Convention, null, new JsonObject { ["timeout_seconds"] = 60, ["memory"] = "64m", ["cpu"] = "1.0" });
        return bench;
    }

    /// <summary>Registers a convention with one hook, which takes batches and does the same of every deposition.</summary>
    public Task<string> RegisterBatchAsync(string name, JsonObject config, bool share = false)
    {
        static JsonObject Column(string column, string type, string? format = null) => new() { ["name"] = column, ["json_type"] = type, ["format"] = format, ["required"] = false };
        return RegisterAsync(
            name, config, new JsonObject { ["timeout_seconds"] = 60, ["memory"] = "128m", ["cpu"] = "1.0" }, "batch",
            [Column("label", "string"), Column("position", "integer"), Column("score", "number"), Column("significant", "boolean"), Column("measured_at", "string", "date-time"), Column("details", "object")], share);
    }

    /// <summary>Registers a convention with one hook, which does the same of every deposition.</summary>
    /// <param name="limits">Null for those of a manifest that is silent.</param>
    public Task<string> RegisterAsync(string name, JsonObject? config, JsonObject? limits = null) => RegisterAsync(name, config, limits, "record", []);

    /// <summary>Registers a convention with a hook of the batch contract that does nothing, and a source of records of about 1 KB without files.</summary>
    /// <param name="batch">Records that are judged together; null for as many as the node chooses.</param>
    /// <param name="chunk">Records of one container; null for all.</param>
    public async Task RegisterSourceAsync(string name, int records, int? batch, int? chunk = null)
    {
        JsonObject document = await DocumentAsync(
            name, new JsonObject { ["do"] = "write", ["text"] = "[]", ["buffered"] = true }, new JsonObject { ["timeout_seconds"] = 60, ["memory"] = "128m", ["cpu"] = "1.0" }, "batch", [], false);
        document["schema"] = new JsonArray(Field("title"), Field("behaviour"));
        document["source"] = new JsonObject
        {
            ["image"] = StaticPrograms.TestHooksReference,
            ["digest"] = await StaticPrograms.TestHooksImageAsync(),
            ["config"] = new JsonObject { ["source"] = new JsonObject { ["total"] = records, ["chunk"] = chunk ?? records, ["pad"] = 900 } },
            ["limits"] = new JsonObject { ["timeout_seconds"] = 600, ["memory"] = "128m", ["cpu"] = "1.0" },
            ["batch_size"] = batch,
        };
        await Client.Conventions.RegisterAsync(document.ToJsonString());
    }

    /// <summary>Kills the node with <c>kill -9</c> and starts it again.</summary>
    /// <returns>How long it took to answer.</returns>
    public async Task<TimeSpan> RestartAsync(double probeSeconds)
    {
        await _node.KillAsync();
        await _node.DisposeAsync();
        long started = System.Diagnostics.Stopwatch.GetTimestamp();
        _node = await NodeProcess.StartAsync(new NodeSetup(_data.Path, Database) { ProbeSeconds = probeSeconds, HasFaultPoints = false });
        TimeSpan took = System.Diagnostics.Stopwatch.GetElapsedTime(started);
        Client = _node.Client();
        return took;
    }

    /// <summary>Drafts, made sixteen at a time.</summary>
    public async Task<DepositionHandle[]> DraftsAsync(string convention, int count)
    {
        var drafts = new DepositionHandle[count];
        await Parallel.ForAsync(0, count, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (i, _) =>
            drafts[i] = await Client.Depositions.CreateAsync(convention, new JsonObject { ["organism"] = "Homo sapiens" }));
        return drafts;
    }

    /// <summary>The node's resident memory.</summary>
    public long ResidentBytes() => long.Parse(File.ReadLines($"/proc/{_node.ProcessId}/status").First(l => l.StartsWith("VmRSS:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1]) << 10;

    /// <summary>A client with a connection of its own.</summary>
    public OsaClient NewClient() => _node.Client();

    public Task<DepositionHandle> DraftAsync() => Client.Depositions.CreateAsync(Convention, new JsonObject { ["organism"] = "Homo sapiens" });

    /// <summary>Submit, and wait for the committed verdict.</summary>
    public static async Task JudgeAsync(DepositionHandle draft)
    {
        RunHandle run = await draft.SubmitAsync();
        ValidationRun verdict = await run.WaitAsync();
        if (verdict.Status != RunStatus.Passed)
        {
            throw new InvalidOperationException($"{verdict.Srn}: {verdict.Status}, {verdict.Summary}");
        }
    }

    /// <summary>Whether a container of one of the convention's runs is at work.</summary>
    public async Task<bool> HasRunningAsync(string convention)
    {
        await using NpgsqlDataSource database = NpgsqlDataSource.Create(Database);
        await using NpgsqlCommand command = database.CreateCommand("select exists (select from osa.run_units u join osa.validation_runs r on r.id = u.run_id where r.convention_id = $1 and u.state = 'claimed')");
        command.Parameters.Add(new NpgsqlParameter { Value = convention });
        return (bool)(await command.ExecuteScalarAsync())!;
    }

    public async ValueTask DisposeAsync()
    {
        await _node.DisposeAsync();
        await _postgres.DisposeAsync();
        _data.Dispose();
    }

    private async Task<string> RegisterAsync(string name, JsonObject? config, JsonObject? limits, string contract, JsonArray columns, bool share = false)
    {
        await Client.Conventions.RegisterAsync((await DocumentAsync(name, config, limits, contract, columns, share)).ToJsonString());
        return name;
    }

    private static async Task<JsonObject> DocumentAsync(string name, JsonObject? config, JsonObject? limits, string contract, JsonArray columns, bool share) => new()
    {
        ["id"] = name,
        ["title"] = name,
        ["version"] = "1.0.0",
        ["share"] = share,
        ["schema"] = new JsonArray(Field("organism")),
        ["file_requirements"] = new JsonObject { ["accepted_types"] = new JsonArray(), ["min_count"] = 0, ["max_count"] = 1, ["max_file_size"] = 1_000_000 },
        ["hooks"] = new JsonArray(new JsonObject
        {
            ["image"] = StaticPrograms.TestHooksReference,
            ["digest"] = await StaticPrograms.TestHooksImageAsync(),
            ["config"] = config,
            ["limits"] = limits,
            ["manifest"] = new JsonObject { ["name"] = name.Replace('-', '_'), ["contract"] = contract, ["cardinality"] = "many", ["feature_schema"] = new JsonObject { ["columns"] = columns } },
        }),
    };

    private static JsonObject Field(string name) => new() { ["name"] = name, ["type"] = "text", ["required"] = true, ["cardinality"] = "exactly_one" };
}
