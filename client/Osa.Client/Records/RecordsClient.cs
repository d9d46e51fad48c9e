using Grpc.Core;
using Osa.Client.Calls;
using Osa.V1;

namespace Osa.Client.Records;

/// <summary>Records: what passed, immutable, under a permanent name.</summary>
public sealed class RecordsClient
{
    private readonly V1.Records.RecordsClient client;
    private readonly NodeCalls calls;

    internal RecordsClient(V1.Records.RecordsClient client, NodeCalls calls)
    {
        this.client = client;
        this.calls = calls;
    }

    /// <summary>One record with its provenance.</summary>
    public Task<Record> GetAsync(string srn, CancellationToken cancellationToken = default) =>
        calls.UnaryAsync(options => client.GetAsync(new GetRecordRequest { Srn = srn }, options), cancellationToken);

    /// <summary>Records, newest first, without files.</summary>
    /// <param name="convention">A convention id (all versions) or SRN (one); null lists all.</param>
    /// <param name="allVersions">Old versions too.</param>
    public IAsyncEnumerable<Record> ListAsync(string? convention = null, int pageSize = 0, bool allVersions = false, CancellationToken cancellationToken = default) =>
        NodeCalls.PagesAsync<Record>(
            async (cursor, token) =>
            {
                var request = new ListRecordsRequest { Convention = convention ?? "", PageSize = pageSize, Cursor = cursor, AllVersions = allVersions };
                var page = await calls.UnaryAsync(options => client.ListAsync(request, options), token);
                return (page.Records, page.NextCursor);
            },
            cancellationToken);

    /// <summary>Writes a record's file to <paramref name="destination"/> and verifies its checksum.</summary>
    /// <exception cref="OsaClientException">NotFound; DataLoss: other bytes than announced.</exception>
    public async Task DownloadAsync(
        string srn, string name, Stream destination, IProgress<long>? progress = null, CancellationToken cancellationToken = default)
    {
        var record = await GetAsync(srn, cancellationToken);
        var file = record.Files.FirstOrDefault(file => file.Name == name)
            ?? throw new OsaClientException(StatusCode.NotFound, $"{srn} has no file '{name}'");
        var request = new DownloadRecordFileRequest { RecordSrn = srn, Name = name };
        await calls.DownloadAsync(
            options => client.Download(request, options), (file.Name, file.Size, file.Checksum), destination, progress, cancellationToken);
    }
}
