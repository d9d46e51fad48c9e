using System.Diagnostics;
using Npgsql;

namespace Osa.Storage.Tests.Features;

/// <summary>A PostgreSQL cluster of its own on a socket in a temporary directory, gone when disposed.</summary>
public sealed class LocalPostgres : IAsyncDisposable
{
    private const string Bin = "/usr/lib/postgresql/15/bin";

    private LocalPostgres(string directory) => Directory = directory;

    /// <summary>Holds the socket and the data.</summary>
    public string Directory { get; }

    public string ConnectionString => new NpgsqlConnectionStringBuilder
    {
        Host = Directory,
        Username = "postgres",
        Database = "postgres",
        IncludeErrorDetail = true,
        MaxPoolSize = 300,
    }.ConnectionString;

    public static async Task<LocalPostgres> StartAsync(params string[] settings)
    {
        string directory = System.IO.Directory.CreateTempSubdirectory("osa-pg-").FullName;
        var postgres = new LocalPostgres(directory);
        if (Environment.UserName == "root")
            await postgres.RunAsync("chown", "postgres", directory);
        await postgres.ServerAsync("initdb", "-D", $"{directory}/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync");
        string options = $"-c unix_socket_directories={directory} -c listen_addresses= -c max_connections=320 " + string.Join(' ', settings.Select(s => $"-c {s}"));
        await postgres.ServerAsync("pg_ctl", "-D", $"{directory}/data", "-l", $"{directory}/log", "-w", "-o", options, "start");
        return postgres;
    }

    public async ValueTask DisposeAsync()
    {
        await ServerAsync("pg_ctl", "-D", $"{Directory}/data", "-m", "immediate", "-w", "stop");
        System.IO.Directory.Delete(Directory, recursive: true);
    }

    // PostgreSQL refuses to run as root.
    private Task ServerAsync(string program, params string[] arguments) => Environment.UserName == "root"
        ? RunAsync("runuser", ["-u", "postgres", "--", $"{Bin}/{program}", .. arguments])
        : RunAsync($"{Bin}/{program}", arguments);

    private async Task RunAsync(string program, params string[] arguments)
    {
        // The server inherits what its starter has open: nothing may wait for the end of a pipe.
        using Process process = Process.Start(new ProcessStartInfo("sh", ["-c", "exec \"$@\" >\"$0\" 2>&1", $"{Directory}.out", program, .. arguments]) { WorkingDirectory = "/" })!;
        await process.WaitForExitAsync();
        string output = await File.ReadAllTextAsync($"{Directory}.out");
        File.Delete($"{Directory}.out");
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{program} {string.Join(' ', arguments)}: {output}");
    }
}
