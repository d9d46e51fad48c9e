using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Osa.Domain.Errors;
using Osa.Storage.Embedded;
using Osa.Testing;

// Most of a test is waiting for a PostgreSQL to start and to stop.
[assembly: Xunit.v3.Parallelization(Mode = Xunit.Sdk.ParallelMode.All, MaxThreads = 4)]

namespace Osa.Storage.Tests.Embedded;

public sealed class EmbeddedPostgresTests : IDisposable
{
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;

    private readonly TempDirectory _directory = new();

    private string Data => _directory["data"];

    private string Cluster => Path.Combine(Data, "postgres", "cluster");

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task A_first_start_makes_a_cluster_that_keeps_its_rows_over_a_stop()
    {
        await using (EmbeddedPostgres first = await StartAsync())
        {
            Assert.False(first.Adopted);
            Assert.Equal("UTF8 C on on scram-sha-256 off", await ScalarAsync(first.ConnectionString, """
                select concat_ws(' ', pg_encoding_to_char(encoding), datcollate, current_setting('data_checksums'), current_setting('fsync'),
                    current_setting('password_encryption'), current_setting('is_superuser'))
                from pg_database where datname = current_database()
                """));
            await ScalarAsync(first.ConnectionString, "create table kept as select 42 as answer");
        }

        Assert.Empty(await ServersAsync());
        await using EmbeddedPostgres second = await StartAsync();
        Assert.False(second.Adopted);
        Assert.Equal(42, await ScalarAsync(second.ConnectionString, "select answer from kept"));
    }

    [Fact]
    public async Task The_server_runs_without_roots_rights_and_its_files_are_closed_to_others()
    {
        await using EmbeddedPostgres postgres = await StartAsync();

        string owner = (await Unprivileged.RunAsync("stat", "-c", "%u", $"/proc/{PostmasterPid()}")).Output.Trim();
        Assert.NotEqual("0", owner);
        Assert.Equal(owner, (await Unprivileged.RunAsync("stat", "-c", "%u", Cluster)).Output.Trim());
        Assert.Equal(OwnerOnly, File.GetUnixFileMode(Cluster));
        Assert.Equal(OwnerOnly, File.GetUnixFileMode(Path.Combine(Data, "postgres", "run")));
        Assert.Equal(OwnerOnly, File.GetUnixFileMode(Path.Combine(Data, "postgres", "log")));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path.Combine(Data, "postgres", "password")));
        Assert.Equal("", await ScalarAsync(postgres.ConnectionString, "select current_setting('listen_addresses')"));
    }

    [Fact]
    public async Task A_ctrl_c_on_the_node_does_not_reach_the_server()
    {
        await using EmbeddedPostgres postgres = await StartAsync();

        Assert.Equal($"{PostmasterPid()}", (await Unprivileged.RunAsync("ps", "-o", "sid=", "-p", $"{PostmasterPid()}")).Output.Trim());
    }

    [Fact]
    public async Task A_server_whose_node_was_killed_is_taken_over_with_its_sessions_untouched()
    {
        PostgresProcess node = await PostgresProcess.StartAsync(Data);
        int pid = PostmasterPid();
        await using var session = new NpgsqlConnection(node.ConnectionString);
        await session.OpenAsync();
        await node.KillAsync();

        await using EmbeddedPostgres next = await StartAsync();

        Assert.True(next.Adopted);
        Assert.Equal(pid, PostmasterPid());
        Assert.Equal(node.ConnectionString, next.ConnectionString);
        await using var command = new NpgsqlCommand("select 1", session);
        Assert.Equal(1, await command.ExecuteScalarAsync());
    }

    [Fact]
    public async Task A_cluster_whose_node_and_server_were_killed_recovers_every_committed_row()
    {
        PostgresProcess node = await PostgresProcess.StartAsync(Data);
        await ScalarAsync(node.ConnectionString, "create table kept as select generate_series(1, 10000) as n");
        int pid = await KillWithServerAsync(node);

        await using EmbeddedPostgres next = await StartAsync();

        Assert.False(next.Adopted);
        Assert.NotEqual(pid, PostmasterPid());
        Assert.Equal(10000L, await ScalarAsync(next.ConnectionString, "select count(*) from kept"));
    }

    [Fact]
    public async Task A_session_that_outlives_its_killed_server_is_ended_before_the_next_one_starts()
    {
        PostgresProcess node = await PostgresProcess.StartAsync(Data);
        await using var busy = new NpgsqlConnection(node.ConnectionString);
        await busy.OpenAsync();
        await using var command = new NpgsqlCommand("select count(*) from generate_series(1, 1000000000)", busy) { CommandTimeout = 60 };
        Task running = command.ExecuteScalarAsync();
        await KillWithServerAsync(node);

        await using EmbeddedPostgres next = await StartAsync();

        Assert.Equal(1, await ScalarAsync(next.ConnectionString, "select 1"));
        await Assert.ThrowsAnyAsync<NpgsqlException>(() => running);
    }

    [Fact]
    public async Task A_stale_process_id_that_another_process_got_does_not_keep_the_server_from_starting()
    {
        await (await StartAsync()).StopAsync();
        await File.WriteAllTextAsync(Path.Combine(Cluster, "postmaster.pid"), $"{Environment.ProcessId}\n{Cluster}\n1\n5432\n/nowhere\n\n0 0\nready   \n");

        await using EmbeddedPostgres next = await StartAsync();

        Assert.False(next.Adopted);
        Assert.Equal(1, await ScalarAsync(next.ConnectionString, "select 1"));
    }

    [Fact]
    public async Task A_start_that_was_killed_while_it_made_the_cluster_leaves_nothing_in_the_next_ones_way()
    {
        string home = Path.Combine(Data, "postgres");
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (int i = 0; i < 3; i++)
        {
            Task<PostgresProcess> starting = PostgresProcess.StartAsync(Data);
            await Eventually.True(
                () => Directory.Exists(home) && Directory.GetDirectories(home, "cluster.new-*").Any(d => !seen.Contains(d) && File.Exists(Path.Combine(d, "PG_VERSION")) && seen.Add(d)),
                TimeSpan.FromSeconds(30),
                "initdb did not begin");
            string holder = await File.ReadAllTextAsync(Path.Combine(home, "lock.holder"));
            await Unprivileged.RunAsync("kill", "-9", holder.Split(' ')[1]);
            await Assert.ThrowsAsync<InvalidOperationException>(() => starting);
            Assert.False(Directory.Exists(Cluster));
        }

        // An initdb that outlived its node may write in its abandoned directory for a moment longer.
        await Eventually.True(async () => (await ServersAsync()).Length == 0, TimeSpan.FromSeconds(30), "an abandoned initdb did not end");
        await using EmbeddedPostgres postgres = await StartAsync();
        Assert.Equal(1, await ScalarAsync(postgres.ConnectionString, "select 1"));
        Assert.Empty(Directory.GetDirectories(home, "cluster.new-*"));
    }

    [Fact]
    public async Task A_second_node_on_one_data_directory_is_refused_and_told_who_has_it()
    {
        await using PostgresProcess node = await PostgresProcess.StartAsync(Data);

        OsaException error = await Assert.ThrowsAsync<OsaException>(StartAsync);

        Assert.Equal(ErrorCode.FailedPrecondition, error.Code);
        Assert.Contains($"another node (process {node.ProcessId} on {Environment.MachineName}) runs on {Data}", error.Message, StringComparison.Ordinal);
        Assert.Equal(1, await ScalarAsync(node.ConnectionString, "select 1"));
    }

    [Fact]
    public async Task Where_the_path_is_too_long_for_a_socket_the_server_listens_on_loopback_and_asks_for_the_password()
    {
        string data = Path.Combine(Data, new string('a', 100));
        await using (EmbeddedPostgres postgres = await EmbeddedPostgres.StartAsync(Options(data), NullLogger.Instance, CancellationToken.None))
        {
            var connection = new NpgsqlConnectionStringBuilder(postgres.ConnectionString) { Pooling = false };
            Assert.Equal("127.0.0.1", connection.Host);
            Assert.Equal("127.0.0.1", await ScalarAsync(postgres.ConnectionString, "select current_setting('listen_addresses')"));

            connection.Password = "wrong";
            Assert.Equal(PostgresErrorCodes.InvalidPassword, (await Assert.ThrowsAsync<PostgresException>(() => ScalarAsync(connection.ConnectionString, "select 1"))).SqlState);
            connection.Username = "postgres";
            connection.Database = "postgres";
            Assert.Equal(PostgresErrorCodes.InvalidAuthorizationSpecification, (await Assert.ThrowsAsync<PostgresException>(() => ScalarAsync(connection.ConnectionString, "select 1"))).SqlState);
        }

        PostgresProcess node = await PostgresProcess.StartAsync(data);
        await node.KillAsync();
        await using EmbeddedPostgres next = await EmbeddedPostgres.StartAsync(Options(data), NullLogger.Instance, CancellationToken.None);
        Assert.True(next.Adopted);
    }

    [Fact]
    public async Task Where_the_servers_user_cannot_pass_the_cluster_goes_elsewhere_and_is_found_again()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "only a node that is root has another user run its server");
        Directory.CreateDirectory(_directory["closed"], OwnerOnly);
        EmbeddedPostgresOptions options = Options(_directory["closed/data"]) with { FallbackDirectory = _directory["fallback"] };
        await using (EmbeddedPostgres first = await EmbeddedPostgres.StartAsync(options, NullLogger.Instance, CancellationToken.None))
        {
            await ScalarAsync(first.ConnectionString, "create table kept as select 42 as answer");
        }

        Directory.Move(_directory["closed/data"], _directory["closed/moved"]);
        await using EmbeddedPostgres second = await EmbeddedPostgres.StartAsync(options with { DataDirectory = _directory["closed/moved"] }, NullLogger.Instance, CancellationToken.None);
        Assert.Equal(42, await ScalarAsync(second.ConnectionString, "select answer from kept"));
        Assert.StartsWith(_directory["fallback"], new DirectoryInfo(_directory["closed/moved/postgres"]).LinkTarget, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unprivileged_node_runs_the_server_as_itself_and_root_takes_it_over_as_that_user()
    {
        Assert.SkipUnless(Unprivileged.IsPossible, "only root can become another user");
        Directory.CreateDirectory(Data);
        await Unprivileged.RunAsync("chown", Unprivileged.Nobody, Data);
        PostgresProcess node = await PostgresProcess.StartAsync(Data, user: Unprivileged.Nobody);
        int pid = PostmasterPid();
        Assert.Equal("nobody", (await Unprivileged.RunAsync("ps", "-o", "user=", "-p", $"{pid}")).Output.Trim());
        await node.KillAsync();

        await using (EmbeddedPostgres next = await StartAsync())
        {
            Assert.True(next.Adopted);
        }

        await using EmbeddedPostgres again = await StartAsync();
        Assert.Equal("nobody", (await Unprivileged.RunAsync("ps", "-o", "user=", "-p", $"{PostmasterPid()}")).Output.Trim());
    }

    [Fact]
    public async Task A_node_that_is_not_the_user_it_was_first_started_as_is_told_so()
    {
        Assert.SkipUnless(Unprivileged.IsPossible, "only root can become another user");
        await (await StartAsync()).StopAsync();

        InvalidOperationException error = await Assert.ThrowsAsync<InvalidOperationException>(() => PostgresProcess.StartAsync(Data, user: Unprivileged.Nobody));

        Assert.Contains("start the node as the user that it was first started as", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Missing_binaries_are_told_with_the_command_that_installs_them()
    {
        OsaException none = await Assert.ThrowsAsync<OsaException>(() =>
            EmbeddedPostgres.StartAsync(Options(Data) with { BinDirectory = _directory["bin"] }, NullLogger.Instance, CancellationToken.None));
        Assert.Equal(ErrorCode.Unavailable, none.Code);
        Assert.Contains("initdb, pg_ctl, postgres", none.Message, StringComparison.Ordinal);

        await (await StartAsync()).StopAsync();
        await File.WriteAllTextAsync(Path.Combine(Cluster, "PG_VERSION"), "99\n");
        OsaException other = await Assert.ThrowsAsync<OsaException>(StartAsync);
        Assert.Equal(ErrorCode.Unavailable, other.Code);
        Assert.Contains("was made by PostgreSQL 99", other.Message, StringComparison.Ordinal);
        Assert.Contains("apt-get install postgresql-99", other.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_users_setting_in_postgresql_conf_wins_over_the_nodes_and_a_wrong_one_is_quoted()
    {
        await (await StartAsync()).StopAsync();
        string configuration = Path.Combine(Cluster, "postgresql.conf");
        await File.AppendAllTextAsync(configuration, "work_mem = 7MB\nmax_connections = 50\n");
        await using (EmbeddedPostgres postgres = await StartAsync())
        {
            Assert.Equal("7MB 50", await ScalarAsync(postgres.ConnectionString, "select current_setting('work_mem') || ' ' || current_setting('max_connections')"));
        }

        await File.AppendAllTextAsync(configuration, "work_memory = 7MB\n");
        OsaException error = await Assert.ThrowsAsync<OsaException>(StartAsync);
        Assert.Contains("work_memory", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_shared_test_server_gives_fresh_databases()
    {
        string one = await PostgresServer.CreateDatabaseAsync();
        string two = await PostgresServer.CreateDatabaseAsync();

        await ScalarAsync(one, "create table only_here as select 1");

        Assert.Equal(false, await ScalarAsync(two, "select exists (select from pg_tables where tablename = 'only_here')"));
    }

    private static EmbeddedPostgresOptions Options(string data) => new() { DataDirectory = data };

    private static async Task<object?> ScalarAsync(string connectionString, string sql)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false }.ConnectionString);
        await connection.OpenAsync();
        await using var command = new NpgsqlCommand(sql, connection);
        return await command.ExecuteScalarAsync();
    }

    private Task<EmbeddedPostgres> StartAsync() => EmbeddedPostgres.StartAsync(Options(Data), NullLogger.Instance, CancellationToken.None);

    private async Task<int> KillWithServerAsync(PostgresProcess node)
    {
        int pid = PostmasterPid();
        await node.KillAsync();
        await Unprivileged.RunAsync("kill", "-9", pid.ToString(CultureInfo.InvariantCulture));
        return pid;
    }

    private int PostmasterPid() => int.Parse(File.ReadLines(Path.Combine(Cluster, "postmaster.pid")).First(), CultureInfo.InvariantCulture);

    private async Task<string> ServersAsync() => (await Unprivileged.RunAsync("pgrep", "-f", Data)).Output;
}
