using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Osa.Domain.Depositions;
using Osa.Silo.Access;
using Osa.Storage;
using Osa.Storage.Files;
using Osa.Storage.Records;
using Osa.V1;
using Record = Osa.Storage.Records.Record;

namespace Osa.Silo.Services;

/// <summary>Records over gRPC: public, but for those that are held.</summary>
public sealed class RecordsService(RecordQueries records, BlobStore blobs) : Records.RecordsBase
{
    public override async Task<V1.Record> Get(GetRecordRequest request, ServerCallContext context) =>
        Message(await records.GetAsync(CallerInterceptor.CallerOf(context), request.Srn, "srn", context.CancellationToken));

    public override async Task<ListRecordsResponse> List(ListRecordsRequest request, ServerCallContext context)
    {
        (string? convention, string? version) = DepositionsService.ConventionFilter(request.Convention);
        int size = Cursor.PageSize(request.PageSize, 50, 500);
        List<Record> page = await records.ListAsync(CallerInterceptor.CallerOf(context), request.AllVersions, convention, version, Cursor.DecodeLong(request.Cursor), size + 1, context.CancellationToken);
        return new ListRecordsResponse
        {
            Records = { page.Take(size).Select(Message) },
            NextCursor = page.Count > size ? Cursor.Encode(page[size - 1].Ordinal.ToString()) : "",
        };
    }

    public override async Task Download(DownloadRecordFileRequest request, IServerStreamWriter<FileChunk> responseStream, ServerCallContext context)
    {
        StoredFile file = await records.FileAsync(CallerInterceptor.CallerOf(context), request.RecordSrn, "record_srn", request.Name, context.CancellationToken);
        await DepositionsService.SendAsync(blobs, file.BlobId, responseStream, context.CancellationToken);
    }

    private V1.Record Message(Record record)
    {
        (string convention, string deposition, string run) = records.Names(record);
        return new V1.Record
        {
            Srn = record.Srn,
            MetadataJson = record.MetadataJson,
            Files = { record.Files.Select(f => new RecordFile { Name = f.Name, Size = f.Size, Checksum = "sha256:" + f.Sha256, ContentType = f.ContentType }) },
            Provenance = new Provenance
            {
                ConventionSrn = convention,
                SchemaSrn = record.SchemaSrn,
                DepositionSrn = deposition,
                RunSrn = run,
                SourceId = record.SourceId ?? "",
                Hooks = { record.Hooks.Select(h => new V1.HookProvenance { Hook = h.Hook, Digest = h.Digest ?? "", Rows = h.Rows }) },
            },
            PublishedAt = Timestamp.FromDateTime(record.PublishedAt),
            CurrentSrn = record.CurrentSrn ?? "",
            Embargo = DepositionsService.Message(record.EmbargoUntil),
            WithdrawnAt = record.Withdrawn is { } withdrawn ? Timestamp.FromDateTime(withdrawn.At) : null,
            WithdrawnBecause = record.Withdrawn?.Because ?? "",
        };
    }
}
