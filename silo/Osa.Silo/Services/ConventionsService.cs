using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Osa.Domain.Access;
using Osa.Domain.Conventions;
using Osa.Domain.Hooks;
using Osa.Domain.Names;
using Osa.Domain.Schemas;
using Osa.Grains;
using Osa.Grains.Conventions;
using Osa.Silo.Access;
using Osa.Silo.Hosting;
using Osa.Storage;
using Osa.Storage.Conventions;
using Osa.Storage.Sources;
using Osa.Storage.Validation;
using Osa.V1;
using Convention = Osa.Storage.Conventions.Convention;
using Field = Osa.V1.Field;
using RegistrationPlan = Osa.Grains.Conventions.RegistrationPlan;
using Role = Osa.Domain.Access.Role;

namespace Osa.Silo.Services;

/// <summary>Conventions over gRPC.</summary>
public sealed class ConventionsService(ConventionStore conventions, RunCommands runs, SourceStore sources, NodeIdentity node, IGrainFactory grains, NodeOptions options, NodeLimits limits) : V1.Conventions.ConventionsBase
{
    public override async Task Register(RegisterConventionRequest request, IServerStreamWriter<RegistrationProgress> responseStream, ServerCallContext context)
    {
        Caller caller = CallerInterceptor.CallerOf(context);
        IConventionGrain grain = GrainOf(request.DocumentJson);
        string seen = "";
        while (true)
        {
            RegistrationStep step = await grain.Register(caller, request.DocumentJson, seen, context.CancellationToken);
            if (step.Srn is not null)
            {
                Convention convention = await conventions.GetAsync(step.Srn, "srn", context.CancellationToken);
                await responseStream.WriteAsync(new RegistrationProgress { Convention = Message(convention, Role.Admin), Created = step.Created }, context.CancellationToken);
                return;
            }

            if (step.Step != seen)
            {
                seen = step.Step;
                await responseStream.WriteAsync(new RegistrationProgress { Step = seen }, context.CancellationToken);
            }
        }
    }

    public override async Task<ConventionPlan> Plan(PlanConventionRequest request, ServerCallContext context)
    {
        RegistrationPlan plan = await GrainOf(request.DocumentJson).Plan(request.DocumentJson, context.CancellationToken);
        return new ConventionPlan
        {
            ConventionSrn = plan.Srn,
            Unchanged = plan.Unchanged,
            Tables = { plan.Tables.Select(t => new FeatureTablePlan { Name = t.Name, Action = t.Action, AddedColumns = { t.AddedColumns } }) },
        };
    }

    public override async Task<V1.Convention> Get(GetConventionRequest request, ServerCallContext context) =>
        Message(await conventions.GetFreshAsync(request.Srn, "srn", context.CancellationToken), CallerInterceptor.CallerOf(context).Role);

    public override async Task<ListConventionsResponse> List(ListConventionsRequest request, ServerCallContext context)
    {
        int size = Cursor.PageSize(request.PageSize, 50, 500);
        List<Convention> page = await conventions.ListAsync(request.AllVersions, Cursor.DecodeLong(request.Cursor), size + 1, context.CancellationToken);
        Role role = CallerInterceptor.CallerOf(context).Role;
        return new ListConventionsResponse
        {
            Conventions = { page.Take(size).Select(c => Message(c, role)) },
            NextCursor = page.Count > size ? Cursor.Encode(page[size - 1].Ordinal.ToString()) : "",
        };
    }

    public override async Task<V1.Convention> Retire(RetireConventionRequest request, ServerCallContext context)
    {
        Convention convention = await conventions.GetAsync(request.Srn, "srn", context.CancellationToken);
        await runs.RetireAsync(convention, request.Reason, context.CancellationToken);
        return Message(await conventions.GetFreshAsync(convention.Srn, "srn", context.CancellationToken), Role.Admin);
    }

    public override async Task<StopRunsResponse> StopRuns(StopRunsRequest request, ServerCallContext context)
    {
        Convention convention = await conventions.GetAsync(request.Srn, "srn", context.CancellationToken);
        List<Guid> stopped = await runs.StopAsync(convention, request.Reason, context.CancellationToken);
        if (await sources.StopAsync(convention.Id, request.Reason, context.CancellationToken))
        {
            await grains.Source(convention.Id).Wake();
        }

        foreach (Guid run in stopped)
        {
            await grains.ValidationRun(run).Wake();
        }

        return new StopRunsResponse { RunSrns = { stopped.Select(r => node.RunSrn(r).ToString()) } };
    }

    public override Task<V1.RegistrationSchema> GetRegistrationSchema(GetRegistrationSchemaRequest request, ServerCallContext context) =>
        Task.FromResult(new V1.RegistrationSchema { Json = Domain.Conventions.RegistrationSchema.Json });

    private IConventionGrain GrainOf(string documentJson) => grains.Convention(ConventionDocumentReader.Read(documentJson, limits).Id);

    // What a hook is configured with may be secret, and which image it is, is the operator's business.
    private V1.Convention Message(Convention convention, Role role) => new()
    {
        Srn = convention.Srn,
        Id = convention.Id,
        Version = convention.Version,
        Title = convention.Document.Title,
        Description = convention.Document.Description ?? "",
        SchemaSrn = convention.SchemaSrn,
        Fields = { convention.Document.Schema.Select(Message) },
        FileRequirements = new V1.FileRequirements
        {
            AcceptedTypes = { convention.Document.FileRequirements.AcceptedTypes },
            MinCount = convention.Document.FileRequirements.MinCount,
            MaxCount = convention.Document.FileRequirements.MaxCount,
            MaxFileSize = convention.Document.FileRequirements.MaxFileSize,
        },
        Hooks = { convention.Document.Hooks.Select(h => Message(h, role >= Role.Admin)) },
        CreatedAt = Timestamp.FromDateTime(convention.CreatedAt),
        Curation = WireName.Of(convention.Document.Curation),
        Share = convention.Document.Share,
        RetiredAt = convention.Retired is { } retired ? Timestamp.FromDateTime(retired.At) : null,
        RetiredBecause = convention.Retired?.Because ?? "",
        SourceMayReach = { role >= Role.Admin && convention.Document.Source is not null ? SourcesService.MayReach(options) : [] },
    };

    private static Field Message(FieldDefinition field) => new()
    {
        Name = field.Name,
        Type = WireName.Of(field.Type),
        Required = field.Required,
        Cardinality = WireName.Of(field.Cardinality),
        Description = field.Description ?? "",
        ConstraintsJson = field.Constraints is null ? "" : ConventionDocumentWriter.ConstraintsJson(field.Constraints),
    };

    private static Hook Message(HookDefinition hook, bool all) => new()
    {
        Name = hook.Name,
        Contract = WireName.Of(hook.Manifest.Contract),
        Cardinality = WireName.Of(hook.Manifest.Cardinality),
        Columns = { hook.Manifest.Columns.Select(c => new Column { Name = c.Name, Type = WireName.Of(c.Type), Format = c.Format ?? "", Required = c.Required }) },
        TimeoutSeconds = hook.Limits.TimeoutSeconds,
        MemoryBytes = hook.Limits.MemoryBytes,
        Cpu = hook.Limits.Cpu,
        Pids = hook.Limits.Pids,
        Image = all ? hook.Image : "",
        Digest = all ? hook.Digest ?? "" : "",
        ConfigJson = all ? hook.Config?.ToJsonString() ?? "" : "",
    };
}
