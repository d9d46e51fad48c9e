using Osa.Client.Calls;
using Osa.V1;

namespace Osa.Client.Runs;

/// <summary>One validation run, by name. Making a handle does no I/O.</summary>
public sealed class RunHandle
{
    private readonly ValidationRuns.ValidationRunsClient client;
    private readonly NodeCalls calls;

    internal RunHandle(string srn, ValidationRuns.ValidationRunsClient client, NodeCalls calls)
    {
        Srn = srn;
        this.client = client;
        this.calls = calls;
    }

    public string Srn { get; }

    public Task<ValidationRun> GetAsync(CancellationToken cancellationToken = default) =>
        calls.UnaryAsync(options => client.GetAsync(new GetRunRequest { Srn = Srn }, options), cancellationToken);

    /// <summary>
    /// The run as it is now, then again at each change, ending with its verdict. A lost connection is made again until then, for as long as it
    /// takes; the first one is tried as often as any other call.
    /// </summary>
    /// <param name="reconnecting">Told each time that the connection was lost, and why.</param>
    public IAsyncEnumerable<ValidationRun> WatchAsync(
        IProgress<OsaClientException>? reconnecting = null, CancellationToken cancellationToken = default)
    {
        var request = new WatchRunRequest { Srn = Srn };
        return calls.ReconnectingAsync(options => client.Watch(request, options), static run => run.Status.IsFinal(), refusalsEnd: false, reconnecting, cancellationToken);
    }

    /// <summary>Waits for the verdict.</summary>
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
