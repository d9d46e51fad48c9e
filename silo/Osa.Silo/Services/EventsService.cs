using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Osa.Domain.Access;
using Osa.Domain.Errors;
using Osa.Grains.Events;
using Osa.Silo.Access;
using Osa.Storage;
using Osa.Storage.Events;
using Osa.V1;

namespace Osa.Silo.Services;

/// <summary>The event feed over gRPC.</summary>
public sealed class EventsService(EventLog events, EventReader live, IHostApplicationLifetime node) : V1.Events.EventsBase
{
    private const int LargestPage = 1_000;
    private const int MostTypes = 50;

    // What is held for a watcher who has stopped reading.
    private const int Handful = 50;

    public override async Task<EventPage> Page(EventsRequest request, ServerCallContext context)
    {
        int size = Cursor.PageSize(request.PageSize, 100, LargestPage);
        FeedPage page = await events.PageAsync(
            View(request.Filter, context), request.After >= 0 ? request.After : throw NoPosition(request.After), size, context.CancellationToken);
        return new EventPage { Events = { page.Events.Select(Message) }, Position = page.Position, More = page.More, Head = page.Head };
    }

    public override async Task Watch(WatchEventsRequest request, IServerStreamWriter<Event> responseStream, ServerCallContext context)
    {
        EventView view = View(request.Filter, context);
        // A node that stops sends its watchers to another one.
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, node.ApplicationStopping);
        try
        {
            using IDisposable watching = live.Watch();
            long position = !request.HasAfter ? await events.HeadAsync(ending.Token) : request.After >= 0 ? request.After : throw NoPosition(request.After);
            // Whoever is called sees at once that it has begun.
            await context.WriteResponseHeadersAsync([]);
            while (true)
            {
                // From the silo's one reader while it keeps up, else page by page at its own pace.
                if (live.After(position, Handful) is { } recent)
                {
                    foreach (FeedEvent happened in recent.Where(view.Shows))
                    {
                        await responseStream.WriteAsync(Message(happened), ending.Token);
                    }

                    position = recent.Count > 0 ? recent[^1].Position : position;
                    await live.BeyondAsync(position, ending.Token);
                }
                else
                {
                    FeedPage page = await events.PageAsync(view, position, Handful, ending.Token);
                    position = page.Position;
                    foreach (FeedEvent happened in page.Events)
                    {
                        await responseStream.WriteAsync(Message(happened), ending.Token);
                    }

                    if (page is { Events.Count: 0, More: false })
                    {
                        await live.MovedAsync(ending.Token);
                    }
                }
            }
        }
        catch (OperationCanceledException) when (node.ApplicationStopping.IsCancellationRequested)
        {
            throw OsaException.Unavailable("The node is stopping; connect again");
        }
    }

    private static EventView View(EventFilter? filter, ServerCallContext context)
    {
        if (filter is { Types_.Count: > MostTypes } || filter is { Subject.Length: > 300 } || filter?.Types_.Any(t => t.Length > 100) == true)
        {
            throw OsaException.Invalid("filter", "size", $"at most {MostTypes} types and one subject");
        }

        Caller caller = CallerInterceptor.CallerOf(context);
        return new EventView(caller, filter?.Types_.ToHashSet(StringComparer.Ordinal) ?? [], filter is { Subject.Length: > 0 } ? filter.Subject : null);
    }

    private static OsaException NoPosition(long after) => OsaException.Invalid("after", "range", $"{after} is not a position of the feed; 0 begins at the beginning");

    private static Event Message(FeedEvent happened) => new()
    {
        Position = happened.Position,
        Id = happened.Id.ToString("D"),
        Type = happened.Type,
        Subject = happened.Subject,
        PayloadJson = happened.PayloadJson,
        CreatedAt = Timestamp.FromDateTime(happened.CreatedAt),
    };
}
