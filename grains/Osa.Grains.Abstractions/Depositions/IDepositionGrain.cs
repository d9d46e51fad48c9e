using Osa.Domain.Access;
using Osa.Domain.Depositions;

namespace Osa.Grains.Depositions;

/// <summary>Orders the changes of one deposition. Keeps no copy: each command reads and writes its row.</summary>
[Alias("osa.deposition")]
public interface IDepositionGrain : IGrainWithStringKey
{
    [Alias("set-metadata")]
    Task<Deposition> SetMetadata(Caller caller, string metadataJson, CancellationToken cancellation);

    /// <summary>Makes a blob that is in the store the file of that name.</summary>
    [Alias("add-file")]
    Task<StoredFile> AddFile(Caller caller, string name, Guid blobId, long size, string sha256, string contentType, CancellationToken cancellation);

    [Alias("delete-file")]
    Task<Deposition> DeleteFile(Caller caller, string name, CancellationToken cancellation);

    /// <summary>Starts validation.</summary>
    /// <returns>The run.</returns>
    [Alias("submit")]
    Task<Guid> Submit(Caller caller, string idempotencyKey, CancellationToken cancellation);

    /// <summary>Says until when the record that it becomes is held; <see cref="DateTime.MaxValue"/>: until it is released.</summary>
    [Alias("set-embargo")]
    Task<Deposition> SetEmbargo(Caller caller, DateTime? until, CancellationToken cancellation);

    /// <summary>Takes it out of its run, back to draft or, where it is <paramref name="withdrawn"/>, for good.</summary>
    [Alias("take-out")]
    Task<Deposition> TakeOut(Caller caller, string reason, bool withdrawn, CancellationToken cancellation);
}
