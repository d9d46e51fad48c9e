using Osa.Client.Calls;
using Osa.Client.Features;
using Osa.V1;

namespace Osa.Client.Runs;

/// <summary>One validation run, by name, or what it is for one of its depositions. Making a handle does no I/O.</summary>
public sealed class RunHandle
{
    private readonly ValidationRuns.ValidationRunsClient client;
    private readonly NodeCalls calls;

    internal RunHandle(string srn, string? depositionSrn, ValidationRuns.ValidationRunsClient client, NodeCalls calls)
    {
        Srn = srn;
        DepositionSrn = depositionSrn;
        this.client = client;
        this.calls = calls;
    }

    public string Srn { get; }

    /// <summary>The one of its depositions that is looked at; null for all that the caller may see.</summary>
    public string? DepositionSrn { get; }

    public Task<ValidationRun> GetAsync(CancellationToken cancellationToken = default) =>
        calls.UnaryAsync(options => client.GetAsync(new GetRunRequest { Srn = Srn, DepositionSrn = DepositionSrn ?? "" }, options), cancellationToken);

    /// <summary>What a hook's container wrote to stdout and stderr, as far as it is kept.</summary>
    /// <param name="hook">Null for the newest that has a log.</param>
    /// <param name="follow">Goes on until the container has ended.</param>
    public IAsyncEnumerable<LogPart> LogsAsync(string? hook = null, bool follow = false, CancellationToken cancellationToken = default)
    {
        var request = new RunLogsRequest { Srn = Srn, Hook = hook ?? "", DepositionSrn = DepositionSrn ?? "", Follow = follow };
        return calls.StreamAsync(options => client.Logs(request, options), cancellationToken);
    }

    /// <summary>The feature rows that a deposition's publication would add, as a hook gave them; they are no record's yet.</summary>
    public IAsyncEnumerable<TypedFeatureRow> FeaturesAsync(string hook, int pageSize = 0, CancellationToken cancellationToken = default) =>
        NodeCalls.PagesAsync(
            async (cursor, token) =>
            {
                var request = new RunFeaturesRequest { Srn = Srn, Hook = hook, DepositionSrn = DepositionSrn ?? "", PageSize = pageSize, Cursor = cursor };
                var page = await calls.UnaryAsync(options => client.FeaturesAsync(request, options), token);
                IReadOnlyList<TypedFeatureRow> rows = [.. page.Rows.Select(row => TypedFeatureRow.From(page.Columns, row))];
                return (rows, page.NextCursor);
            },
            cancellationToken);

    /// <summary>Wishes it to end: it is cancelled once its containers are gone.</summary>
    public Task<ValidationRun> CancelAsync(string reason = "", CancellationToken cancellationToken = default) =>
        calls.UnaryAsync(options => client.CancelAsync(new CancelRunRequest { Srn = Srn, Reason = reason }, options), cancellationToken);

    /// <summary>Submits again, in one new run, what it sent back and nobody has submitted since.</summary>
    public Task<RedriveRunResponse> RedriveAsync(CancellationToken cancellationToken = default) =>
        calls.UnaryAsync(options => client.RedriveAsync(new RedriveRunRequest { Srn = Srn }, options), cancellationToken);

    /// <summary>
    /// The run as it is now, then again at each change, ending with its verdict or when a curator has the next move. A lost connection is made again until then, for as long as it
    /// takes; the first one, too, where a node answers that it cannot now, and as often as any other call where nobody answers.
    /// </summary>
    /// <param name="reconnecting">Told each time that the connection was lost, and why.</param>
    public IAsyncEnumerable<ValidationRun> WatchAsync(
        IProgress<OsaClientException>? reconnecting = null, CancellationToken cancellationToken = default)
    {
        var request = new WatchRunRequest { Srn = Srn, DepositionSrn = DepositionSrn ?? "" };
        return calls.ReconnectingAsync(options => client.Watch(request, options), static run => run.Status.IsFinal() || run.InReview, refusalsEnd: false, reconnecting, cancellationToken);
    }

    /// <summary>Waits for the verdict, or until a curator has the next move.</summary>
    public async Task<ValidationRun> WaitAsync(CancellationToken cancellationToken = default) =>
        await WatchAsync(null, cancellationToken).LastAsync(cancellationToken);
}

/// <summary>What a run's status means.</summary>
public static class RunStatusExtensions
{
    /// <summary>The run has its verdict and never changes again.</summary>
    public static bool IsFinal(this RunStatus status) =>
        status is RunStatus.Passed or RunStatus.Rejected or RunStatus.Failed or RunStatus.Cancelled;
}
