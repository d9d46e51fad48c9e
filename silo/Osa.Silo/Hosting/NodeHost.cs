using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Options;
using Npgsql;
using Orleans.Configuration;
using Orleans.Dashboard;
using Osa.Containers;
using Osa.Domain.Faults;
using Osa.Grains;
using Osa.Grains.Events;
using Osa.Grains.Files;
using Osa.Grains.Hosts;
using Osa.Grains.Sources;
using Osa.Grains.Validation;
using Osa.Silo.Access;
using Osa.Silo.Operations;
using Osa.Silo.Services;
using Osa.Storage;
using Osa.Storage.Conventions;
using Osa.Storage.Depositions;
using Osa.Storage.Events;
using Osa.Storage.Features;
using Osa.Storage.Files;
using Osa.Storage.Hosts;
using Osa.Storage.Queries;
using Osa.Storage.Records;
using Osa.Storage.Reviews;
using Osa.Storage.Sources;
using Osa.Storage.Validation;

namespace Osa.Silo.Hosting;

/// <summary>The composition root: what runs in one silo.</summary>
internal static class NodeHost
{
    // Of every row that Orleans keeps; with a database of its own each node may have the same.
    private const string OrleansId = "osa";

    public static WebApplication Build(WebApplicationBuilder builder, NodeOptions options, SigningKey key, string database, NodeIdentity node, BlobStore blobs)
    {
        builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = TimeSpan.FromSeconds(30));
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            Listen(kestrel, options.Listen);
            kestrel.Listen(IPAddress.Loopback, options.Operations.Port, endpoint => endpoint.Protocols = HttpProtocols.Http1);
        });
        // The thread that a socket woke reads its frames itself; the calls in them are the thread pool's, as before.
        builder.WebHost.UseSockets(sockets => sockets.UnsafePreferInlineScheduling = true);
        OperationsDoor.AddTo(builder);
        builder.UseOrleans(silo =>
        {
            Orleans(silo, options, database);
            if (OperationsDoor.Exports(builder))
            {
                silo.AddActivityPropagation();
            }
        });
        builder.Services
            .AddSingleton(options).AddSingleton(options.Limits).AddSingleton(node).AddSingleton(blobs).AddSingleton(key)
            .AddSingleton<TimeProvider>(new SteadyClock(FaultClock.OfNode))
            .AddSingleton(s => LocalSilo.Of(s.GetRequiredService<ILocalSiloDetails>(), s.GetRequiredService<IOptions<ClusterOptions>>().Value, options.NodeRoles, options.Data))
            .AddSingleton(s => new Database(database, "osa/" + s.GetRequiredService<LocalSilo>().Address))
            .AddSingleton<ConventionStore>().AddSingleton<ConventionRegistration>().AddSingleton<DepositionStore>().AddSingleton<RecordQueries>()
            .AddSingleton<FeatureTables>().AddSingleton<FeatureRows>().AddSingleton<EventLog>().AddSingleton<SiloTable>().AddSingleton<LateWork>().AddSingleton<BlobReferences>()
            .AddSingleton<RunStore>().AddSingleton<RunQueries>().AddSingleton<RunSweep>().AddSingleton<VerdictTransaction>()
            .AddSingleton<SubmissionStore>().AddSingleton<RevisionStore>().AddSingleton<ReviewStore>().AddSingleton<RecordCommands>().AddSingleton<RunCommands>().AddSingleton<FeaturePreview>().AddSingleton<QueryStore>().AddSingleton<QueryExport>()
            .AddSingleton<SourceStore>().AddSingleton<PullStore>().AddSingleton<PullBatch>().AddSingleton<SourceQuarantine>().AddSingleton<PullRunner>().AddSingleton<PullIntake>()
            .AddSingleton<HostDirectory>().AddSingleton<SlotWait>().AddSingleton<ImagePins>().AddSingleton<OutputCheck>().AddSingleton<UnitRunner>().AddSingleton<HookTrial>();
        if (options.NodeRoles.HasFlag(NodeRoles.Containers))
        {
            builder.Services
                .AddSingleton(Containers(options, node)).AddSingleton(s => Egress(options, database, s.GetRequiredService<ILocalSiloDetails>())).AddSingleton<ContainerEngine>()
                .AddSingleton<ContainerHost>().AddHostedService(s => s.GetRequiredService<ContainerHost>());
        }

        builder.Services.AddHostedService<SiloHeartbeat>().AddHostedService<RunSweeper>().AddHostedService<EventNumbering>().AddSingleton<EventReader>().AddHostedService(s => s.GetRequiredService<EventReader>()).AddHostedService<StoreSweeper>();
        builder.Services.AddSingleton<NodeHealth>().AddSingleton<OperationRoles>();
        builder.Services.AddGrpc(o =>
        {
            o.Interceptors.Add<ErrorInterceptor>();
            o.Interceptors.Add<CallerInterceptor>();
        });
        builder.Services.AddSingleton<CallerInterceptor>().AddSingleton<ErrorInterceptor>();
        builder.Services.AddGrpcReflection();
        builder.Services.AddGrpcHealthChecks(o => o.Services.Map("", _ => true)).AddCheck<NodeHealth>("node");

        WebApplication app = builder.Build();
        app.Services.GetRequiredService<OperationsDoor>().MapOn(app, options.Listen);
        app.MapGrpcHealthChecksService();
        if (options.NodeRoles.HasFlag(NodeRoles.Api))
        {
            app.MapGrpcReflectionService();
            app.MapGrpcService<ConventionsService>();
            app.MapGrpcService<DepositionsService>();
            app.MapGrpcService<ValidationRunsService>();
            app.MapGrpcService<CurationService>();
            app.MapGrpcService<RecordsService>();
            app.MapGrpcService<FeaturesService>();
            app.MapGrpcService<QueriesService>();
            app.MapGrpcService<EventsService>();
            app.MapGrpcService<SourcesService>();
            app.MapGrpcService<NodeService>();
            app.Services.GetRequiredService<OperationRoles>().Check(((IEndpointRouteBuilder)app).DataSources.SelectMany(d => d.Endpoints));
        }

        return app;
    }

    private static void Orleans(ISiloBuilder silo, NodeOptions options, string database)
    {
        // A small pool of its own, so that the node's own load cannot starve membership.
        NpgsqlDataSource source = new NpgsqlDataSourceBuilder(
            new NpgsqlConnectionStringBuilder(database) { SearchPath = "orleans", MaxPoolSize = 10, ApplicationName = "osa/orleans", Timeout = 10, CommandTimeout = 10 }.ConnectionString).Build();
        IPAddress address = IPAddress.Parse(options.SiloAddress);
        silo.Configure<ClusterOptions>(o => (o.ClusterId, o.ServiceId) = (OrleansId, OrleansId));
        silo.ConfigureEndpoints(address, options.SiloPort == 0 ? FreePort(address) : options.SiloPort, gatewayPort: 0, listenOnAnyHostAddress: false);
        silo.UseAdoNetClustering(o => (o.Invariant, o.DataSource) = ("Npgsql", source));
        silo.Configure<ClusterMembershipOptions>(o =>
        {
            o.ProbeTimeout = TimeSpan.FromSeconds(options.ProbeSeconds);
            o.NumMissedProbesLimit = 2;
            o.NumVotesForDeathDeclaration = 1;
            // A silo that joins waits for every other one to answer, unless it was silent for three of these: also for its own killed predecessor.
            o.IAmAliveTablePublishTimeout = o.ProbeTimeout;
            // A silo that was away learns from the table that it is dead, and ends: Orleans' own minute is long to work on for nothing.
            o.TableRefreshTimeout = o.ProbeTimeout * 2;
            o.DefunctSiloExpiration = TimeSpan.FromDays(1);
            o.DefunctSiloCleanupPeriod = TimeSpan.FromHours(1);
        });
        silo.UseAdoNetReminderService(o => o.Configure(reminders => (reminders.Invariant, reminders.DataSource) = ("Npgsql", source)));
        silo.AddDashboard();
        // Its measurements walk through the table of this cache once a second, full or not, and the default's has a million places.
        silo.Configure<GrainDirectoryOptions>(o => o.CacheSize = 20_000);
        silo.Configure<GrainCollectionOptions>(o => o.CollectionQuantum = TimeSpan.FromSeconds(5));
        silo.Services.AddPlacementDirector<ContainersPlacement, ContainersPlacementDirector>();
    }

    private static ContainerHostOptions Containers(NodeOptions options, NodeIdentity node) => new()
    {
        Endpoint = options.Engine,
        DataDirectory = options.Data,
        HostDataDirectory = options.HostData,
        ScratchDirectory = options.Scratch ?? Path.Combine(options.Data, "scratch"),
        ClusterId = node.ClusterId.ToString("D"),
        ProbeBinary = options.Probe,
        SlotsPerCore = options.SlotsPerCore,
        CpuOvercommit = options.CpuOvercommit,
        MemoryBytes = options.ContainerMemory,
    };

    /// <summary>What sources may reach: never a port of this node or of its database, whatever the operator allows.</summary>
    private static EgressPolicy Egress(NodeOptions options, string database, ILocalSiloDetails silo)
    {
        static IEnumerable<IPEndPoint> At(string host, int port) =>
            Dns.GetHostAddresses(host).Select(address => new IPEndPoint(IPAddress.IsLoopback(address) ? IPAddress.Any : address, port));

        var postgres = new NpgsqlConnectionStringBuilder(database);
        List<IPEndPoint> denied =
        [
            .. ((int[])[options.Listen.Port, options.Operations.Port, silo.SiloAddress.Endpoint.Port]).Where(port => port != 0).Select(port => new IPEndPoint(IPAddress.Any, port)),
            .. (postgres.Host ?? "").Split(',').Where(host => !host.StartsWith('/')).SelectMany(host => At(host.Split(':')[0], postgres.Port)),
            .. options.Engine.Scheme is "tcp" or "http" or "https" ? At(options.Engine.Host, options.Engine.Port) : [],
        ];
        return new EgressPolicy(options.SourceRules, denied, EgressPolicy.ReadNameServers());
    }

    private static void Listen(KestrelServerOptions kestrel, Uri listen)
    {
        void Configure(ListenOptions endpoint)
        {
            endpoint.Protocols = HttpProtocols.Http2;
            if (listen.Scheme == "https")
            {
                endpoint.UseHttps();
            }
        }

        if (listen.Host == "localhost")
        {
            kestrel.ListenLocalhost(listen.Port, Configure);
        }
        else
        {
            kestrel.Listen(IPAddress.Parse(listen.Host.Trim('[', ']')), listen.Port, Configure);
        }
    }

    private static int FreePort(IPAddress address)
    {
        using var listener = new TcpListener(address, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
