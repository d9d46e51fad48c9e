using System.Net.Http.Headers;
using Grpc.Net.Client;
using Osa.Client.Calls;
using Osa.Client.Conventions;
using Osa.Client.Depositions;
using Osa.Client.Events;
using Osa.Client.Features;
using Osa.Client.Nodes;
using Osa.Client.Queries;
using Osa.Client.Records;
using Osa.Client.Reviews;
using Osa.Client.Runs;
using Osa.Client.Sources;

namespace Osa.Client;

/// <summary>
/// A connection to one node, to be shared and kept: it is thread-safe, and connects with the first call. What the node refuses is thrown as
/// <see cref="OsaClientException"/>.
/// </summary>
public sealed class OsaClient : IDisposable
{
    private readonly GrpcChannel channel;

    private OsaClient(GrpcChannel channel, NodeCalls calls)
    {
        this.channel = channel;
        Runs = new RunsClient(new V1.ValidationRuns.ValidationRunsClient(channel), calls);
        Depositions = new DepositionsClient(new V1.Depositions.DepositionsClient(channel), Runs, calls);
        Conventions = new ConventionsClient(new V1.Conventions.ConventionsClient(channel), calls);
        Curation = new CurationClient(new V1.Curation.CurationClient(channel), calls);
        Records = new RecordsClient(new V1.Records.RecordsClient(channel), calls);
        Features = new FeaturesClient(new V1.Features.FeaturesClient(channel), calls);
        Queries = new QueriesClient(new V1.Queries.QueriesClient(channel), calls);
        Events = new EventsClient(new V1.Events.EventsClient(channel), calls);
        Sources = new SourcesClient(new V1.Sources.SourcesClient(channel), calls);
        Node = new NodeClient(new V1.Node.NodeClient(channel), calls);
    }

    public ConventionsClient Conventions { get; }

    public DepositionsClient Depositions { get; }

    public RunsClient Runs { get; }

    public CurationClient Curation { get; }

    public RecordsClient Records { get; }

    public FeaturesClient Features { get; }

    public QueriesClient Queries { get; }

    public EventsClient Events { get; }

    public SourcesClient Sources { get; }

    public NodeClient Node { get; }

    /// <summary>A client of the node at <paramref name="node"/>. Does no I/O.</summary>
    /// <param name="node"><c>http://host:port</c> (HTTP/2 without TLS) or <c>https://host:port</c>.</param>
    /// <param name="token">A bearer token, without the word Bearer; null for what is public.</param>
    /// <exception cref="ArgumentException">The address is of another form, or the token would travel in plain text to another machine.</exception>
    public static OsaClient Connect(Uri node, string? token = null, OsaClientOptions? options = null)
    {
        options ??= new OsaClientOptions();
        if (!node.IsAbsoluteUri || (node.Scheme != Uri.UriSchemeHttp && node.Scheme != Uri.UriSchemeHttps) || node.PathAndQuery != "/")
        {
            throw new ArgumentException($"'{node}' is not a node's address such as http://127.0.0.1:7400", nameof(node));
        }

        if (token is not null && !AuthenticationHeaderValue.TryParse($"Bearer {token}", out _))
        {
            throw new ArgumentException("the token has characters that no bearer token has", nameof(token));
        }

        if (token is not null && node.Scheme == Uri.UriSchemeHttp && !node.IsLoopback && !options.AllowPlaintextToken)
        {
            throw new ArgumentException($"the token would travel in plain text to {node.Host}: use https://, or allow it explicitly", nameof(node));
        }

        var connection = GrpcChannel.ForAddress(node, new GrpcChannelOptions
        {
            DisposeHttpClient = true,
            HttpHandler = new SocketsHttpHandler
            {
                EnableMultipleHttp2Connections = true,
                // A watch may be silent for hours; a node that is gone is noticed all the same.
                KeepAlivePingDelay = TimeSpan.FromSeconds(20),
                KeepAlivePingTimeout = TimeSpan.FromSeconds(10),
                KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
                PooledConnectionIdleTimeout = TimeSpan.FromMinutes(5),
                ConnectTimeout = TimeSpan.FromSeconds(10),
                UseProxy = !node.IsLoopback,
            },
            // How soon a node that was away is tried again, whatever the call; the default is minutes.
            InitialReconnectBackoff = TimeSpan.FromMilliseconds(100),
            MaxReconnectBackoff = TimeSpan.FromSeconds(2),
            // A page of 5,000 feature rows may be large; the server bounds it.
            MaxReceiveMessageSize = 256 << 20,
        });
        return new OsaClient(connection, new NodeCalls(node, token, options));
    }

    public void Dispose() => channel.Dispose();
}
