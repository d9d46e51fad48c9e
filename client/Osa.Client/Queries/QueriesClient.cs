using Osa.Client.Calls;
using Osa.Client.Features;
using Osa.V1;

namespace Osa.Client.Queries;

/// <summary>Queries over feature tables and records, by their typed columns.</summary>
public sealed class QueriesClient
{
    private readonly V1.Queries.QueriesClient client;
    private readonly NodeCalls calls;

    internal QueriesClient(V1.Queries.QueriesClient client, NodeCalls calls)
    {
        this.client = client;
        this.calls = calls;
    }

    /// <summary>What can be filtered, sorted by and selected.</summary>
    public async Task<IReadOnlyList<Column>> ColumnsAsync(QuerySource source, CancellationToken cancellationToken = default) =>
        (await calls.UnaryAsync(options => client.ColumnsAsync(new QueryColumnsRequest { Source = source }, options), cancellationToken)).Columns;

    /// <summary>The rows of a query, page after page; its cursor is not used.</summary>
    public IAsyncEnumerable<TypedRow> RowsAsync(QueryRequest query, CancellationToken cancellationToken = default) =>
        NodeCalls.PagesAsync(
            async (cursor, token) =>
            {
                var request = query.Clone();
                request.Cursor = cursor;
                var page = await calls.UnaryAsync(options => client.RowsAsync(request, options), token);
                return (AnswerRows.Of(page.Columns, page.Values), page.NextCursor);
            },
            cancellationToken);

    public Task<CountResponse> CountAsync(CountRequest request, CancellationToken cancellationToken = default) =>
        calls.UnaryAsync(options => client.CountAsync(request, options), cancellationToken);

    public async Task<IReadOnlyList<TypedRow>> AggregateAsync(AggregateRequest request, CancellationToken cancellationToken = default)
    {
        var groups = await calls.UnaryAsync(options => client.AggregateAsync(request, options), cancellationToken);
        return AnswerRows.Of(groups.Columns, groups.Values);
    }

    /// <summary>Writes everything that a query selects to <paramref name="destination"/>.</summary>
    /// <returns>The position of the event feed at which it is true.</returns>
    public async Task<long> ExportAsync(ExportRequest request, Stream destination, CancellationToken cancellationToken = default)
    {
        long position = 0;
        await foreach (var part in calls.StreamAsync(options => client.Export(request, options), cancellationToken))
        {
            position = part.EventPosition > 0 ? part.EventPosition : position;
            await destination.WriteAsync(part.Data.Memory, cancellationToken);
        }

        return position;
    }
}
