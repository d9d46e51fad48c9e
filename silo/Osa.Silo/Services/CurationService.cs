using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Osa.Domain.Names;
using Osa.Grains;
using Osa.Silo.Access;
using Osa.Storage;
using Osa.Storage.Records;
using Osa.Storage.Reviews;
using Osa.V1;
using WaitingDeposition = Osa.Storage.Reviews.WaitingDeposition;

namespace Osa.Silo.Services;

/// <summary>Curation over gRPC.</summary>
public sealed class CurationService(ReviewStore reviews, RecordCommands records, NodeIdentity node, IGrainFactory grains) : Curation.CurationBase
{
    public override async Task<CurationQueue> Queue(CurationQueueRequest request, ServerCallContext context)
    {
        (string? convention, string? version) = DepositionsService.ConventionFilter(request.Convention);
        int size = Cursor.PageSize(request.PageSize, 50, 500);
        List<WaitingDeposition> page = await reviews.QueueAsync(convention, version, Cursor.DecodeGuid(request.Cursor), size + 1, context.CancellationToken);
        return new CurationQueue
        {
            Waiting = { page.Take(size).Select(Message) },
            NextCursor = page.Count > size ? Cursor.Encode(page[size - 1].Deposition.Id.ToString()) : "",
        };
    }

    public override async Task<ReviewDecision> Approve(ApproveRequest request, ServerCallContext context) =>
        await CarryOutAsync(await reviews.ApproveAsync(
            CallerInterceptor.CallerOf(context), [.. request.DepositionSrns.Select((srn, i) => node.LocalId(srn, SrnType.Deposition, $"deposition_srns[{i}]"))], context.CancellationToken));

    public override async Task<ReviewDecision> Return(ReturnRequest request, ServerCallContext context) =>
        await CarryOutAsync(await reviews.ReturnAsync(
            CallerInterceptor.CallerOf(context), node.LocalId(request.DepositionSrn, SrnType.Deposition, "deposition_srn"), request.Reason, context.CancellationToken));

    public override async Task<WithdrawRecordResponse> WithdrawRecord(WithdrawRecordRequest request, ServerCallContext context)
    {
        (DateTime at, long rows) = await records.WithdrawAsync(CallerInterceptor.CallerOf(context), request.RecordSrn, request.Reason, context.CancellationToken);
        return new WithdrawRecordResponse { WithdrawnAt = Timestamp.FromDateTime(at), Rows = rows };
    }

    public override async Task<ReleaseRecordResponse> ReleaseRecord(ReleaseRecordRequest request, ServerCallContext context)
    {
        await records.ReleaseAsync(CallerInterceptor.CallerOf(context), request.RecordSrn, context.CancellationToken);
        return new ReleaseRecordResponse();
    }

    // The word is in the rows; its run carries it out, now or when the sweep finds it.
    private async Task<ReviewDecision> CarryOutAsync(IReadOnlyList<Guid> runs)
    {
        foreach (Guid run in runs)
        {
            await grains.ValidationRun(run).Wake();
        }

        return new ReviewDecision { RunSrns = { runs.Select(r => node.RunSrn(r).ToString()) } };
    }

    private V1.WaitingDeposition Message(WaitingDeposition waiting) => new()
    {
        DepositionSrn = node.DepositionSrn(waiting.Deposition.Id).ToString(),
        RunSrn = node.RunSrn(waiting.RunId).ToString(),
        ConventionSrn = node.ConventionSrn(waiting.Deposition.ConventionId, waiting.Deposition.ConventionVersion).ToString(),
        OwnerId = waiting.Deposition.OwnerId.ToString(),
        Since = Timestamp.FromDateTime(waiting.Since),
        MetadataJson = waiting.Deposition.MetadataJson,
        RevisesSrn = waiting.Deposition.Revises is { } series ? node.SeriesSrn(series) : "",
    };
}
