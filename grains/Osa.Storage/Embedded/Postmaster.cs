using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Npgsql;
using Osa.Domain.Errors;
using Osa.Storage.Files;

namespace Osa.Storage.Embedded;

/// <summary>The server process of one cluster, whoever started it.</summary>
internal sealed class Postmaster(ClusterHome home, PostgresBinaries binaries)
{
    private const int SocketNumber = 5432;

    /// <summary>Length of sun_path, less its final zero.</summary>
    private const int LongestSocketPath = 107;

    // Clients know where it listens: when it is started again, it listens there.
    private int? _port;

    private string PidFile => Path.Combine(home.Cluster, "postmaster.pid");

    /// <summary>The server's process id; null when postmaster.pid names none that lives and is this cluster's.</summary>
    public int? ProcessId() => ReadPidFile() is [{ } first, ..] && int.TryParse(first, CultureInfo.InvariantCulture, out int pid) && IsOfCluster(pid) ? pid : null;

    /// <summary>
    /// Ends what a killed server left: its children notice by themselves, at the latest when their statement ends. Then its lock files
    /// say nothing any more, though their process id may seem to live: another process has got it, or nobody has reaped the dead one.
    /// </summary>
    public async Task ClearAsync(TimeSpan patience, CancellationToken ct)
    {
        var waited = Stopwatch.StartNew();
        while (Orphans() is { Count: > 0 } orphans)
        {
            if (waited.Elapsed > patience)
            {
                foreach (int orphan in orphans)
                {
                    Posix.Signal(orphan, Posix.Sigquit);
                }
            }

            await Task.Delay(50, ct);
        }

        foreach (string left in Directory.GetFiles(home.Sockets).Append(PidFile))
        {
            File.Delete(left);
        }
    }

    /// <summary>Starts the server in a session of its own, so that no Ctrl-C on the node reaches it, and waits until it answers.</summary>
    /// <exception cref="OsaException">Unavailable: it did not start; quotes the end of its log.</exception>
    public async Task StartAsync(TimeSpan timeout, CancellationToken ct)
    {
        string socket = Path.Combine(home.Sockets, $".s.PGSQL.{SocketNumber}");
        // A comma or a colon would make it several hosts to the client or to the server.
        bool local = Encoding.UTF8.GetByteCount(socket) <= LongestSocketPath && home.Sockets.All(c => char.IsAsciiLetterOrDigit(c) || c is '/' or '.' or '-' or '_');
        // Another process may take the free port before the server does.
        for (int attempt = 1; ; attempt++)
        {
            string listen = local
                ? $"-c listen_addresses='' -c port={SocketNumber} -c unix_socket_directories={home.Sockets}"
                : $"-c listen_addresses=127.0.0.1 -c port={_port ??= FreePort()} -c unix_socket_directories=''";
            CommandResult result = await home.Owner.RunAsync("/bin/sh", ["-c", ": > \"$0\"", home.StartLog], "", ct);
            result = result.Succeeded
                ? await PgCtlAsync(["start", "-D", home.Cluster, "-l", home.StartLog, "-w", "-t", Seconds(timeout), "-o", listen], ct)
                : result;
            if (result.Succeeded)
            {
                return;
            }

            _port = null;
            string log = Tail(home.StartLog);
            if (local || attempt == 5 || !log.Contains("Address already in use", StringComparison.Ordinal))
            {
                throw OsaException.Unavailable(ProcessId() is { } pid
                    ? $"the node's PostgreSQL (process {pid}) does not answer after {timeout}; it may still be recovering from a crash: see {home.Logs} and start the node again. {result.Tail}"
                    : $"the node's PostgreSQL did not start: {result.Tail} {log} {NewestLog()}");
            }
        }
    }

    /// <summary>Stops the server; it ends its sessions first, and is made to when that takes too long.</summary>
    public async Task StopAsync(TimeSpan timeout)
    {
        if (ProcessId() is not null
            && await PgCtlAsync(["stop", "-D", home.Cluster, "-m", "fast", "-w", "-t", Seconds(timeout)], CancellationToken.None) is { Succeeded: false }
            && ProcessId() is not null
            && await PgCtlAsync(["stop", "-D", home.Cluster, "-m", "immediate", "-w", "-t", "30"], CancellationToken.None) is { Succeeded: false } last
            && ProcessId() is { } pid)
        {
            throw OsaException.Unavailable($"the node's PostgreSQL (process {pid}) did not stop: {last.Tail}");
        }
    }

    /// <summary>True when the server takes the node's sessions; false while it starts, recovers or stops.</summary>
    /// <exception cref="OsaException">Unavailable: it refuses the node's password.</exception>
    public async Task<bool> AnswersAsync(CancellationToken ct)
    {
        if (ConnectionString() is not { } connectionString)
        {
            return false;
        }

        try
        {
            await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false, Timeout = 5 }.ConnectionString);
            await connection.OpenAsync(ct);
            return true;
        }
        catch (PostgresException e) when (e.SqlState.StartsWith("28", StringComparison.Ordinal))
        {
            throw OsaException.Unavailable($"the node's PostgreSQL does not take the password in {home.PasswordFile}: restore that file, or set the password of role {ClusterInitialisation.NodeName} to what it holds", e);
        }
        catch (NpgsqlException)
        {
            return false;
        }
    }

    /// <summary>How to reach the server, by what it wrote of itself; null before it has.</summary>
    public string? ConnectionString()
    {
        // Lines: process id, data directory, start time, port, socket directory, address, shared memory, status.
        if (ReadPidFile() is not [_, _, _, { } port, { } socket, { } address, ..])
        {
            return null;
        }

        return new NpgsqlConnectionStringBuilder
        {
            Host = socket.Length > 0 ? socket : address,
            Port = int.Parse(port, CultureInfo.InvariantCulture),
            Username = ClusterInitialisation.NodeName,
            Password = Password(),
            Database = ClusterInitialisation.NodeName,
        }.ConnectionString;
    }

    private static string Seconds(TimeSpan time) => Math.Max(1, (int)time.TotalSeconds).ToString(CultureInfo.InvariantCulture);

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static string Tail(string path)
    {
        try
        {
            string text = File.ReadAllText(path).Trim();
            return text.Length <= 1000 ? text : "…" + text[^1000..];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    private Task<CommandResult> PgCtlAsync(string[] arguments, CancellationToken ct) => home.Owner.RunAsync(binaries["pg_ctl"], arguments, "", ct);

    private string Password()
    {
        try
        {
            return File.ReadAllText(home.PasswordFile).Trim();
        }
        catch (FileNotFoundException e)
        {
            throw OsaException.Unavailable($"{home.PasswordFile} is missing, the password of the node's own PostgreSQL: restore it, or write a new one there and set it for role {ClusterInitialisation.NodeName}", e);
        }
    }

    private string NewestLog() => Directory.GetFiles(home.Logs, "postgresql-*.log").MaxBy(File.GetLastWriteTimeUtc) is { } newest ? Tail(newest) : "";

    private string[] ReadPidFile()
    {
        try
        {
            return File.ReadAllLines(PidFile);
        }
        catch (FileNotFoundException)
        {
            return [];
        }
    }

    private List<int> Orphans() =>
        [.. Directory.EnumerateDirectories("/proc").Select(path => int.TryParse(Path.GetFileName(path), CultureInfo.InvariantCulture, out int pid) ? pid : 0).Where(pid => pid > 0 && IsOfCluster(pid))];

    /// <summary>Every process of a server works in its data directory, and nothing else called postgres does.</summary>
    private bool IsOfCluster(int pid)
    {
        try
        {
            return string.Equals(new FileInfo($"/proc/{pid}/cwd").LinkTarget, home.Cluster, StringComparison.Ordinal)
                && File.ReadAllText($"/proc/{pid}/comm").Trim() is "postgres" or "postmaster";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It ended meanwhile, or it is another user's.
            return false;
        }
    }
}
