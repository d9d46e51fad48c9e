using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Osa.Domain.Errors;
using Osa.Storage.Embedded;

namespace Osa.Testing;

/// <summary>
/// A process that has an embedded PostgreSQL, so that a test can kill it, and so that a killed test process leaves none behind:
/// it says "ready", adopted or not, and the connection string in one line, and stops the server when its standard input ends. A server that ends by itself is started again.
/// Arguments: data directory, <c>durable</c> or <c>volatile</c>, <c>keep</c> or <c>delete</c> for the data directory afterwards, most connections.
/// </summary>
internal static class Program
{
    public static async Task<int> Main(string[] args)
    {
        // A Ctrl-C for the test run is answered by the end of the input.
        Console.CancelKeyPress += (_, e) => e.Cancel = true;
        string data = args[0];
        try
        {
            await using (EmbeddedPostgres postgres = await EmbeddedPostgres.StartAsync(
                new EmbeddedPostgresOptions
                {
                    DataDirectory = data,
                    Durable = string.Equals(args[1], "durable", StringComparison.Ordinal),
                    MaxConnections = int.Parse(args[3], CultureInfo.InvariantCulture),
                },
                NullLogger.Instance,
                CancellationToken.None))
            {
                Console.WriteLine($"ready {(postgres.Adopted ? "adopted" : "started")} {postgres.ConnectionString}");
                using var ending = new CancellationTokenSource();
                Task keeping = postgres.KeepRunningAsync(TimeProvider.System, ending.Token);
                await Console.In.ReadToEndAsync();
                await ending.CancelAsync();
                await keeping;
            }
        }
        catch (OsaException e)
        {
            Console.WriteLine($"{e.Code} {e.Message}");
            return 1;
        }

        if (string.Equals(args[2], "delete", StringComparison.Ordinal))
        {
            Directory.Delete(data, recursive: true);
        }

        return 0;
    }
}
