using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Osa.Domain.Errors;
using Osa.Grains;
using Osa.Silo.Access;
using Osa.Silo.Hosting;
using Osa.Storage;
using Osa.Storage.Conventions;
using Osa.Storage.Sources;
using Osa.V1;
using Convention = Osa.Storage.Conventions.Convention;
using PullContainer = Osa.Storage.Sources.PullContainer;
using PullCounts = Osa.Storage.Sources.PullCounts;
using PullStatus = Osa.V1.PullStatus;

namespace Osa.Silo.Services;

/// <summary>Sources over gRPC.</summary>
public sealed class SourcesService(
    SourceStore sources, SourceQuarantine quarantine, ConventionStore conventions, NodeIdentity node, NodeOptions options, IGrainFactory grains, TimeProvider time) : Sources.SourcesBase
{
    private const int ContainersShown = 50;
    private static readonly TimeSpan WatchInterval = TimeSpan.FromMilliseconds(500);

    public override async Task<Source> Get(GetSourceRequest request, ServerCallContext context) => Message(await sources.GetAsync(request.Convention, context.CancellationToken));

    public override async Task<ListSourcesResponse> List(ListSourcesRequest request, ServerCallContext context) =>
        new() { Sources = { (await sources.ListAsync(context.CancellationToken)).Select(Message) } };

    public override async Task<RunSourceResponse> Run(RunSourceRequest request, ServerCallContext context)
    {
        var wanted = new PullRequest(
            request.Since is { } since ? DepositionsService.Instant(since, "since") : null, request.Limit == 0 ? null : request.Limit, request.BatchSize == 0 ? null : request.BatchSize, request.MovesCursor);
        (Guid id, bool created) = await sources.BeginAsync(CallerInterceptor.CallerOf(context), request.Convention, wanted, request.IdempotencyKey, context.CancellationToken);
        PullView pull = await sources.PullAsync(id, context.CancellationToken);
        await grains.Source(pull.ConventionId).Wake();
        return new RunSourceResponse { Pull = Message(pull), Created = created };
    }

    public override async Task<Source> Pause(PauseSourceRequest request, ServerCallContext context) =>
        await ChangedAsync(request.Convention, id => sources.PauseAsync(id, request.Reason, context.CancellationToken), context);

    public override async Task<Source> Resume(ResumeSourceRequest request, ServerCallContext context) =>
        await ChangedAsync(request.Convention, id => sources.ResumeAsync(id, context.CancellationToken), context);

    public override async Task<Pull> Cancel(CancelPullRequest request, ServerCallContext context)
    {
        SourceView source = await sources.GetAsync(request.Convention, context.CancellationToken);
        Guid pull = await sources.CancelAsync(source.ConventionId, request.Reason, context.CancellationToken);
        await grains.Source(source.ConventionId).Wake();
        return Message(await sources.PullAsync(pull, context.CancellationToken));
    }

    public override async Task<Source> Reset(ResetSourceRequest request, ServerCallContext context) =>
        await ChangedAsync(request.Convention, id => sources.ResetAsync(id, request.Cursor is { } cursor ? DepositionsService.Instant(cursor, "cursor") : null, context.CancellationToken), context);

    public override async Task<UnblockResponse> Unblock(UnblockRequest request, ServerCallContext context)
    {
        SourceView source = await sources.GetAsync(request.Convention, context.CancellationToken);
        await sources.UnblockAsync(source.ConventionId, request.SourceId, context.CancellationToken);
        return new UnblockResponse();
    }

    public override async Task<Pull> GetPull(GetPullRequest request, ServerCallContext context) => Message(await sources.PullAsync(PullId(request.Id), context.CancellationToken));

    public override async Task<ListPullsResponse> ListPulls(ListPullsRequest request, ServerCallContext context)
    {
        int size = Cursor.PageSize(request.PageSize, 50, 200);
        SourceView source = await sources.GetAsync(request.Convention, context.CancellationToken);
        List<PullView> page = await sources.PullsAsync(source.ConventionId, Cursor.DecodeLong(request.Cursor), size + 1, context.CancellationToken);
        return new ListPullsResponse { Pulls = { page.Take(size).Select(Message) }, NextCursor = page.Count > size ? Cursor.Encode(page[size - 1].Ordinal.ToString()) : "" };
    }

    public override async Task Watch(WatchPullRequest request, IServerStreamWriter<Pull> responseStream, ServerCallContext context)
    {
        if ((request.Id.Length == 0) == (request.Convention.Length == 0))
        {
            throw OsaException.Invalid("id", "one_of", "name either a pull or a convention");
        }

        Guid id = request.Id.Length > 0
            ? PullId(request.Id)
            : (await sources.GetAsync(request.Convention, context.CancellationToken)).LastPull?.Id ?? throw OsaException.Precondition($"The source of '{request.Convention}' has not pulled yet");
        Pull? shown = null;
        while (true)
        {
            PullView pull = await sources.PullAsync(id, context.CancellationToken);
            Pull now = Message(pull);
            now.Duration = pull.IsFinal ? now.Duration : null;
            if (!now.Equals(shown))
            {
                shown = now.Clone();
                now.Duration = Duration.FromTimeSpan(pull.Duration);
                await responseStream.WriteAsync(now, context.CancellationToken);
            }

            if (pull.IsSettled)
            {
                return;
            }

            await Task.Delay(WatchInterval, time, context.CancellationToken);
        }
    }

    public override async Task<PullContainers> Containers(PullContainersRequest request, ServerCallContext context)
    {
        PullView pull = await sources.PullAsync(PullId(request.Id), context.CancellationToken);
        List<PullContainer> containers = await sources.ContainersAsync(pull.Id, ContainersShown, context.CancellationToken);
        string? live = containers is [{ State: "claimed" }, ..] ? await grains.Source(pull.ConventionId).LiveLog(context.CancellationToken) : null;
        return new PullContainers { Containers = { containers.Select((c, i) => Message(i == 0 && live is not null ? c with { Log = live } : c)) } };
    }

    public override async Task<QuarantineResponse> Quarantine(QuarantineRequest request, ServerCallContext context)
    {
        int size = Cursor.PageSize(request.PageSize, 50, 500);
        SourceView source = await sources.GetAsync(request.Convention, context.CancellationToken);
        List<QuarantineItem> page = await quarantine.ListAsync(
            source.ConventionId, request.PullId.Length == 0 ? null : PullId(request.PullId), Cursor.DecodeLong(request.Cursor) ?? 0, size + 1, context.CancellationToken);
        return new QuarantineResponse { Records = { page.Take(size).Select(Message) }, NextCursor = page.Count > size ? Cursor.Encode(page[size - 1].Id.ToString()) : "" };
    }

    public override async Task<QuarantinedLine> GetQuarantined(GetQuarantinedRequest request, ServerCallContext context)
    {
        SourceView source = await sources.GetAsync(request.Convention, context.CancellationToken);
        (QuarantineItem item, byte[] line) = await quarantine.GetAsync(source.ConventionId, request.Id, context.CancellationToken);
        return new QuarantinedLine { Record = Message(item), Line = ByteString.CopyFrom(line) };
    }

    public override async Task<RedriveQuarantineResponse> Redrive(RedriveQuarantineRequest request, ServerCallContext context)
    {
        SourceView source = await sources.GetAsync(request.Convention, context.CancellationToken);
        Convention convention = (await conventions.FindAsync(source.ConventionId, source.ConventionVersion, context.CancellationToken))!;
        Redriven redriven = await quarantine.RedriveAsync(convention, request.Ids, context.CancellationToken);
        if (redriven.Run is { } run)
        {
            await grains.ValidationRun(run).Wake();
        }

        return new RedriveQuarantineResponse
        {
            RunSrn = redriven.Run is { } its ? node.RunSrn(its).ToString() : "",
            Taken = redriven.Taken,
            Unchanged = redriven.Unchanged,
            Refused = { redriven.Refused.Select(r => new RefusedRecord { Id = r.Id, Reason = r.Reason }) },
        };
    }

    private async Task<Source> ChangedAsync(string convention, Func<string, Task> change, ServerCallContext context)
    {
        SourceView source = await sources.GetAsync(convention, context.CancellationToken);
        await change(source.ConventionId);
        await grains.Source(source.ConventionId).Wake();
        return Message(await sources.GetAsync(source.ConventionId, context.CancellationToken));
    }

    private static Guid PullId(string id) => Guid.TryParseExact(id, "D", out Guid pull) ? pull : throw OsaException.Invalid("id", "pull", $"'{(id.Length > 80 ? id[..80] : id)}' is not the id of a pull");

    /// <summary>What a container of a source may reach, for whoever registers one.</summary>
    internal static IEnumerable<string> MayReach(NodeOptions options) => options.SourceRules.Select(rule => $"{rule} (allowed by the operator)").Prepend("public IPv4 addresses");

    private Source Message(SourceView source) => new()
    {
        ConventionSrn = node.ConventionSrn(source.ConventionId, source.ConventionVersion).ToString(),
        Image = source.Definition.Image,
        Digest = source.Definition.Digest ?? "",
        Cron = source.Definition.Schedule?.Cron ?? "",
        ScheduleLimit = source.Definition.Schedule?.Limit ?? 0,
        NextDue = Time(source.PausedAt is null ? source.NextDue : null),
        Cursor = Time(source.Cursor),
        Lag = source.Lag is { } lag ? Duration.FromTimeSpan(lag) : null,
        PausedAt = Time(source.PausedAt),
        PausedBecause = source.PausedBecause ?? "",
        RetiredBecause = source.RetiredBecause ?? "",
        LastPull = source.LastPull is { } pull ? Message(pull) : null,
        MayReach = { MayReach(options) },
    };

    private Pull Message(PullView pull) => new()
    {
        Id = pull.Id.ToString("D"),
        ConventionSrn = node.ConventionSrn(pull.ConventionId, pull.ConventionVersion).ToString(),
        Cause = Domain.Names.WireName.Of(pull.Cause),
        Status = System.Enum.Parse<PullStatus>(pull.Status.ToString()),
        Settled = pull.IsSettled,
        Since = Time(pull.Since),
        Limit = pull.Limit ?? 0,
        BatchSize = pull.BatchSize ?? 0,
        MovesCursor = pull.MovesCursor,
        Chunk = pull.Chunk,
        WaitingFor = pull.IsFinal ? "" : pull.WaitingFor ?? "",
        Summary = pull.Summary ?? "",
        CreatedAt = Time(pull.CreatedAt),
        StartedAt = Time(pull.StartedAt),
        CompletedAt = Time(pull.CompletedAt),
        Duration = Duration.FromTimeSpan(pull.Duration),
        Counts = Message(pull.Counts),
        Silo = pull.IsFinal ? "" : pull.OwnerSilo ?? "",
        Epoch = pull.Epoch,
    };

    private static V1.PullCounts Message(PullCounts counts) => new()
    {
        Pulled = counts.Pulled,
        Taken = counts.Taken,
        Unchanged = counts.Unchanged,
        Quarantined = counts.Quarantined,
        Blocked = counts.Blocked,
        Judged = counts.Judged,
        Published = counts.Published,
        Rejected = counts.Rejected,
        Failed = counts.Failed,
        Superseded = counts.Superseded,
    };

    private static V1.PullContainer Message(PullContainer container)
    {
        var message = new V1.PullContainer
        {
            Chunk = container.Chunk,
            Attempt = container.Attempt,
            State = container.State,
            Duration = Duration.FromTimeSpan(container.Duration),
            PeakMemory = container.PeakMemory ?? 0,
            MemoryLimit = container.MemoryBytes,
            Because = container.Because ?? "",
            Log = container.Log,
            Digest = container.Digest ?? "",
        };
        if (container.ExitCode is { } code)
        {
            message.ExitCode = code;
        }

        return message;
    }

    private static V1.QuarantinedRecord Message(QuarantineItem item) => new()
    {
        Id = item.Id,
        PullId = item.Pull.ToString("D"),
        Chunk = item.Chunk,
        Line = item.Line,
        SourceId = item.SourceId ?? "",
        Reason = item.Reason,
        Size = item.Size,
        IsCut = item.IsCut,
        CreatedAt = Time(item.CreatedAt),
        RedrivenAt = Time(item.RedrivenAt),
        Files = { item.Files.Select(f => f.Name) },
    };

    private static Timestamp? Time(DateTime? time) => time is { } moment ? Timestamp.FromDateTime(DateTime.SpecifyKind(moment, DateTimeKind.Utc)) : null;
}
