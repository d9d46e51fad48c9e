using System.Text.Json.Nodes;
using Osa.Client.Calls;
using Osa.Client.Runs;
using Osa.V1;

namespace Osa.Client.Depositions;

/// <summary>Depositions: submissions of metadata and files to a convention.</summary>
public sealed class DepositionsClient
{
    private readonly V1.Depositions.DepositionsClient client;
    private readonly RunsClient runs;
    private readonly NodeCalls calls;

    internal DepositionsClient(V1.Depositions.DepositionsClient client, RunsClient runs, NodeCalls calls)
    {
        this.client = client;
        this.runs = runs;
        this.calls = calls;
    }

    /// <summary>A handle of the deposition with this SRN. Does no I/O.</summary>
    public DepositionHandle Handle(string srn) => new(srn, client, runs, calls);

    /// <summary>Creates a draft.</summary>
    /// <param name="convention">An SRN, or an id alone for the newest version.</param>
    /// <param name="idempotencyKey">1 to 128 characters; the same key again answers with the same draft. Default: a new one.</param>
    public async Task<DepositionHandle> CreateAsync(
        string convention, JsonObject? metadata = null, string? idempotencyKey = null, CancellationToken cancellationToken = default)
    {
        var request = new CreateDepositionRequest
        {
            Convention = convention,
            MetadataJson = metadata?.ToJsonString() ?? "",
            IdempotencyKey = idempotencyKey ?? NodeCalls.NewIdempotencyKey(),
        };
        var deposition = await calls.UnaryAsync(options => client.CreateAsync(request, options), cancellationToken);
        return Handle(deposition.Srn);
    }

    /// <summary>Starts one run over 1 to 1,000 drafts of one convention version, or none.</summary>
    /// <param name="idempotencyKey">1 to 128 characters; the same key again answers with the same run. Default: a new one.</param>
    public async Task<RunHandle> SubmitManyAsync(IEnumerable<string> srns, string? idempotencyKey = null, CancellationToken cancellationToken = default)
    {
        var request = new SubmitDepositionsRequest { Srns = { srns }, IdempotencyKey = idempotencyKey ?? NodeCalls.NewIdempotencyKey() };
        return runs.Handle((await calls.UnaryAsync(options => client.SubmitManyAsync(request, options), cancellationToken)).RunSrn);
    }

    /// <summary>Opens the draft of the next version of an own record, or answers with the one that is open.</summary>
    public async Task<DepositionHandle> NewVersionAsync(string recordSrn, CancellationToken cancellationToken = default) =>
        Handle((await calls.UnaryAsync(options => client.NewVersionAsync(new NewVersionRequest { RecordSrn = recordSrn }, options), cancellationToken)).Srn);

    /// <summary>Own depositions, newest first, without files and metadata.</summary>
    /// <param name="everybody">Everybody's; curators only.</param>
    /// <param name="status">Unspecified lists all.</param>
    /// <param name="convention">A convention id or SRN; null lists all.</param>
    public IAsyncEnumerable<Deposition> ListAsync(
        bool everybody = false,
        DepositionStatus status = DepositionStatus.Unspecified,
        string? convention = null,
        int pageSize = 0,
        CancellationToken cancellationToken = default) =>
        NodeCalls.PagesAsync<Deposition>(
            async (cursor, token) =>
            {
                var request = new ListDepositionsRequest
                {
                    Everybody = everybody,
                    Status = status,
                    Convention = convention ?? "",
                    PageSize = pageSize,
                    Cursor = cursor,
                };
                var page = await calls.UnaryAsync(options => client.ListAsync(request, options), token);
                return (page.Depositions, page.NextCursor);
            },
            cancellationToken);
}
