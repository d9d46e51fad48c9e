using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Npgsql;
using Osa.Client;
using Osa.Client.Depositions;
using Osa.TestHooks.Support;
using Osa.Testing;

// Three clusters at a time, which wait for half of it.
[assembly: Xunit.v3.Parallelization(MaxThreads = 4)]
[assembly: TestCollectionOrderer(typeof(Osa.Cluster.Tests.LongestFirst))]

namespace Osa.Cluster.Tests;

/// <summary>The silos of one node, each a process that can be stopped and killed: one database, one data directory, one container engine.</summary>
internal sealed class TestCluster : IAsyncDisposable
{
    public const string Both = "api,containers";

    /// <summary>A dead or stopped silo is noticed within a few seconds.</summary>
    public const double QuickProbe = 0.5;

    /// <summary>No silo of a busy machine is taken for dead.</summary>
    public const double PatientProbe = 10;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    private readonly TempDirectory _directory = new();
    private readonly List<TestSilo> _silos = [];
    private readonly List<TestSilo> _all = [];
    private readonly double _probeSeconds;

    private TestCluster(string connectionString, string hooksImage, double probeSeconds)
    {
        (ConnectionString, HooksImage, _probeSeconds) = (connectionString, hooksImage, probeSeconds);
        Database = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(connectionString) { ApplicationName = "test", MaxPoolSize = 4 });
    }

    public string ConnectionString { get; }

    /// <summary>Image id of the test hooks.</summary>
    public string HooksImage { get; }

    public NpgsqlDataSource Database { get; }

    public string Data => _directory["data"];

    /// <summary>The container engine that silos are told of; null for the machine's.</summary>
    public Uri? Engine { get; set; }

    /// <summary>Where silos find the database, if not where the test does.</summary>
    public string? SilosDatabase { get; set; }

    /// <summary>Further variables of every silo that is started from now on.</summary>
    public Dictionary<string, string> Environment { get; } = new(StringComparer.Ordinal);

    /// <summary>The silos as they are now; one that was started again takes the place of the old one.</summary>
    public IReadOnlyList<TestSilo> Silos => _silos;

    /// <summary>A node that no silo has been started of: an empty database and an empty data directory with a signing key.</summary>
    /// <param name="database">An empty database; null for one of the shared server.</param>
    public static async Task<TestCluster> CreateAsync(double probeSeconds, string? database = null)
    {
        var cluster = new TestCluster(database ?? await PostgresServer.CreateDatabaseAsync(), await StaticPrograms.TestHooksImageAsync(), probeSeconds);
        string key = Path.Combine(cluster.Data, "secrets", "signing.key");
        Directory.CreateDirectory(Path.GetDirectoryName(key)!);
        await File.WriteAllTextAsync(key, Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)));
        File.SetUnixFileMode(key, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        return cluster;
    }

    /// <summary>Starts silos at the same moment, one for each of the roles, and waits until they answer and know their engines.</summary>
    public async Task StartAsync(params string[] roles)
    {
        TestSilo[] started = await Task.WhenAll(roles.Select(r => LaunchAsync(r, null)));
        _silos.AddRange(started);
        await WaitUntilReadyAsync();
    }

    /// <summary>Starts one more silo.</summary>
    /// <param name="engine">The container engine that it is told of.</param>
    public async Task<TestSilo> AddAsync(string roles, Uri? engine = null)
    {
        TestSilo silo = await LaunchAsync(roles, engine);
        _silos.Add(silo);
        return silo;
    }

    /// <summary>Starts again what was killed or ended by itself, as a silo does that finds itself declared dead.</summary>
    public async Task RestartDeadAsync()
    {
        do
        {
            for (int i = 0; i < _silos.Count; i++)
            {
                if (!_silos[i].IsUp)
                {
                    try
                    {
                        _silos[i] = await LaunchAsync(_silos[i].Roles, null);
                    }
                    catch (InvalidOperationException e) when (e.Message.Contains("told I am dead", StringComparison.Ordinal))
                    {
                        // So slow to start that another silo took it for dead: once more.
                    }
                }
            }

            await WaitUntilReadyAsync();
        }
        while (_silos.Any(s => !s.IsUp));
    }

    /// <summary>Starts a dead silo again and waits until it has killed itself at the point, which it may do before it answers.</summary>
    public async Task RestartToDieAsync(string point)
    {
        TestSilo dead = _silos.Single(s => !s.IsUp);
        try
        {
            TestSilo doomed = await LaunchAsync(dead.Roles, null, point);
            await Eventually.True(() => !doomed.IsUp, Patience, $"the silo never got to {point}");
        }
        catch (InvalidOperationException e) when (e.Message.Contains("ended with 137", StringComparison.Ordinal))
        {
            // Before it answered.
        }
    }

    /// <summary>Waits until membership has every silo and every container engine offers slots.</summary>
    public Task WaitUntilReadyAsync() => Eventually.True(
        async () => (await ReadAsync("select silo, engine_state from osa.silos join orleans.membership on silo = address || ':' || port || '@' || generation where status = 3", r => (Silo: r.GetString(0), State: r.GetString(1))))
            .Count(row => _silos.Any(s => s.IsUp && row.Silo.StartsWith(s.AddressPrefix, StringComparison.Ordinal) && (!s.RunsContainers || row.State == "ready"))) == _silos.Count(s => s.IsUp),
        Patience,
        () => "not every silo is ready\n" + Logs());

    /// <summary>Registers a convention with one hook, which does what the deposition's metadata say.</summary>
    /// <returns>Its id, which is the feature table's name too.</returns>
    public async Task<string> RegisterAsync(string id, TestSilo? through = null)
    {
        await (through ?? _silos.First(s => s.IsUp)).Client.Conventions.RegisterAsync(ConventionDocuments.Of(id, HooksImage, id));
        return id;
    }

    public async Task<Draft> DraftAsync(TestSilo silo, string convention, int rows, double afterSeconds = 0)
    {
        DepositionHandle handle = await silo.Client.Depositions.CreateAsync(convention, new JsonObject { ["behaviour"] = ConventionDocuments.Rows(rows, afterSeconds) });
        return new Draft(handle.Srn, rows, Guid.NewGuid().ToString("N"));
    }

    /// <summary>Submits through a silo, once.</summary>
    /// <returns>The run's id.</returns>
    public static async Task<Guid> SubmitAsync(TestSilo silo, Draft draft) =>
        IdOf((await silo.Client.Depositions.Handle(draft.Srn).SubmitAsync(draft.Key)).Srn);

    /// <summary>Submits as somebody does who needs it done: again, through whichever silo is there, until there is an answer.</summary>
    /// <param name="except">The silo that is known not to answer.</param>
    public async Task<Guid> SubmitPersistentlyAsync(Draft draft, TestSilo? except = null)
    {
        var waited = Stopwatch.StartNew();
        for (int attempt = 0; ; attempt++)
        {
            TestSilo[] up = [.. _silos.Where(s => s.IsUp && s != except)];
            try
            {
                return await SubmitAsync(up[attempt % up.Length], draft);
            }
            catch (OsaClientException e) when (e.IsTransient && waited.Elapsed < Patience)
            {
                // The next silo, or the same one a little later: the client has waited already.
            }
        }
    }

    /// <summary>Waits until the run has passed.</summary>
    /// <exception cref="InvalidOperationException">It got another verdict.</exception>
    public Task PassedAsync(Guid run, TimeSpan deadline) => Eventually.True(
        async () =>
        {
            (string status, string summary) = (await ReadAsync("select status, coalesce(summary, '') from osa.validation_runs where id = $1", r => (r.GetString(0), r.GetString(1)), run)).Single();
            return status == "passed" || (status is "pending" or "running" ? false : throw new InvalidOperationException($"run {run} is {status}: {summary}"));
        },
        deadline,
        () => $"run {run} has no verdict\n{Logs()}");

    /// <summary>The silo that a run's row names as its owner, with the epoch; null before it was claimed.</summary>
    public async Task<(TestSilo? Owner, long Epoch)> OwnerAsync(Guid run)
    {
        List<(string? Silo, long Epoch)> rows = await ReadAsync(
            "select owner_silo, epoch from osa.validation_runs where id = $1", r => (r.IsDBNull(0) ? null : r.GetString(0), r.GetInt64(1)), run);
        return rows is [{ Silo: { } address } row] ? (_silos.FirstOrDefault(s => address.StartsWith(s.AddressPrefix, StringComparison.Ordinal)), row.Epoch) : (null, 0);
    }

    /// <summary>Whether membership calls the silo dead.</summary>
    public async Task<bool> IsDeclaredDeadAsync(TestSilo silo) =>
        await ScalarAsync<bool>("select exists (select from orleans.membership where port = $1 and status = 6)", silo.Port);

    /// <summary>Rows of the database, which may have been away: then it is asked again.</summary>
    public async Task<List<T>> ReadAsync<T>(string sql, Func<NpgsqlDataReader, T> read, params object[] parameters)
    {
        string away = "";
        return await Eventually.Value(
            async () =>
            {
                try
                {
                    return await ReadOnceAsync(sql, read, parameters);
                }
                catch (NpgsqlException e) when (e.IsTransient)
                {
                    away = e.Message;
                    return null;
                }
            },
            Patience,
            () => away);
    }

    private async Task<List<T>> ReadOnceAsync<T>(string sql, Func<NpgsqlDataReader, T> read, object[] parameters)
    {
        await using NpgsqlCommand command = Database.CreateCommand(sql);
        foreach (object parameter in parameters)
        {
            command.Parameters.Add(new NpgsqlParameter { Value = parameter });
        }

        await using NpgsqlDataReader reader = await command.ExecuteReaderAsync();
        var rows = new List<T>();
        while (await reader.ReadAsync())
        {
            rows.Add(read(reader));
        }

        return rows;
    }

    public async Task<T?> ScalarAsync<T>(string sql, params object[] parameters) =>
        (await ReadAsync(sql, r => r.IsDBNull(0) ? default : r.GetFieldValue<T>(0), parameters)).FirstOrDefault();

    /// <summary>This cluster's containers, by name and id, in every state.</summary>
    public async Task<IReadOnlyList<(string Name, string Id)>> ContainersAsync()
    {
        Guid cluster = await ScalarAsync<Guid>("select cluster_id from osa.node");
        (int code, string output) = await Unprivileged.RunAsync("docker", "ps", "--all", "--no-trunc", "--filter", $"label=osa.cluster={cluster}", "--format", "{{.Names}} {{.ID}}");
        return code == 0
            ? [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' ')).Select(parts => (parts[0], parts[1]))]
            : throw new InvalidOperationException(output);
    }

    /// <summary>The last lines of every silo that there was.</summary>
    public string Logs(int lines = 40) => string.Join("\n", _all.Select(s =>
        $"--- silo {s.Port} ({s.Roles}){(s.IsUp ? "" : ", which has ended")}\n" + string.Join("\n", s.Process.Log.Split('\n').Where(line => !line.StartsWith("   at ", StringComparison.Ordinal)).TakeLast(lines))));

    /// <summary>Runs a test, and adds the silos' logs to what went wrong.</summary>
    public async Task ExplainAsync(Func<Task> test)
    {
        try
        {
            await test();
        }
        catch (Exception e)
        {
            throw new InvalidOperationException($"{e.Message}\n{Logs()}", e);
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(_all.Select(s => s.Process.DisposeAsync().AsTask()));
        if (_all.Count > 0)
        {
            EngineLeftovers.Remove((await ScalarAsync<Guid>("select cluster_id from osa.node")).ToString());
        }

        await Database.DisposeAsync();
        _directory.Dispose();
    }

    public static Guid IdOf(string srn) => Guid.Parse(srn[(srn.LastIndexOf(':') + 1)..]);

    private async Task<TestSilo> LaunchAsync(string roles, Uri? engine, string? killAt = null)
    {
        int port = FreePort.Next();
        var environment = new Dictionary<string, string>(Environment, StringComparer.Ordinal) { ["OSA_SILO_PORT"] = port.ToString(), ["OSA_SLOTS_PER_CORE"] = "4" };
        if ((engine ?? Engine) is { } told)
        {
            environment["OSA_ENGINE"] = told.ToString();
        }

        NodeProcess process = await NodeProcess.StartAsync(new NodeSetup(Data, SilosDatabase ?? ConnectionString) { Roles = roles, ProbeSeconds = _probeSeconds, Environment = environment, KillAt = killAt });
        var silo = new TestSilo(process, roles, port);
        lock (_all)
        {
            _all.Add(silo);
        }

        return silo;
    }
}

/// <summary>A deposition that waits to be submitted.</summary>
/// <param name="Rows">How many feature rows its hook will emit.</param>
/// <param name="Key">The idempotency key of every attempt to submit it.</param>
internal sealed record Draft(string Srn, int Rows, string Key)
{
    public Guid Id => TestCluster.IdOf(Srn);
}
