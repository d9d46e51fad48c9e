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
    public RunHandle Handle(string srn) => new(srn, client, calls);

    /// <summary>Every run of a deposition, newest first.</summary>
    public async Task<IReadOnlyList<ValidationRun>> ListAsync(string depositionSrn, CancellationToken cancellationToken = default)
    {
        var request = new ListRunsRequest { DepositionSrn = depositionSrn };
        return (await calls.UnaryAsync(options => client.ListAsync(request, options), cancellationToken)).Runs;
    }
}
