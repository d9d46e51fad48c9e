using System.Diagnostics;
using System.Globalization;

namespace Osa.Testing;

/// <summary>Another process with an embedded PostgreSQL: a node as far as its database goes, which can be killed.</summary>
public sealed class PostgresProcess : IAsyncDisposable
{
    private readonly Process _process;

    private PostgresProcess(Process process, string connectionString, bool adopted)
    {
        _process = process;
        ConnectionString = connectionString;
        Adopted = adopted;
    }

    public string ConnectionString { get; }

    /// <summary>It found the server running.</summary>
    public bool Adopted { get; }

    public int ProcessId => _process.Id;

    /// <param name="user">The user that runs it; null for the one of the tests.</param>
    /// <exception cref="InvalidOperationException">It did not start; the message is what it said.</exception>
    public static async Task<PostgresProcess> StartAsync(string data, bool durable = true, bool deleteAfterwards = false, int maxConnections = 200, string? user = null)
    {
        string[] program =
        [
            Environment.ProcessPath is { } self && string.Equals(Path.GetFileName(self), "dotnet", StringComparison.Ordinal) ? self : "dotnet",
            Path.Combine(AppContext.BaseDirectory, "Osa.Testing.dll"),
            data,
            durable ? "durable" : "volatile",
            deleteAfterwards ? "delete" : "keep",
            maxConnections.ToString(CultureInfo.InvariantCulture),
        ];
        string[] command = user is null ? program : await Unprivileged.CommandAsync(user, program);
        Process process = Process.Start(new ProcessStartInfo(command[0], command[1..])
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            WorkingDirectory = "/",
        })!;
        string? line = await process.StandardOutput.ReadLineAsync();
        if (line?.Split(' ', 3) is ["ready", { } how, { } connectionString])
        {
            return new PostgresProcess(process, connectionString, string.Equals(how, "adopted", StringComparison.Ordinal));
        }

        string rest = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        process.Dispose();
        throw new InvalidOperationException(line is null ? "the PostgreSQL process ended without a word" : line + "\n" + rest);
    }

    /// <summary>Kills the process as <c>kill -9</c> does; the server lives on.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>Stops the server, deletes its data if so asked, and waits until both is done.</summary>
    public async ValueTask DisposeAsync()
    {
        _process.StandardInput.Close();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }
}
