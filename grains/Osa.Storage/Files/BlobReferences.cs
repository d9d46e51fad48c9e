namespace Osa.Storage.Files;

/// <summary>Which blobs rows refer to, for the sweep of the file store.</summary>
public sealed class BlobReferences(Database database)
{
    /// <summary>
    /// Of <paramref name="candidates"/>, those that no row refers to and that have not lost a reference within the last day. Each is
    /// noted on first sight, so that "a day" is the database's, whatever a file system's clock says.
    /// </summary>
    public Task<List<Guid>> DeletableAsync(IReadOnlyCollection<Guid> candidates, CancellationToken cancellation) =>
        database.Transaction(
            async c =>
            {
                Guid[] ids = [.. candidates];
                await c.Command(
                    """
                    insert into osa.released_blobs (blob_id)
                    select id from unnest($1::uuid[]) as u(id)
                    where not exists (select from osa.deposition_files f where f.blob_id = id)
                      and not exists (select from osa.source_quarantine_files f where f.blob_id = id)
                      and not exists (select from osa.record_files f where f.blob_id = id)
                      and not exists (select from osa.run_outputs o join osa.validation_runs r on r.id = o.run_id where o.blob_id = id and r.status in ('pending', 'running'))
                    on conflict do nothing
                    """,
                    (object)ids).Execute(cancellation);
                return await c.Command(
                    """
                    select b.blob_id from osa.released_blobs b
                    where b.blob_id = any ($1) and b.released_at < now() - interval '1 day'
                      and not exists (select from osa.deposition_files f where f.blob_id = b.blob_id)
                      and not exists (select from osa.source_quarantine_files f where f.blob_id = b.blob_id)
                      and not exists (select from osa.record_files f where f.blob_id = b.blob_id)
                      and not exists (select from osa.run_outputs o join osa.validation_runs r on r.id = o.run_id where o.blob_id = b.blob_id and r.status in ('pending', 'running'))
                    """,
                    (object)ids).ToList(r => r.GetGuid(0), cancellation);
            },
            cancellation);

    /// <summary>Forgets blobs that are deleted, and idempotency keys that nobody repeats any more.</summary>
    public Task<int> ForgetAsync(IReadOnlyCollection<Guid> deleted, CancellationToken cancellation) =>
        database.Run(
            c => c.Command(
                """
                with forgotten as (delete from osa.released_blobs where blob_id = any ($1))
                delete from osa.idempotency where created_at < now() - interval '7 days'
                """,
                (object)deleted.ToArray()).Execute(cancellation),
            cancellation);
}
