using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Osa.Domain.Errors;
using Osa.Silo.Access;
using Osa.Silo.Hosting;
using Osa.Storage;
using Osa.Storage.Embedded;
using Osa.Storage.Files;
using Osa.Storage.Migrations;

namespace Osa.Silo;

/// <summary>One silo of a node: settings, secrets, database, migrations, then everything else.</summary>
internal static partial class Program
{
    public static async Task<int> Main(string[] args)
    {
        // Otherwise the working directory is watched with everything below it, for a settings file that this node does not have.
        WebApplicationBuilder builder = WebApplication.CreateBuilder([.. args, "--hostBuilder:reloadConfigOnChange=false"]);
        builder.Configuration.AddEnvironmentVariables("OSA_");
        builder.Logging.Configure(o => o.ActivityTrackingOptions = ActivityTrackingOptions.TraceId | ActivityTrackingOptions.SpanId);
        bool json = builder.Configuration["LOG_FORMAT"] == "json";
        (json ? builder.Logging.ClearProviders().AddJsonConsole(o => o.IncludeScopes = true) : builder.Logging.AddSimpleConsole(o => o.SingleLine = true)).AddFilter("Orleans", LogLevel.Warning).AddFilter("Microsoft.AspNetCore", LogLevel.Warning).AddFilter("Grpc", LogLevel.Warning).AddFilter("Polly", LogLevel.Warning);
        using ILoggerFactory startup = LoggerFactory.Create(l => l.AddSimpleConsole(o => o.SingleLine = true));
        ILogger logger = startup.CreateLogger("Osa.Silo");
        EmbeddedPostgres? postgres = null;
        try
        {
            NodeOptions options = builder.Configuration.Get<NodeOptions>() ?? new NodeOptions();
            options = options with { Data = Path.GetFullPath(options.Data) };
            options.Validate();
            SigningKey key = SigningKey.Read(options.SigningKeyFile ?? Path.Combine(options.Data, "secrets", "signing.key"));
            Directory.CreateDirectory(options.Data);
            if (options.Database is null)
            {
                postgres = await EmbeddedPostgres.StartAsync(new EmbeddedPostgresOptions { DataDirectory = options.Data }, logger, CancellationToken.None);
            }

            string connection = options.Database ?? postgres!.ConnectionString;
            await Migrator.MigrateAsync(connection, logger, TimeProvider.System, CancellationToken.None);
            var blobs = new BlobStore(Path.Combine(options.Data, "store"));
            NodeIdentity node;
            await using (var setup = new Database(connection, "osa/start"))
            {
                Guid store = await blobs.ProveAsync(await NodeIdentity.KnownStoreAsync(setup, CancellationToken.None), CancellationToken.None);
                node = await NodeIdentity.EstablishAsync(setup, options.Domain, store, CancellationToken.None);
            }

            WebApplication app = NodeHost.Build(builder, options, key, connection, node, blobs);
            try
            {
                await app.StartAsync();
            }
            catch (Exception e) when (e is SocketException or AddressInUseException or IOException { InnerException: AddressInUseException })
            {
                await app.DisposeAsync();
                throw OsaException.Unavailable($"{e.Message.TrimEnd('.')}: stop what listens there, or choose another address with OSA_LISTEN, OSA_OPERATIONS or OSA_SILO_PORT", e);
            }

            LogReady(logger, options.Listen, node.Domain, options.Roles, options.Data);
            using var stopping = new CancellationTokenSource();
            Task database = postgres?.KeepRunningAsync(TimeProvider.System, stopping.Token) ?? Task.CompletedTask;
            await app.WaitForShutdownAsync();
            await app.DisposeAsync();
            await stopping.CancelAsync();
            await database;
            return 0;
        }
        catch (OsaException refusal)
        {
            LogRefused(logger, refusal.Message);
            return 1;
        }
        catch (OperationCanceledException)
        {
            // Asked to end before it was up.
            return 0;
        }
        finally
        {
            if (postgres is not null)
            {
                await postgres.StopAsync();
            }
        }
    }

    [LoggerMessage(1, LogLevel.Information, "Ready at {Listen} (domain {Domain}, roles {Roles}, data in {Data})")]
    private static partial void LogReady(ILogger logger, Uri listen, string domain, string roles, string data);

    [LoggerMessage(2, LogLevel.Critical, "The node does not start: {Reason}")]
    private static partial void LogRefused(ILogger logger, string reason);
}
