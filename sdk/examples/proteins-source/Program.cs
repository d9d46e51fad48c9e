using System.Runtime.InteropServices;
using System.Text.Json;

namespace Osa.Examples.ProteinSource;

/// <summary>
/// Entry point of the image: pulls one chunk of the catalogue into OSA_OUT and OSA_FILES. Exit 0 means that all of the chunk is there;
/// anything else that none of it counts, and standard error says why.
/// </summary>
internal static class Program
{
    public static async Task<int> Main()
    {
        // As the first process of a container it would not be ended by a signal that it does not handle.
        using var stop = new CancellationTokenSource();
        using var sigint = PosixSignalRegistration.Create(PosixSignal.SIGINT, Interrupt);
        using var sigterm = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Interrupt);
        return await RunAsync(Environment.GetEnvironmentVariable, TimeProvider.System, Console.Error, stop.Token);

        void Interrupt(PosixSignalContext context)
        {
            context.Cancel = true;
            stop.Cancel();
        }
    }

    /// <param name="environment">The variable of that name, or null.</param>
    /// <param name="log">Standard error.</param>
    internal static async Task<int> RunAsync(Func<string, string?> environment, TimeProvider clock, TextWriter log, CancellationToken cancellationToken)
    {
        try
        {
            var input = SourceInput.Read(environment);
            using var upstream = new Upstream(input.Catalogue, input.Attempts, clock, log);
            using var output = new SourceOutput(input);
            var (records, more) = await Pull.RunAsync(input, upstream, output, clock, cancellationToken);
            await log.WriteLineAsync($"{records} records{(more ? ", and there is more" : "")}");
            return 0;
        }
        catch (Exception fault) when (fault is UpstreamException or InvalidDataException or JsonException or IOException or UnauthorizedAccessException)
        {
            await log.WriteLineAsync(fault.Message);
            return 1;
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            await log.WriteLineAsync("stopped before the chunk was complete");
            return 1;
        }
    }
}
