using Npgsql;
using Osa.Domain.Access;
using Osa.Domain.Depositions;
using Osa.Domain.Errors;
using Osa.Domain.Events;
using Osa.Domain.Names;
using Osa.Storage.Conventions;
using Osa.Storage.Events;

namespace Osa.Storage.Depositions;

/// <summary>New versions of records. One draft at a time is open for a record; it becomes the next version when it has passed.</summary>
public sealed class RevisionStore(Database database, NodeIdentity node, ConventionStore conventions)
{
    /// <summary>
    /// Opens the draft of a record's next version, under the newest version of its convention, with the metadata and files of the version
    /// that is named; answers with that draft while one is open.
    /// </summary>
    /// <exception cref="OsaException">NotFound, PermissionDenied; FailedPrecondition: withdrawn, in validation, or its convention is retired.</exception>
    public async Task<Deposition> OpenAsync(Caller caller, string recordSrn, CancellationToken cancellation)
    {
        string name = Srn.Parse(recordSrn, SrnType.Record, "record_srn").ToString();
        Revised record = await database.Run(
            c => c.Command(
                "select r.id, r.convention_id, r.owner_id, exists (select from osa.records w where w.id = r.id and w.withdrawn_at is not null and (w.srn = r.srn or w.is_current)), r.embargo_until > now() from osa.records r where r.srn = $1", name)
                .FirstOrDefault(r => new Revised(r.GetGuid(0), r.GetString(1), r.GetGuid(2), r.GetBoolean(3), r.ValueOrNull<bool>(4) ?? false), cancellation),
            cancellation) is { } found && (!found.IsEmbargoed || caller.MayRead(found.OwnerId))
            ? found
            : throw OsaException.NotFound($"Record '{name}'");
        if (!caller.MayChange(record.OwnerId))
        {
            throw new OsaException(ErrorCode.PermissionDenied, "Only its owner opens a new version of a record");
        }

        if (record.IsWithdrawn)
        {
            throw OsaException.Precondition($"'{name}' was withdrawn; a withdrawn record gets no new version");
        }

        Convention convention = await conventions.GetAsync(record.ConventionId, "convention", cancellation);
        await conventions.CheckOpenAsync(convention, cancellation);
        Guid id = Guid.CreateVersion7();
        return await database.Transaction(
            async c =>
            {
                await using var batch = new NpgsqlBatch(c);
                batch
                    .And(
                        """
                        insert into osa.depositions (id, owner_id, convention_id, convention_version, metadata, revises)
                        select $1, r.owner_id, $2, $3, r.metadata, r.id from osa.records r where r.srn = $4
                        on conflict (revises) where status in ('draft', 'in_validation', 'in_review') do nothing
                        """,
                        id, convention.Id, convention.Version, name)
                    .And(
                        """
                        insert into osa.deposition_files (deposition_id, name, blob_id, size, sha256, content_type)
                        select $1, f.name, f.blob_id, f.size, f.sha256, f.content_type from osa.record_files f
                        where f.record_srn = $2 and exists (select from osa.depositions where id = $1)
                        """,
                        id, name);
                await batch.ExecuteNonQueryAsync(cancellation);
                Deposition open = await c.Command(
                    $"select {DepositionRows.Columns} from osa.depositions d where revises = $1 and status in ('draft', 'in_validation', 'in_review')", record.Series)
                    .FirstOrDefault(DepositionRows.Read, cancellation)
                    ?? throw new OsaException(ErrorCode.Aborted, "Another version of it was opened and ended at the same moment; try again");
                if (open.Id == id)
                {
                    await using var announced = new NpgsqlBatch(c);
                    await EventLog.Append(announced, caller.UserId, DomainEvents.DepositionCreated(node.DepositionSrn(id), convention.Name, caller.UserId)).ExecuteNonQueryAsync(cancellation);
                }

                return open.Status == DepositionStatus.Draft
                    ? open
                    : throw OsaException.Precondition($"The next version of it is {WireName.Of(open.Status)} already: '{node.DepositionSrn(open.Id)}'");
            },
            cancellation);
    }

    private sealed record Revised(Guid Series, string ConventionId, Guid OwnerId, bool IsWithdrawn, bool IsEmbargoed);
}
