using System.Runtime.CompilerServices;
using Osa.Client.Calls;
using Osa.V1;

namespace Osa.Client.Events;

/// <summary>The event feed: everything that happened and that the caller may see, in one order.</summary>
public sealed class EventsClient
{
    private readonly V1.Events.EventsClient client;
    private readonly NodeCalls calls;

    internal EventsClient(V1.Events.EventsClient client, NodeCalls calls)
    {
        this.client = client;
        this.calls = calls;
    }

    /// <summary>What has happened until now, from behind a position on.</summary>
    public async IAsyncEnumerable<Event> ReadAsync(long after = 0, EventFilter? filter = null, int pageSize = 0, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        EventPage page;
        do
        {
            var request = new EventsRequest { After = after, Filter = filter, PageSize = pageSize };
            page = await calls.UnaryAsync(options => client.PageAsync(request, options), cancellationToken);
            foreach (var happened in page.Events)
            {
                yield return happened;
            }

            after = page.Position;
        }
        while (page.More);
    }

    /// <summary>What happens, as it happens; a lost connection is made again, and goes on where it was.</summary>
    /// <param name="after">The position behind which it begins; null for now.</param>
    public async IAsyncEnumerable<Event> WatchAsync(
        long? after = null, EventFilter? filter = null, IProgress<OsaClientException>? reconnecting = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        // Known before the first connection is lost, so that none begins at a later now.
        var position = after ?? await HeadAsync(cancellationToken);
        var stream = calls.ReconnectingAsync(
            options => client.Watch(new WatchEventsRequest { After = position, Filter = filter }, options), static _ => false, refusalsEnd: false, reconnecting, cancellationToken);
        await foreach (var happened in stream)
        {
            position = happened.Position;
            yield return happened;
        }
    }

    // Behind everything there is nothing to read.
    private async Task<long> HeadAsync(CancellationToken cancellationToken) =>
        (await calls.UnaryAsync(options => client.PageAsync(new EventsRequest { After = long.MaxValue, PageSize = 1 }, options), cancellationToken)).Head;
}
