namespace Osa.Domain.Depositions;

/// <summary>A submission of metadata and files to a convention.</summary>
/// <param name="Files">In the order of their names.</param>
/// <param name="RunId">The newest run, or null before the first submit.</param>
/// <param name="Reasons">Why the newest run sent it back to draft.</param>
/// <param name="Revises">The record series that it will add a version to; null for a new record.</param>
/// <param name="EmbargoUntil">The record is held until then; <see cref="DateTime.MaxValue"/>: until it is released.</param>
/// <param name="RetiredBecause">Of a draft: why its convention version was retired; null while it is not.</param>
[GenerateSerializer]
[Immutable]
[Alias("osa.deposition-row")]
public sealed record Deposition(
    [property: Id(0)] Guid Id,
    [property: Id(1)] Guid OwnerId,
    [property: Id(2)] string ConventionId,
    [property: Id(3)] string ConventionVersion,
    [property: Id(4)] DepositionStatus Status,
    [property: Id(5)] string MetadataJson,
    [property: Id(6)] IReadOnlyList<StoredFile> Files,
    [property: Id(7)] Guid? RunId,
    [property: Id(8)] IReadOnlyList<string> Reasons,
    [property: Id(9)] string? RecordSrn,
    [property: Id(10)] DateTime CreatedAt,
    [property: Id(11)] DateTime UpdatedAt,
    [property: Id(12)] Guid? Revises,
    [property: Id(13)] DateTime? EmbargoUntil,
    [property: Id(14)] string? RetiredBecause);

/// <summary>A file of a deposition or record: its name, and the blob that holds its bytes.</summary>
/// <param name="Size">Bytes.</param>
/// <param name="Sha256">64 hex digits.</param>
[GenerateSerializer]
[Immutable]
[Alias("osa.stored-file")]
public sealed record StoredFile(
    [property: Id(0)] string Name,
    [property: Id(1)] Guid BlobId,
    [property: Id(2)] long Size,
    [property: Id(3)] string Sha256,
    [property: Id(4)] string ContentType,
    [property: Id(5)] DateTime UploadedAt);
