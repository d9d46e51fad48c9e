using System.Buffers;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Osa.Domain.Access;
using Osa.Domain.Depositions;
using Osa.Domain.Errors;
using Osa.Domain.Names;
using Osa.Grains;
using Osa.Silo.Access;
using Osa.Storage;
using Osa.Storage.Depositions;
using Osa.Storage.Files;
using Osa.V1;
using Deposition = Osa.Domain.Depositions.Deposition;
using DepositionStatus = Osa.Domain.Depositions.DepositionStatus;
using FileRequirements = Osa.Domain.Conventions.FileRequirements;
using Role = Osa.Domain.Access.Role;

namespace Osa.Silo.Services;

/// <summary>Depositions over gRPC.</summary>
public sealed class DepositionsService(
    DepositionStore depositions, SubmissionStore submissions, RevisionStore revisions, BlobStore blobs, NodeIdentity node, IGrainFactory grains)
    : V1.Depositions.DepositionsBase
{
    // Nobody else knows it yet: it needs no grain.
    public override async Task<V1.Deposition> Create(CreateDepositionRequest request, ServerCallContext context) =>
        Message(await depositions.CreateAsync(
            CallerInterceptor.CallerOf(context), Guid.CreateVersion7(), request.Convention, request.MetadataJson, request.IdempotencyKey, context.CancellationToken));

    public override async Task<V1.Deposition> SetMetadata(SetMetadataRequest request, ServerCallContext context) =>
        Message(await grains.Deposition(Id(request.Srn, "srn")).SetMetadata(CallerInterceptor.CallerOf(context), request.MetadataJson, context.CancellationToken));

    public override async Task<V1.DepositionFile> Upload(IAsyncStreamReader<UploadRequest> requestStream, ServerCallContext context)
    {
        Caller caller = CallerInterceptor.CallerOf(context);
        CancellationToken cancellation = context.CancellationToken;
        UploadHeader header = await requestStream.MoveNext(cancellation) && requestStream.Current.PartCase == UploadRequest.PartOneofCase.Header
            ? requestStream.Current.Header
            : throw OsaException.Invalid("header", "required", "the first message of an upload is its header");
        if (header.Size < 0)
        {
            throw OsaException.Invalid("size", "range", $"{header.Size} is not a size");
        }

        Guid id = Id(header.DepositionSrn, "deposition_srn");
        CheckContentType(header.ContentType);
        // Owner, state and limits before the first byte is taken.
        FileRequirements requirements = await depositions.CheckUploadAsync(caller, id, header.Name, header.Size == 0 ? null : header.Size, cancellation);
        Blob blob = await blobs.WriteAsync(
            Chunks(requestStream, cancellation),
            new BlobLimits(requirements.MaxFileSize, header.Size == 0 ? null : header.Size, header.Sha256.Length == 0 ? null : header.Sha256),
            cancellation);
        StoredFile file;
        try
        {
            file = await grains.Deposition(id).AddFile(caller, header.Name, blob.Id, blob.Size, blob.Sha256, header.ContentType, CancellationToken.None);
        }
        catch (OsaException refused) when (refused.Code is not ErrorCode.Unavailable)
        {
            // Refused for certain; after an outage the row may be there, and the sweep of the store decides.
            blobs.Delete(blob.Id);
            throw;
        }

        return Message(file);
    }

    public override async Task Download(DownloadDepositionFileRequest request, IServerStreamWriter<FileChunk> responseStream, ServerCallContext context)
    {
        Deposition deposition = await depositions.GetAsync(CallerInterceptor.CallerOf(context), Id(request.DepositionSrn, "deposition_srn"), context.CancellationToken);
        StoredFile file = deposition.Files.FirstOrDefault(f => f.Name == request.Name) ?? throw OsaException.NotFound($"File '{request.Name}' of '{request.DepositionSrn}'");
        await SendAsync(blobs, file.BlobId, responseStream, context.CancellationToken);
    }

    public override async Task<V1.Deposition> DeleteFile(DeleteFileRequest request, ServerCallContext context) =>
        Message(await grains.Deposition(Id(request.DepositionSrn, "deposition_srn")).DeleteFile(CallerInterceptor.CallerOf(context), request.Name, context.CancellationToken));

    public override async Task<ValidateDepositionResponse> Validate(ValidateDepositionRequest request, ServerCallContext context) => new()
    {
        Violations =
        {
            (await depositions.ValidateAsync(CallerInterceptor.CallerOf(context), Id(request.Srn, "srn"), context.CancellationToken))
                .Select(v => new RuleViolation { Field = v.Field, Rule = v.Rule, Message = v.Message }),
        },
    };

    public override async Task<Submission> Submit(SubmitDepositionRequest request, ServerCallContext context)
    {
        Guid id = Id(request.Srn, "srn");
        Guid run = await grains.Deposition(id).Submit(CallerInterceptor.CallerOf(context), request.IdempotencyKey, context.CancellationToken);
        return new Submission { DepositionSrn = node.DepositionSrn(id).ToString(), RunSrn = node.RunSrn(run).ToString() };
    }

    public override async Task<Submissions> SubmitMany(SubmitDepositionsRequest request, ServerCallContext context)
    {
        Guid[] ids = [.. request.Srns.Select((srn, i) => Id(srn, $"srns[{i}]"))];
        (Guid run, bool created) = await submissions.SubmitManyAsync(CallerInterceptor.CallerOf(context), ids, request.IdempotencyKey, forOwners: false, context.CancellationToken);
        if (created)
        {
            await grains.ValidationRun(run).Wake();
        }

        return new Submissions { RunSrn = node.RunSrn(run).ToString() };
    }

    public override async Task<V1.Deposition> Cancel(CancelDepositionRequest request, ServerCallContext context) =>
        Message(await grains.Deposition(Id(request.Srn, "srn")).TakeOut(CallerInterceptor.CallerOf(context), request.Reason, withdrawn: false, context.CancellationToken));

    public override async Task<V1.Deposition> Withdraw(WithdrawDepositionRequest request, ServerCallContext context) =>
        Message(await grains.Deposition(Id(request.Srn, "srn")).TakeOut(CallerInterceptor.CallerOf(context), request.Reason, withdrawn: true, context.CancellationToken));

    public override async Task<V1.Deposition> NewVersion(NewVersionRequest request, ServerCallContext context) =>
        Message(await revisions.OpenAsync(CallerInterceptor.CallerOf(context), request.RecordSrn, context.CancellationToken));

    public override async Task<V1.Deposition> SetEmbargo(SetEmbargoRequest request, ServerCallContext context) =>
        Message(await grains.Deposition(Id(request.Srn, "srn")).SetEmbargo(
            CallerInterceptor.CallerOf(context),
            request.Embargo?.EndCase switch
            {
                null or Embargo.EndOneofCase.None => null,
                Embargo.EndOneofCase.Until => Instant(request.Embargo.Until, "embargo.until"),
                _ => request.Embargo.UntilReleased ? DateTime.MaxValue : null,
            },
            context.CancellationToken));

    public override async Task<V1.Deposition> Get(GetDepositionRequest request, ServerCallContext context) =>
        Message(await depositions.GetAsync(CallerInterceptor.CallerOf(context), Id(request.Srn, "srn"), context.CancellationToken));

    public override async Task<ListDepositionsResponse> List(ListDepositionsRequest request, ServerCallContext context)
    {
        Caller caller = CallerInterceptor.CallerOf(context);
        if (request.Everybody && !caller.Has(Role.Curator))
        {
            throw new OsaException(ErrorCode.PermissionDenied, "Only curators list everybody's depositions; leave `everybody` out for your own");
        }

        (string? convention, string? version) = ConventionFilter(request.Convention);
        int size = Cursor.PageSize(request.PageSize, 50, 500);
        DepositionStatus? status = request.Status == V1.DepositionStatus.Unspecified
            ? null
            : System.Enum.IsDefined(request.Status) ? (DepositionStatus)((int)request.Status - 1) : throw OsaException.Invalid("status", "choice", $"{(int)request.Status} is no status of a deposition");
        List<Deposition> page = await depositions.ListAsync(
            request.Everybody ? null : caller.UserId, status, convention, version, Cursor.DecodeGuid(request.Cursor), size + 1, context.CancellationToken);
        return new ListDepositionsResponse
        {
            Depositions = { page.Take(size).Select(Message) },
            NextCursor = page.Count > size ? Cursor.Encode(page[size - 1].Id.ToString()) : "",
        };
    }

    /// <summary>An id, an SRN, or nothing.</summary>
    /// <exception cref="OsaException">InvalidArgument.</exception>
    internal static (string? Id, string? Version) ConventionFilter(string text)
    {
        if (text.Contains(':', StringComparison.Ordinal))
        {
            Srn srn = Srn.Parse(text, SrnType.Convention, "convention");
            return (srn.Id, srn.Version);
        }

        return text.Length == 0 ? (null, null) : (text, null);
    }

    internal static async Task SendAsync(BlobStore blobs, Guid blobId, IServerStreamWriter<FileChunk> stream, CancellationToken cancellation)
    {
        const int ChunkBytes = 256 << 10;
        await using Stream content = blobs.OpenRead(blobId);
        byte[] buffer = ArrayPool<byte>.Shared.Rent(ChunkBytes);
        try
        {
            int read;
            while ((read = await content.ReadAsync(buffer.AsMemory(0, ChunkBytes), cancellation)) > 0)
            {
                await stream.WriteAsync(new FileChunk { Data = ByteString.CopyFrom(buffer, 0, read) }, cancellation);
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }

    private static async IAsyncEnumerable<ReadOnlyMemory<byte>> Chunks(
        IAsyncStreamReader<UploadRequest> requests, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellation)
    {
        while (await requests.MoveNext(cancellation))
        {
            yield return requests.Current.PartCase == UploadRequest.PartOneofCase.Data
                ? requests.Current.Data.Memory
                : throw OsaException.Invalid("data", "required", "after the header an upload consists of data only");
        }
    }

    /// <exception cref="OsaException">InvalidArgument: the field holds no instant.</exception>
    internal static DateTime Instant(Timestamp time, string field)
    {
        try
        {
            return time.ToDateTime();
        }
        catch (InvalidOperationException)
        {
            throw OsaException.Invalid(field, "range", "not an instant between the years 1 and 9999");
        }
    }

    private static void CheckContentType(string contentType)
    {
        if (contentType.Length > 255 || contentType.Any(c => c is < ' ' or > '~'))
        {
            throw OsaException.Invalid("content_type", "content_type", "at most 255 printable ASCII characters, such as text/plain");
        }
    }

    private Guid Id(string srn, string field) => node.LocalId(srn, SrnType.Deposition, field);

    private V1.Deposition Message(Deposition d) => new()
    {
        Srn = node.DepositionSrn(d.Id).ToString(),
        ConventionSrn = node.ConventionSrn(d.ConventionId, d.ConventionVersion).ToString(),
        Status = (V1.DepositionStatus)((int)d.Status + 1),
        MetadataJson = d.MetadataJson,
        Files = { d.Files.Select(Message) },
        RunSrn = d.RunId is { } run ? node.RunSrn(run).ToString() : "",
        Reasons = { d.Reasons },
        RecordSrn = d.RecordSrn ?? "",
        CreatedAt = Timestamp.FromDateTime(d.CreatedAt),
        UpdatedAt = Timestamp.FromDateTime(d.UpdatedAt),
        OwnerId = d.OwnerId.ToString(),
        RevisesSrn = d.Revises is { } series ? node.SeriesSrn(series) : "",
        Embargo = Message(d.EmbargoUntil),
        Notice = d.RetiredBecause is { } retired ? $"{node.ConventionSrn(d.ConventionId, d.ConventionVersion)} was retired and takes no new depositions; this draft may still be submitted. {retired}" : "",
    };

    internal static Embargo? Message(DateTime? embargo) => embargo is not { } until ? null
        : until == DateTime.MaxValue ? new Embargo { UntilReleased = true }
        : new Embargo { Until = Timestamp.FromDateTime(until) };

    private static DepositionFile Message(StoredFile f) => new()
    {
        Name = f.Name,
        Size = f.Size,
        Checksum = "sha256:" + f.Sha256,
        ContentType = f.ContentType,
        UploadedAt = Timestamp.FromDateTime(f.UploadedAt),
    };
}
