using System.Reflection;
using Grpc.Core;
using Osa.Domain.Conventions;
using Osa.Domain.Errors;
using Osa.Domain.Hosts;
using Osa.Grains;
using Osa.Silo.Hosting;
using Osa.Silo.Operations;
using Osa.Storage;
using Osa.Storage.Hosts;
using Osa.V1;
using SiloStatus = Osa.V1.SiloStatus;

namespace Osa.Silo.Services;

/// <summary>The node itself over gRPC.</summary>
public sealed class NodeService(NodeIdentity node, NodeLimits limits, SiloTable silos, LateWork late, IGrainFactory grains, LocalSilo silo, NodeHealth health, OperationsDoor operations, NodeOptions options) : Node.NodeBase
{
    private static readonly string Version = typeof(NodeService).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];

    public override Task<NodeInfo> Info(NodeInfoRequest request, ServerCallContext context) => Task.FromResult(new NodeInfo { Domain = node.Domain, Version = Version });

    public override Task<NodeLimitsResponse> Limits(NodeLimitsRequest request, ServerCallContext context) => Task.FromResult(new NodeLimitsResponse
    {
        Limits = { limits.Describe().Select(l => new Limit { Name = l.Name, Value = l.Value, Description = l.Description }) },
    });

    public override async Task<NodeStatus> Status(NodeStatusRequest request, ServerCallContext context)
    {
        List<LiveSilo> live = await silos.LiveAsync(silo.ClusterId, context.CancellationToken);
        NodeLoad load = await silos.LoadAsync(context.CancellationToken);
        IReadOnlyList<string> problems = health.Problems(live);
        return new NodeStatus
        {
            Health = problems.Count == 0 ? "healthy" : "degraded",
            Problems = { problems },
            Silos = { live.Select(s => new SiloStatus { Address = s.Row.Silo, Name = s.Row.Name, Status = s.Status, Roles = { s.Row.Roles }, DiskFreeBytes = s.Row.DiskFreeBytes, DiskTotalBytes = s.Row.DiskTotalBytes }) },
            ContainerHosts =
            {
                live.Where(s => s.Row.RunsContainers).Select(s => new ContainerHostStatus
                {
                    EngineId = s.Row.EngineId ?? "",
                    Silo = s.Row.Silo,
                    State = s.Row.EngineState,
                    EngineVersion = s.Row.EngineVersion,
                    ApiVersion = s.Row.ApiVersion,
                    Kernel = s.Row.Kernel,
                    CgroupVersion = s.Row.CgroupVersion,
                    Slots = s.Row.Slots,
                    SlotsUsed = s.SlotsUsed,
                    MemoryBytes = s.Row.MemoryBytes,
                    MemoryUsedBytes = s.MemoryUsed,
                    RuncVersion = s.Row.RuncVersion,
                }),
            },
            RunsPending = load.Waiting,
            RunsRunning = load.Running,
            RunsInReview = load.InReview,
            OldestWaitSeconds = load.OldestWait.TotalSeconds,
            DatabaseBytes = load.DatabaseBytes,
            FileBytes = load.FileBytes,
            Operations = operations.Address?.ToString() ?? "",
            Warnings = { Warnings(live) },
            ClusterId = node.ClusterId.ToString("D"),
            Database = options.Database is null ? "embedded" : "external",
        };
    }

    public override async Task<StuckResponse> Stuck(StuckRequest request, ServerCallContext context) => new()
    {
        Items =
        {
            (await late.ListAsync(silo.ClusterId, context.CancellationToken)).Select(i => new StuckItem
            {
                Kind = i.Kind,
                Subject = i.Kind == "events" ? i.Subject : node.RunSrn(Guid.Parse(i.Subject)).ToString(),
                Owner = i.Owner ?? "",
                Reason = i.Reason,
                LateSeconds = i.LateBy.TotalSeconds,
                Setbacks = i.Setbacks,
            }),
        },
    };

    public override async Task<OrphansResponse> Orphans(OrphansRequest request, ServerCallContext context)
    {
        var answer = new OrphansResponse();
        IEnumerable<string> engines = (await silos.LiveAsync(silo.ClusterId, context.CancellationToken)).Where(s => s.Row.IsReady).Select(s => s.Row.EngineId!).Distinct();
        foreach (string engine in engines)
        {
            answer.Orphans.AddRange((await grains.ContainerHost(engine).Orphans(context.CancellationToken)).Select(o => new Orphan { EngineId = engine, Name = o.Name, ContainerId = o.ContainerId ?? "" }));
        }

        return answer;
    }

    public override Task<DashboardLink> OpenDashboard(OpenDashboardRequest request, ServerCallContext context) =>
        Task.FromResult(new DashboardLink { Url = operations.NewLink()?.ToString() ?? throw OsaException.Unavailable("The operations listener has not started yet; try again") });

    private static IEnumerable<string> Warnings(IReadOnlyList<LiveSilo> live) => live
        .SelectMany(s => KnownEscapes.Of(s.Row.RuncVersion, s.Row.Kernel).Select(w => $"{s.Row.Name}: {w}")
            .Concat(s.Row.DiskTotalBytes > 0 && s.Row.DiskFreeBytes < s.Row.DiskTotalBytes / 20 ? [$"{s.Row.Name}: less than a twentieth of the disk is free ({s.Row.DiskFreeBytes >> 20:N0} MiB)"] : []));
}
