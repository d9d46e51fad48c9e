using Osa.Client.Calls;
using Osa.V1;

namespace Osa.Client.Runs;

/// <summary>Validation runs: every attempt to judge a deposition, with its reasons.</summary>
public sealed class RunsClient
{
    private readonly ValidationRuns.ValidationRunsClient client;
    private readonly NodeCalls calls;

    internal RunsClient(ValidationRuns.ValidationRunsClient client, NodeCalls calls)
    {
        this.client = client;
        this.calls = calls;
    }

    /// <summary>A handle of the run with this SRN, or bare id. Does no I/O.</summary>
    /// <param name="depositionSrn">Of several depositions only this one; null for all that the caller may see.</param>
    public RunHandle Handle(string srn, string? depositionSrn = null) => new(srn, depositionSrn, client, calls);

    /// <summary>Every run of a deposition, newest first.</summary>
    public async Task<IReadOnlyList<ValidationRun>> ListAsync(string depositionSrn, CancellationToken cancellationToken = default)
    {
        var request = new ListRunsRequest { DepositionSrn = depositionSrn };
        return (await calls.UnaryAsync(options => client.ListAsync(request, options), cancellationToken)).Runs;
    }

    /// <summary>Runs of a convention, newest first, without hooks; for curators, and whoever registered it.</summary>
    /// <param name="convention">An id (all versions) or an SRN (one).</param>
    public IAsyncEnumerable<ValidationRun> ListOfConventionAsync(string convention, int pageSize = 0, CancellationToken cancellationToken = default) =>
        NodeCalls.PagesAsync<ValidationRun>(
            async (cursor, token) =>
            {
                var request = new ListRunsRequest { Convention = convention, PageSize = pageSize, Cursor = cursor };
                var page = await calls.UnaryAsync(options => client.ListAsync(request, options), token);
                return (page.Runs, page.NextCursor);
            },
            cancellationToken);

    /// <summary>Runs a hook from another image over a deposition as it is: judges, publishes nothing and changes nothing. Admins only.</summary>
    /// <param name="hook">May be null where the convention has only one.</param>
    /// <param name="digest">Null to take what the image means now.</param>
    public async Task<RunHandle> TryAsync(string depositionSrn, string image, string? hook = null, string? digest = null, CancellationToken cancellationToken = default)
    {
        var request = new TryHookRequest { DepositionSrn = depositionSrn, Image = image, Hook = hook ?? "", Digest = digest ?? "" };
        return Handle((await calls.UnaryAsync(options => client.TryAsync(request, options), cancellationToken)).Srn);
    }
}
