using System.Globalization;
using System.Net;

namespace Osa.Examples.ProteinCatalogue;

/// <summary>
/// <c>osa-catalogue --listen 127.0.0.1:7410 [--fail-every 7] [--rate 20]</c>: an upstream system to try a source against. It keeps
/// nothing: started again, it is at its first revision.
/// </summary>
internal static class Program
{
    public static async Task<int> Main(string[] arguments)
    {
        var settings = new ConfigurationBuilder().AddCommandLine(arguments).Build();
        if (!IPEndPoint.TryParse(settings["listen"] ?? "127.0.0.1:7410", out var listen)
            || !int.TryParse(settings["fail-every"] ?? "7", NumberStyles.None, null, out var failEvery)
            || !int.TryParse(settings["rate"] ?? "20", NumberStyles.None, null, out var rate))
        {
            await Console.Error.WriteLineAsync("osa-catalogue --listen ADDRESS:PORT [--fail-every REQUESTS] [--rate REQUESTS_PER_SECOND]");
            return 2;
        }

        await using var server = await CatalogueServer.StartAsync(listen, failEvery, rate);
        await Console.Out.WriteLineAsync($"{server.Catalogue.Entries.Count} proteins on {server.Address}entries; POST /advance goes to the next revision");
        await server.WaitForShutdownAsync();
        return 0;
    }
}
