using Osa.Client.Calls;
using Osa.V1;

namespace Osa.Client.Reviews;

/// <summary>Curation: what waits for a person's word before it is published, and what is taken back afterwards.</summary>
public sealed class CurationClient
{
    private readonly V1.Curation.CurationClient client;
    private readonly NodeCalls calls;

    internal CurationClient(V1.Curation.CurationClient client, NodeCalls calls)
    {
        this.client = client;
        this.calls = calls;
    }

    /// <summary>The depositions that wait for a curator, oldest first.</summary>
    /// <param name="convention">A convention id or SRN; null for all.</param>
    public IAsyncEnumerable<WaitingDeposition> QueueAsync(string? convention = null, int pageSize = 0, CancellationToken cancellationToken = default) =>
        NodeCalls.PagesAsync<WaitingDeposition>(
            async (cursor, token) =>
            {
                var request = new CurationQueueRequest { Convention = convention ?? "", PageSize = pageSize, Cursor = cursor };
                var page = await calls.UnaryAsync(options => client.QueueAsync(request, options), token);
                return (page.Waiting, page.NextCursor);
            },
            cancellationToken);

    /// <summary>Publishes 1 to 1,000 depositions as their hooks judged them, all or none.</summary>
    /// <returns>The runs that carry it out.</returns>
    /// <exception cref="OsaClientException">FailedPrecondition: another curator was first, with what was decided.</exception>
    public async Task<IReadOnlyList<string>> ApproveAsync(IEnumerable<string> depositionSrns, CancellationToken cancellationToken = default)
    {
        var request = new ApproveRequest { DepositionSrns = { depositionSrns } };
        return (await calls.UnaryAsync(options => client.ApproveAsync(request, options), cancellationToken)).RunSrns;
    }

    /// <summary>Gives one back to its owner as a draft.</summary>
    /// <param name="reason">1 to 2,000 characters, shown to the depositor.</param>
    /// <exception cref="OsaClientException">As <see cref="ApproveAsync"/>.</exception>
    public async Task<IReadOnlyList<string>> ReturnAsync(string depositionSrn, string reason, CancellationToken cancellationToken = default)
    {
        var request = new ReturnRequest { DepositionSrn = depositionSrn, Reason = reason };
        return (await calls.UnaryAsync(options => client.ReturnAsync(request, options), cancellationToken)).RunSrns;
    }

    /// <summary>Takes a record back: a tombstone stays under its name, and its rows leave the feature tables.</summary>
    /// <param name="reason">1 to 2,000 characters, shown to everybody who asks for the record.</param>
    public Task<WithdrawRecordResponse> WithdrawRecordAsync(string recordSrn, string reason, CancellationToken cancellationToken = default)
    {
        var request = new WithdrawRecordRequest { RecordSrn = recordSrn, Reason = reason };
        return calls.UnaryAsync(options => client.WithdrawRecordAsync(request, options), cancellationToken);
    }

    /// <summary>Ends the embargo of a record.</summary>
    public Task ReleaseRecordAsync(string recordSrn, CancellationToken cancellationToken = default) =>
        calls.UnaryAsync(options => client.ReleaseRecordAsync(new ReleaseRecordRequest { RecordSrn = recordSrn }, options), cancellationToken);
}
