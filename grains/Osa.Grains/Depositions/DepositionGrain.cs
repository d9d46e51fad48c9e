using Osa.Domain.Access;
using Osa.Domain.Depositions;
using Osa.Storage.Depositions;
using Osa.Storage.Validation;

namespace Osa.Grains.Depositions;

/// <inheritdoc cref="IDepositionGrain"/>
/// <remarks>It remembers nothing between calls: what one that is idle costs is counting it, which the dashboard does every second.</remarks>
[CollectionAgeLimit(Minutes = 0.2)]
public sealed class DepositionGrain(DepositionStore store, SubmissionStore submissions, RunCommands runs, IGrainFactory grains) : Grain, IDepositionGrain
{
    private Guid Id => Guid.Parse(GrainKeys.Subject(this.GetPrimaryKeyString()));

    public Task<Deposition> SetMetadata(Caller caller, string metadataJson, CancellationToken cancellation) =>
        store.SetMetadataAsync(caller, Id, metadataJson, cancellation);

    public Task<StoredFile> AddFile(Caller caller, string name, Guid blobId, long size, string sha256, string contentType, CancellationToken cancellation) =>
        store.AddFileAsync(caller, Id, name, blobId, size, sha256, contentType, cancellation);

    public Task<Deposition> DeleteFile(Caller caller, string name, CancellationToken cancellation) =>
        store.DeleteFileAsync(caller, Id, name, cancellation);

    public async Task<Guid> Submit(Caller caller, string idempotencyKey, CancellationToken cancellation)
    {
        (Guid run, bool created) = await submissions.SubmitAsync(caller, Id, idempotencyKey, cancellation);
        if (created)
        {
            // A hint: the run is in its row, and the sweep finds it whether or not this arrives.
            await grains.ValidationRun(run).Wake();
        }

        return run;
    }

    public Task<Deposition> SetEmbargo(Caller caller, DateTime? until, CancellationToken cancellation) => store.SetEmbargoAsync(caller, Id, until, cancellation);

    public async Task<Deposition> TakeOut(Caller caller, string reason, bool withdrawn, CancellationToken cancellation)
    {
        if (await runs.TakeOutAsync(caller, Id, reason, withdrawn, cancellation) is { } ending)
        {
            await grains.ValidationRun(ending).Wake();
        }

        return await store.GetAsync(caller, Id, cancellation);
    }
}
