using Osa.Client.Calls;
using Osa.V1;

namespace Osa.Client.Features;

/// <summary>Feature tables: what hooks emitted for published records, as typed rows.</summary>
public sealed class FeaturesClient
{
    private readonly V1.Features.FeaturesClient client;
    private readonly NodeCalls calls;

    internal FeaturesClient(V1.Features.FeaturesClient client, NodeCalls calls)
    {
        this.client = client;
        this.calls = calls;
    }

    /// <summary>Every feature table with its owner and columns.</summary>
    public async Task<IReadOnlyList<FeatureTable>> CatalogAsync(CancellationToken cancellationToken = default) =>
        (await calls.UnaryAsync(options => client.CatalogAsync(new FeatureCatalogRequest(), options), cancellationToken)).Tables;

    /// <summary>Rows of one table in the order they were published.</summary>
    /// <param name="recordSrn">Only this record's; null for all.</param>
    /// <param name="pageSize">Rows per call, 1 to 5,000; 0 leaves it to the node.</param>
    /// <exception cref="OsaClientException">DataLoss: a value that is not of its column's type.</exception>
    public IAsyncEnumerable<TypedFeatureRow> RowsAsync(
        string table, string? recordSrn = null, int pageSize = 0, CancellationToken cancellationToken = default) =>
        NodeCalls.PagesAsync(
            async (cursor, token) =>
            {
                var request = new FeatureRowsRequest { Table = table, RecordSrn = recordSrn ?? "", PageSize = pageSize, Cursor = cursor };
                var page = await calls.UnaryAsync(options => client.RowsAsync(request, options), token);
                IReadOnlyList<TypedFeatureRow> rows = [.. page.Rows.Select(row => TypedFeatureRow.From(page.Columns, row))];
                return (rows, page.NextCursor);
            },
            cancellationToken);
}
