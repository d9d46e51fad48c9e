using Google.Protobuf.WellKnownTypes;
using Osa.Client.Calls;
using Osa.V1;

namespace Osa.Client.Sources;

/// <summary>Sources: records that are pulled from upstream systems. Conventions are named by their id or SRN.</summary>
public sealed class SourcesClient
{
    private readonly V1.Sources.SourcesClient client;
    private readonly NodeCalls calls;

    internal SourcesClient(V1.Sources.SourcesClient client, NodeCalls calls)
    {
        this.client = client;
        this.calls = calls;
    }

    /// <summary>A convention's source: its schedule, its cursor and its newest pull.</summary>
    /// <exception cref="OsaClientException">NotFound: it has none.</exception>
    public Task<Source> GetAsync(string convention, CancellationToken cancellationToken = default) =>
        calls.UnaryAsync(options => client.GetAsync(new GetSourceRequest { Convention = convention }, options), cancellationToken);

    public async Task<IReadOnlyList<Source>> ListAsync(CancellationToken cancellationToken = default) =>
        (await calls.UnaryAsync(options => client.ListAsync(new ListSourcesRequest(), options), cancellationToken)).Sources;

    /// <summary>Begins a pull now. Repeated after a lost answer it does not begin a second one.</summary>
    /// <param name="since">What changed upstream since then; null: since the cursor.</param>
    /// <param name="limit">Most records; null for all.</param>
    /// <param name="batchSize">Records that are judged together, 1 to 5,000; null lets the node choose.</param>
    /// <param name="movesCursor">It counts as one of the schedule's.</param>
    /// <exception cref="OsaClientException">FailedPrecondition: one is running.</exception>
    public async Task<Pull> RunAsync(
        string convention, DateTimeOffset? since = null, long? limit = null, int? batchSize = null, bool movesCursor = false, CancellationToken cancellationToken = default)
    {
        var request = new RunSourceRequest
        {
            Convention = convention,
            Since = since is { } time ? Timestamp.FromDateTimeOffset(time) : null,
            Limit = limit ?? 0,
            BatchSize = batchSize ?? 0,
            MovesCursor = movesCursor,
            IdempotencyKey = NodeCalls.NewIdempotencyKey(),
        };
        return (await calls.UnaryAsync(options => client.RunAsync(request, options), cancellationToken)).Pull;
    }

    /// <summary>The schedule begins nothing until it is resumed.</summary>
    public Task<Source> PauseAsync(string convention, string reason = "", CancellationToken cancellationToken = default) =>
        calls.UnaryAsync(options => client.PauseAsync(new PauseSourceRequest { Convention = convention, Reason = reason }, options), cancellationToken);

    public Task<Source> ResumeAsync(string convention, CancellationToken cancellationToken = default) =>
        calls.UnaryAsync(options => client.ResumeAsync(new ResumeSourceRequest { Convention = convention }, options), cancellationToken);

    /// <summary>Ends the pull that is running; it has ended when its container is gone.</summary>
    public Task<Pull> CancelAsync(string convention, string reason = "", CancellationToken cancellationToken = default) =>
        calls.UnaryAsync(options => client.CancelAsync(new CancelPullRequest { Convention = convention, Reason = reason }, options), cancellationToken);

    /// <summary>The schedule's next pull asks for what changed since then.</summary>
    /// <param name="cursor">Null: for everything.</param>
    public Task<Source> ResetAsync(string convention, DateTimeOffset? cursor = null, CancellationToken cancellationToken = default) =>
        calls.UnaryAsync(
            options => client.ResetAsync(new ResetSourceRequest { Convention = convention, Cursor = cursor is { } time ? Timestamp.FromDateTimeOffset(time) : null }, options), cancellationToken);

    /// <summary>Lets an upstream id in again whose record was withdrawn.</summary>
    public Task UnblockAsync(string convention, string sourceId, CancellationToken cancellationToken = default) =>
        calls.UnaryAsync(options => client.UnblockAsync(new UnblockRequest { Convention = convention, SourceId = sourceId }, options), cancellationToken);

    public Task<Pull> GetPullAsync(string id, CancellationToken cancellationToken = default) =>
        calls.UnaryAsync(options => client.GetPullAsync(new GetPullRequest { Id = id }, options), cancellationToken);

    /// <summary>Pulls of a source, newest first.</summary>
    public IAsyncEnumerable<Pull> ListPullsAsync(string convention, int pageSize = 0, CancellationToken cancellationToken = default) =>
        NodeCalls.PagesAsync<Pull>(
            async (cursor, token) =>
            {
                var request = new ListPullsRequest { Convention = convention, PageSize = pageSize, Cursor = cursor };
                var page = await calls.UnaryAsync(options => client.ListPullsAsync(request, options), token);
                return (page.Pulls, page.NextCursor);
            },
            cancellationToken);

    /// <summary>A pull as it happens, until it has ended and the hooks are done with what it took; a lost connection is made again.</summary>
    /// <param name="lost">Told of each lost connection.</param>
    public IAsyncEnumerable<Pull> WatchAsync(string pullId, IProgress<OsaClientException>? lost = null, CancellationToken cancellationToken = default) =>
        calls.ReconnectingAsync(
            options => client.Watch(new WatchPullRequest { Id = pullId }, options), static pull => pull.Settled, refusalsEnd: false, lost, cancellationToken);

    /// <summary>Waits for the end of a pull, and until the hooks are done with what it took.</summary>
    public async Task<Pull> WaitAsync(string pullId, CancellationToken cancellationToken = default) => await WatchAsync(pullId, null, cancellationToken).LastAsync(cancellationToken);

    /// <summary>The containers of a pull, newest first, with their logs.</summary>
    public async Task<IReadOnlyList<PullContainer>> ContainersAsync(string pullId, CancellationToken cancellationToken = default) =>
        (await calls.UnaryAsync(options => client.ContainersAsync(new PullContainersRequest { Id = pullId }, options), cancellationToken)).Containers;

    /// <summary>Records that could not be taken, oldest first.</summary>
    /// <param name="pullId">Only what that pull met; null for all.</param>
    public IAsyncEnumerable<QuarantinedRecord> QuarantineAsync(string convention, string? pullId = null, int pageSize = 0, CancellationToken cancellationToken = default) =>
        NodeCalls.PagesAsync<QuarantinedRecord>(
            async (cursor, token) =>
            {
                var request = new QuarantineRequest { Convention = convention, PullId = pullId ?? "", PageSize = pageSize, Cursor = cursor };
                var page = await calls.UnaryAsync(options => client.QuarantineAsync(request, options), token);
                return (page.Records, page.NextCursor);
            },
            cancellationToken);

    /// <summary>One of them, with its line as the source wrote it.</summary>
    public Task<QuarantinedLine> GetQuarantinedAsync(string convention, long id, CancellationToken cancellationToken = default) =>
        calls.UnaryAsync(options => client.GetQuarantinedAsync(new GetQuarantinedRequest { Convention = convention, Id = id }, options), cancellationToken);

    /// <summary>Takes records after all, as their convention is by now: in one run, all that can be.</summary>
    public Task<RedriveQuarantineResponse> RedriveAsync(string convention, IEnumerable<long> ids, CancellationToken cancellationToken = default) =>
        calls.UnaryAsync(options => client.RedriveAsync(new RedriveQuarantineRequest { Convention = convention, Ids = { ids } }, options), cancellationToken);
}

/// <summary>What a pull's status means.</summary>
public static class PullStatusExtensions
{
    /// <summary>The pull has ended and never changes again.</summary>
    public static bool IsFinal(this PullStatus status) => status is PullStatus.Completed or PullStatus.Failed or PullStatus.Cancelled;
}
