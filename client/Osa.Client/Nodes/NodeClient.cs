using Osa.Client.Calls;
using Osa.V1;

namespace Osa.Client.Nodes;

/// <summary>The node itself.</summary>
public sealed class NodeClient
{
    private readonly Node.NodeClient client;
    private readonly NodeCalls calls;

    internal NodeClient(Node.NodeClient client, NodeCalls calls)
    {
        this.client = client;
        this.calls = calls;
    }

    public Task<NodeInfo> InfoAsync(CancellationToken cancellationToken = default) =>
        calls.UnaryAsync(options => client.InfoAsync(new NodeInfoRequest(), options), cancellationToken);

    /// <summary>The node's public limits.</summary>
    public async Task<IReadOnlyList<Limit>> LimitsAsync(CancellationToken cancellationToken = default) =>
        (await calls.UnaryAsync(options => client.LimitsAsync(new NodeLimitsRequest(), options), cancellationToken)).Limits;

    /// <summary>A link that opens the Orleans dashboard once, within a minute, on the node's own machine. Admins only.</summary>
    public async Task<string> OpenDashboardAsync(CancellationToken cancellationToken = default) =>
        (await calls.UnaryAsync(options => client.OpenDashboardAsync(new OpenDashboardRequest(), options), cancellationToken)).Url;

    /// <summary>What the node should have done by now and has not, the latest first. Admins only.</summary>
    public async Task<IReadOnlyList<StuckItem>> StuckAsync(CancellationToken cancellationToken = default) =>
        (await calls.UnaryAsync(options => client.StuckAsync(new StuckRequest(), options), cancellationToken)).Items;

    /// <summary>Containers and directories that no run claims any more, which the node is about to remove. Admins only.</summary>
    public async Task<IReadOnlyList<Orphan>> OrphansAsync(CancellationToken cancellationToken = default) =>
        (await calls.UnaryAsync(options => client.OrphansAsync(new OrphansRequest(), options), cancellationToken)).Orphans;

    /// <summary>Silos, container hosts and what is wrong with them. Admins only.</summary>
    public Task<NodeStatus> StatusAsync(CancellationToken cancellationToken = default) =>
        calls.UnaryAsync(options => client.StatusAsync(new NodeStatusRequest(), options), cancellationToken);
}
