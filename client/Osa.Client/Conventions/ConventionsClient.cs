using Osa.Client.Calls;
using Osa.V1;

namespace Osa.Client.Conventions;

/// <summary>What came of a registration.</summary>
/// <param name="Created">False when the version was registered before with the same content.</param>
public sealed record Registration(Convention Convention, bool Created);

/// <summary>Conventions: what the archive takes, and the code that judges it.</summary>
public sealed class ConventionsClient
{
    private readonly V1.Conventions.ConventionsClient client;
    private readonly NodeCalls calls;

    internal ConventionsClient(V1.Conventions.ConventionsClient client, NodeCalls calls)
    {
        this.client = client;
        this.calls = calls;
    }

    /// <summary>
    /// Registers one version, waiting for images to be resolved and pulled. A lost connection is made again; registering the same content
    /// again answers with the existing version.
    /// </summary>
    /// <param name="documentJson">The registration document, a JSON object.</param>
    /// <param name="steps">Told in words what the node is doing.</param>
    public async Task<Registration> RegisterAsync(
        string documentJson, IProgress<string>? steps = null, CancellationToken cancellationToken = default)
    {
        var request = new RegisterConventionRequest { DocumentJson = documentJson };
        var stream = calls.ReconnectingAsync(options => client.Register(request, options), IsLast, refusalsEnd: true, null, cancellationToken);
        await foreach (var message in stream)
        {
            if (IsLast(message))
            {
                return new Registration(message.Convention, message.Created);
            }

            steps?.Report(message.Step);
        }

        throw new InvalidOperationException("the stream of a registration ends with its last message");

        static bool IsLast(RegistrationProgress message) => message.Convention is not null;
    }

    /// <summary>What registering would do, without doing it.</summary>
    public Task<ConventionPlan> PlanAsync(string documentJson, CancellationToken cancellationToken = default) =>
        calls.UnaryAsync(options => client.PlanAsync(new PlanConventionRequest { DocumentJson = documentJson }, options), cancellationToken);

    /// <param name="srn">An SRN, or an id alone for its newest version.</param>
    public Task<Convention> GetAsync(string srn, CancellationToken cancellationToken = default) =>
        calls.UnaryAsync(options => client.GetAsync(new GetConventionRequest { Srn = srn }, options), cancellationToken);

    /// <param name="allVersions">Every version instead of the newest of each.</param>
    public IAsyncEnumerable<Convention> ListAsync(bool allVersions = false, int pageSize = 0, CancellationToken cancellationToken = default) =>
        NodeCalls.PagesAsync<Convention>(
            async (cursor, token) =>
            {
                var request = new ListConventionsRequest { AllVersions = allVersions, PageSize = pageSize, Cursor = cursor };
                var page = await calls.UnaryAsync(options => client.ListAsync(request, options), token);
                return (page.Conventions, page.NextCursor);
            },
            cancellationToken);

    /// <summary>Nobody begins a deposition with this version any more.</summary>
    public Task<Convention> RetireAsync(string srn, string reason, CancellationToken cancellationToken = default) =>
        calls.UnaryAsync(options => client.RetireAsync(new RetireConventionRequest { Srn = srn, Reason = reason }, options), cancellationToken);

    /// <summary>Everything that runs for this version shall end.</summary>
    /// <returns>The runs.</returns>
    public async Task<IReadOnlyList<string>> StopRunsAsync(string srn, string reason = "", CancellationToken cancellationToken = default) =>
        (await calls.UnaryAsync(options => client.StopRunsAsync(new StopRunsRequest { Srn = srn, Reason = reason }, options), cancellationToken)).RunSrns;

    /// <summary>The JSON Schema of a registration document.</summary>
    public async Task<string> GetRegistrationSchemaAsync(CancellationToken cancellationToken = default) =>
        (await calls.UnaryAsync(options => client.GetRegistrationSchemaAsync(new GetRegistrationSchemaRequest(), options), cancellationToken)).Json;
}
