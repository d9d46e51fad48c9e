using System.Collections.Concurrent;
using System.Security.Cryptography;
using Microsoft.AspNetCore.Diagnostics.HealthChecks;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using OpenTelemetry.Metrics;
using OpenTelemetry.Trace;
using Orleans.Dashboard;
using Osa.Storage;

namespace Osa.Silo.Operations;

/// <summary>
/// The operator's own listener, HTTP/1.1 and apart from the clients': health, metrics, and the Orleans dashboard, which opens only by a
/// link that was asked for with an admin's token, is good once and for a minute.
/// </summary>
public sealed class OperationsDoor(TimeProvider time)
{
    private const string Cookie = "osa-operations";
    private const string Dashboard = "/dashboard";
    private static readonly TimeSpan LinkLife = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan SessionLife = TimeSpan.FromHours(8);

    private readonly ConcurrentDictionary<string, DateTimeOffset> _links = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, DateTimeOffset> _sessions = new(StringComparer.Ordinal);

    /// <summary>The listener's address; known once the node has started.</summary>
    public Uri? Address { get; private set; }

    public static void AddTo(WebApplicationBuilder builder)
    {
        builder.Services.AddSingleton<OperationsDoor>();
        OpenTelemetry.OpenTelemetryBuilder telemetry = builder.Services.AddOpenTelemetry()
            .WithMetrics(m =>
            {
                m.AddMeter(NodeTelemetry.Name, "System.Runtime").AddPrometheusExporter();
                if (Exports(builder))
                {
                    // These measure every message and every statement, which costs each of them something.
                    m.AddMeter("Microsoft.Orleans", "Npgsql").AddOtlpExporter();
                }
            });
        if (Exports(builder))
        {
            telemetry.WithTracing(t => t.AddSource(NodeTelemetry.Name, "Microsoft.Orleans.Application").AddAspNetCoreInstrumentation().AddOtlpExporter());
        }
    }

    /// <param name="clients">Where clients connect.</param>
    public void MapOn(WebApplication app, Uri clients)
    {
        // Of the two listeners the one that is not the clients'.
        app.Lifetime.ApplicationStarted.Register(() => Address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses
            .Select(a => new Uri(a)).FirstOrDefault(a => a.Port != clients.Port));
        var dashboard = new Lazy<RequestDelegate>(() => DashboardOf(app.Services));
        app.Use(next => http =>
        {
            // Clients speak HTTP/2 on their own listener, which serves nothing of this; this one serves nothing else.
            PathString path = http.Request.Path;
            bool isDashboard = path.StartsWithSegments(Dashboard, StringComparison.Ordinal);
            bool isOurs = isDashboard || path.StartsWithSegments("/enter", StringComparison.Ordinal) || path.StartsWithSegments("/metrics", StringComparison.Ordinal)
                || path.StartsWithSegments("/health", StringComparison.Ordinal);
            if (http.Request.Protocol == "HTTP/1.1" != isOurs)
            {
                http.Response.StatusCode = StatusCodes.Status404NotFound;
                return Task.CompletedTask;
            }

            if (!isDashboard)
            {
                return next(http);
            }

            if (IsOpen(_sessions, http.Request.Cookies[Cookie]))
            {
                return dashboard.Value(http);
            }

            http.Response.StatusCode = StatusCodes.Status401Unauthorized;
            return http.Response.WriteAsync("Ask for a link with `osa node dashboard`.");
        });
        app.MapGet("/enter", (HttpContext http, string token) =>
        {
            // Good once.
            if (!_links.TryRemove(token, out DateTimeOffset until) || until < time.GetUtcNow())
            {
                return Results.Text("This link was used or is too old. Ask for another with `osa node dashboard`.", statusCode: StatusCodes.Status401Unauthorized);
            }

            http.Response.Cookies.Append(Cookie, New(_sessions, SessionLife), new CookieOptions { HttpOnly = true, SameSite = SameSiteMode.Strict, Path = "/", MaxAge = SessionLife });
            http.Response.Headers.CacheControl = "no-store";
            return Results.Content($"<!doctype html><meta http-equiv=\"refresh\" content=\"0; url={Dashboard}/\"><a href=\"{Dashboard}/\">dashboard</a>", "text/html");
        });
        app.MapPrometheusScrapingEndpoint("/metrics");
        app.MapHealthChecks("/health/live", new HealthCheckOptions { Predicate = _ => false });
        app.MapHealthChecks("/health/ready");
    }

    /// <summary>A link that opens the dashboard once, within a minute.</summary>
    public Uri? NewLink() => Address is null ? null : new Uri(Address, $"/enter?token={New(_links, LinkLife)}");

    internal static bool Exports(WebApplicationBuilder builder) => !string.IsNullOrEmpty(builder.Configuration["OTEL_EXPORTER_OTLP_ENDPOINT"]);

    // It compresses all of its assets when it is mapped: for its first visitor, not at each start of a node.
    private static RequestDelegate DashboardOf(IServiceProvider services)
    {
        var branch = new ApplicationBuilder(services);
        branch.UseRouting();
        branch.UseEndpoints(endpoints => endpoints.MapOrleansDashboard(Dashboard));
        return branch.Build();
    }

    private string New(ConcurrentDictionary<string, DateTimeOffset> kept, TimeSpan life)
    {
        foreach ((string old, DateTimeOffset until) in kept)
        {
            if (until < time.GetUtcNow())
            {
                kept.TryRemove(old, out _);
            }
        }

        string token = RandomNumberGenerator.GetHexString(64, lowercase: true);
        kept[token] = time.GetUtcNow() + life;
        return token;
    }

    private bool IsOpen(ConcurrentDictionary<string, DateTimeOffset> kept, string? token) => token is not null && kept.TryGetValue(token, out DateTimeOffset until) && until >= time.GetUtcNow();
}
