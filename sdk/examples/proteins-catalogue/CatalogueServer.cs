using System.Net;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;

namespace Osa.Examples.ProteinCatalogue;

/// <summary>The catalogue on HTTP: <c>GET /entries</c>, <c>GET /fasta/{id}</c>, <c>POST /advance</c>.</summary>
internal sealed class CatalogueServer : IAsyncDisposable
{
    /// <summary>Most entries on a page.</summary>
    public const int MaxPage = 100;

    /// <summary>Entries on a page of a request that does not say how many.</summary>
    public const int DefaultPage = 20;

    private readonly WebApplication app;

    private CatalogueServer(WebApplication app, Catalogue catalogue, Troubles troubles)
    {
        this.app = app;
        Catalogue = catalogue;
        Troubles = troubles;
        Address = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());
    }

    public Uri Address { get; }

    public Catalogue Catalogue { get; }

    public Troubles Troubles { get; }

    /// <param name="listen">Port 0 takes a free one.</param>
    /// <param name="certificate">Serves HTTPS with it; null serves HTTP.</param>
    /// <inheritdoc cref="ProteinCatalogue.Troubles"/>
    public static async Task<CatalogueServer> StartAsync(IPEndPoint listen, int failEvery = 0, int rate = 0, X509Certificate2? certificate = null)
    {
        var catalogue = new Catalogue(TimeProvider.System);
        var troubles = new Troubles(failEvery, rate);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.SetMinimumLevel(LogLevel.Warning);
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(listen, endpoint =>
        {
            if (certificate is not null)
                endpoint.UseHttps(certificate);
        }));
        var server = builder.Build();
        server.Use(next => context => troubles.Meet(context, next));
        server.MapGet("/entries", (DateTimeOffset? since, string? cursor, int? limit) => List(catalogue, since, cursor, limit ?? DefaultPage));
        server.MapGet("/fasta/{id}", (string id) => catalogue.Find(id) is { } protein ? Results.Bytes(protein.Fasta, "text/x-fasta") : Results.NotFound());
        server.MapPost("/advance", () => catalogue.Advance()
            ? Results.Json(new { revision = catalogue.Revision })
            : Results.Text($"revision {catalogue.Revision} is the last", statusCode: StatusCodes.Status409Conflict));
        await server.StartAsync();
        return new CatalogueServer(server, catalogue, troubles);
    }

    /// <summary>Returns when a signal has ended the server.</summary>
    public Task WaitForShutdownAsync() => app.WaitForShutdownAsync();

    /// <summary>Drops every connection at once, as a server that goes away does.</summary>
    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource(0);
        await app.StopAsync(now.Token);
        await app.DisposeAsync();
        Troubles.Dispose();
    }

    private static IResult List(Catalogue catalogue, DateTimeOffset? since, string? cursor, int limit)
    {
        if (limit is < 1 or > MaxPage)
            return Results.BadRequest($"limit: expected 1 to {MaxPage}, got {limit}");
        try
        {
            var listing = catalogue.List(since, cursor is "" ? null : cursor, limit);
            return Results.Json(new
            {
                revision = catalogue.Revision,
                entries = listing.Entries.Select(entry => new
                {
                    id = entry.Protein.Id,
                    title = entry.Protein.Title,
                    organism = entry.Protein.Organism,
                    taxon = entry.Protein.Taxon,
                    accession = entry.Protein.Accession,
                    updated = entry.Updated,
                    files = new[] { new { name = entry.Protein.FileName, url = $"/fasta/{entry.Protein.Id}", sha256 = entry.Protein.Sha256 } },
                }),
                next = listing.Next,
            });
        }
        catch (FormatException fault)
        {
            return Results.BadRequest(fault.Message);
        }
    }
}
