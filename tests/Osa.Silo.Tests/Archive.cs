using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using Grpc.Core;
using Grpc.Net.Client;
using Npgsql;
using Osa.Client;
using Osa.Client.Conventions;
using Osa.Client.Depositions;
using Osa.Client.Features;
using Osa.Client.Runs;
using Osa.Testing;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>A running node, in the words of its users.</summary>
public sealed class Archive : IAsyncDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    private readonly string? _database;

    private Archive(NodeProcess node, string data, string? database)
    {
        (Node, Data, _database) = (node, data, database);
        Admin = node.Client();
        Ada = node.Client("depositor", "ada");
        Channel = GrpcChannel.ForAddress(node.Address);
    }

    public NodeProcess Node { get; }

    /// <summary>The data directory.</summary>
    public string Data { get; }

    public OsaClient Admin { get; }

    /// <summary>A depositor.</summary>
    public OsaClient Ada { get; }

    /// <summary>For calls that the typed client does not make.</summary>
    public GrpcChannel Channel { get; }

    /// <summary>PostgreSQL, past the node.</summary>
    public string Database => _database ?? EmbeddedDatabase();

    /// <summary>Starts a node, by default on its own PostgreSQL.</summary>
    public static async Task<Archive> StartAsync(string data, string? database = null, bool engine = true, params (string Name, string Value)[] environment)
    {
        NodeProcess node = await NodeProcess.StartAsync(new NodeSetup(data, database)
        {
            Environment = environment.ToDictionary(e => e.Name, e => e.Value, StringComparer.Ordinal),
        });
        var archive = new Archive(node, data, database);
        if (engine)
        {
            await node.WaitForEngineAsync();
        }

        return archive;
    }

    /// <summary>A running node that was started elsewhere.</summary>
    public static Archive Of(NodeProcess node, string data, string? database = null) => new(node, data, database);

    public Task<Registration> RegisterAsync(JsonObject document) => Admin.Conventions.RegisterAsync(document.ToJsonString());

    /// <summary>A draft of Ada's whose hooks will do <paramref name="behaviour"/>.</summary>
    public Task<DepositionHandle> DraftAsync(string convention, JsonObject? behaviour = null) =>
        Ada.Depositions.CreateAsync(convention, Documents.Metadata(behaviour));

    /// <summary>A deposition of Ada's, submitted.</summary>
    public async Task<(DepositionHandle Deposition, RunHandle Run)> SubmitAsync(string convention, JsonObject? behaviour = null)
    {
        DepositionHandle draft = await DraftAsync(convention, behaviour);
        return (draft, await draft.SubmitAsync());
    }

    /// <summary>A deposition of Ada's and the verdict over it.</summary>
    public async Task<(DepositionHandle Deposition, ValidationRun Run)> JudgeAsync(string convention, JsonObject? behaviour = null)
    {
        (DepositionHandle deposition, RunHandle run) = await SubmitAsync(convention, behaviour);
        return (deposition, await VerdictAsync(run));
    }

    /// <summary>The record of a deposition that has to pass.</summary>
    public async Task<Record> PublishAsync(string convention, JsonObject? behaviour = null)
    {
        (_, ValidationRun run) = await JudgeAsync(convention, behaviour);
        Assert.True(run.Status == RunStatus.Passed, run.Summary);
        return await Admin.Records.GetAsync(run.RecordSrn);
    }

    public static async Task<ValidationRun> VerdictAsync(RunHandle run) => await run.WaitAsync().WaitAsync(Patience);

    /// <summary>The first state of the run for which it holds.</summary>
    public static async Task<ValidationRun> WatchUntilAsync(RunHandle run, Func<ValidationRun, bool> condition, string expected)
    {
        ValidationRun? last = null;
        using var late = new CancellationTokenSource(Patience);
        await foreach (ValidationRun now in run.WatchAsync(cancellationToken: late.Token))
        {
            last = now;
            if (condition(now))
            {
                return now;
            }
        }

        throw new TimeoutException($"expected {expected}, but the run ended: {last}");
    }

    public static Task<ValidationRun> WaitUntilTheHookRunsAsync(RunHandle run) =>
        WatchUntilAsync(run, r => r.Hooks.Any(h => h.Status == HookStatus.Running && h.Progress.Count > 0), "a hook that runs and reports progress");

    /// <summary>The rows of a record in a table, in order.</summary>
    public async Task<List<TypedFeatureRow>> RowsAsync(string table, string? record = null) => await Admin.Features.RowsAsync(table, record).ToListAsync();

    public static async Task<DepositionFile> UploadAsync(DepositionHandle deposition, string name, string text) =>
        await deposition.UploadAsync(name, new MemoryStream(Encoding.UTF8.GetBytes(text)), "text/plain");

    /// <summary>The rows of a query, each as the texts of its columns; null for SQL's null.</summary>
    public async Task<List<string?[]>> QueryAsync(string sql, params object[] parameters)
    {
        await using var connection = new NpgsqlConnection(Database);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        foreach (object parameter in parameters)
        {
            command.Parameters.Add(new NpgsqlParameter { Value = parameter });
        }

        await using NpgsqlDataReader reader = await command.ExecuteReaderAsync();
        var rows = new List<string?[]>();
        while (await reader.ReadAsync())
        {
            rows.Add([.. Enumerable.Range(0, reader.FieldCount).Select(i => reader.IsDBNull(i) ? null : Convert.ToString(reader.GetValue(i), CultureInfo.InvariantCulture))]);
        }

        return rows;
    }

    /// <summary>The one value of a query.</summary>
    public async Task<string?> ValueAsync(string sql, params object[] parameters) => (await QueryAsync(sql, parameters)).Single()[0];

    public async Task<bool> HasTableAsync(string name) =>
        await ValueAsync("select count(*) from pg_class c join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'features' and c.relname = $1", name) != "0";

    public static Guid IdOf(string srn) => Guid.Parse(srn.Split(':')[4].Split('@')[0]);

    /// <summary>The engine's containers of a run, whatever their state.</summary>
    public static async Task<string[]> ContainersOfAsync(string runSrn)
    {
        (int code, string output) = await Unprivileged.RunAsync("docker", "ps", "--all", "--no-trunc", "--filter", $"name={IdOf(runSrn):N}", "--format", "{{.ID}}");
        return code == 0 ? output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries) : throw new InvalidOperationException(output);
    }

    /// <summary>The directories that a run's containers were given.</summary>
    public string[] ScratchOf(string runSrn) => Directory.GetDirectories(Path.Combine(Data, "scratch"), $"*{IdOf(runSrn):N}*");

    /// <summary>Headers of a caller, for calls on <see cref="Channel"/>.</summary>
    public Metadata Headers(string role, string user) => new() { { "authorization", "Bearer " + NodeProcess.Token(Data, role, NodeProcess.UserId(user)) } };

    public async ValueTask DisposeAsync()
    {
        Channel.Dispose();
        await Node.DisposeAsync();
    }

    // As the server wrote it down: line 4 of postmaster.pid is the port, 5 the socket's directory, 6 an address.
    private string EmbeddedDatabase()
    {
        string home = Path.Combine(Data, "postgres");
        string[] lines = File.ReadAllLines(Path.Combine(home, "cluster", "postmaster.pid"));
        return new NpgsqlConnectionStringBuilder
        {
            Host = lines[4].Length > 0 ? lines[4] : IPAddress.Parse(lines[5]).ToString(),
            Port = int.Parse(lines[3], CultureInfo.InvariantCulture),
            Username = "osa",
            Password = File.ReadAllText(Path.Combine(home, "password")).Trim(),
            Database = "osa",
            MaxPoolSize = 10,
        }.ConnectionString;
    }
}
