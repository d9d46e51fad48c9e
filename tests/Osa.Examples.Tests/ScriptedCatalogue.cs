using System.Net;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Osa.Examples.Tests;

/// <summary>NOT a catalogue: a server that answers every request as the test scripts it.</summary>
internal sealed class ScriptedCatalogue : IAsyncDisposable
{
    private readonly WebApplication app;

    private ScriptedCatalogue(WebApplication app) => this.app = app;

    public Uri Address => new(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());

    public static async Task<ScriptedCatalogue> StartAsync(RequestDelegate answer)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0));
        var server = builder.Build();
        server.Run(answer);
        await server.StartAsync();
        return new ScriptedCatalogue(server);
    }

    /// <summary>One whose listing is <paramref name="page"/> and whose every file is <paramref name="file"/>.</summary>
    public static Task<ScriptedCatalogue> WithAsync(string page, string file = "") =>
        StartAsync(context => context.Response.WriteAsync(context.Request.Path == "/entries" ? page : file));

    public ValueTask DisposeAsync() => app.DisposeAsync();
}
