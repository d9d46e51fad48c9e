using Npgsql;
using Osa.Domain.Access;
using Osa.Domain.Errors;
using Osa.Domain.Events;
using Osa.Domain.Faults;
using Osa.Domain.Features;
using Osa.Domain.Names;
using Osa.Storage.Events;
using Osa.Storage.Features;
using Osa.Storage.Validation;

namespace Osa.Storage.Records;

/// <summary>What happens to a record after its publication: its embargo ends, or it is withdrawn. Nothing else ever changes.</summary>
public sealed class RecordCommands(Database database)
{
    /// <summary>Leaves a tombstone under the record's name; its rows leave the feature tables in the same transaction.</summary>
    /// <returns>When it was withdrawn, and how many feature rows were removed.</returns>
    /// <exception cref="OsaException">NotFound; InvalidArgument: the reason; FailedPrecondition: it was withdrawn before.</exception>
    public Task<(DateTime At, long Rows)> WithdrawAsync(Caller curator, string recordSrn, string reason, CancellationToken cancellation)
    {
        RunCommands.CheckReason(reason, required: true);
        string name = Srn.Parse(recordSrn, SrnType.Record, "record_srn").ToString();
        return database.BulkTransaction(
            async c =>
            {
                var record = await c.Command(
                    """
                    select owner_id, coalesce(embargo_until > now(), false), withdrawn_at, withdrawn_because, array(select h ->> 'hook' from jsonb_array_elements(hooks) h)
                    from osa.records where srn = $1 for update
                    """,
                    name)
                    .FirstOrDefault(
                        r => new { Owner = r.GetGuid(0), IsEmbargoed = r.GetBoolean(1), Withdrawn = r.ValueOrNull<DateTime>(2), Because = r.TextOrNull(3), Hooks = r.GetFieldValue<string[]>(4) },
                        cancellation) ?? throw OsaException.NotFound($"Record '{name}'");
                if (record.Withdrawn is { } before)
                {
                    throw OsaException.Precondition($"'{name}' was withdrawn on {before:yyyy-MM-dd}: {record.Because}");
                }

                await using NpgsqlCommand withdraw = c.Command(
                    "update osa.records set withdrawn_at = now(), withdrawn_because = $2, withdrawn_by = $3 where srn = $1 returning withdrawn_at", name, reason, curator.UserId);
                DateTime at = (DateTime)(await withdraw.ExecuteScalarAsync(cancellation))!;
                long rows = 0;
                // In name order, as every transaction that takes feature tables does.
                foreach (FeatureTable table in await FeatureTables.ReadAsync(c, record.Hooks, cancellation))
                {
                    rows += await c.Command($"delete from {SqlIdentifier.FeatureTable(table.PgTable)} where record_srn = $1", name).Execute(cancellation);
                }

                await using var batch = new NpgsqlBatch(c);
                await EventLog.Append(batch, record.Owner, DomainEvents.RecordWithdrawn(Srn.Parse(name, SrnType.Record), reason, record.IsEmbargoed)).ExecuteNonQueryAsync(cancellation);
                FaultPoint.Reached("withdraw.before_commit");
                return (at, rows);
            },
            cancellation);
    }

    /// <summary>Ends the embargo of a record.</summary>
    /// <exception cref="OsaException">NotFound, PermissionDenied; FailedPrecondition: it is not held.</exception>
    public Task ReleaseAsync(Caller caller, string recordSrn, CancellationToken cancellation)
    {
        string name = Srn.Parse(recordSrn, SrnType.Record, "record_srn").ToString();
        return database.Transaction(
            async c =>
            {
                var record = await c.Command(
                    "select owner_id, coalesce(embargo_until > now(), false), withdrawn_at is not null, metadata::text from osa.records where srn = $1 for update", name)
                    .FirstOrDefault(r => new { Owner = r.GetGuid(0), IsEmbargoed = r.GetBoolean(1), IsWithdrawn = r.GetBoolean(2), Metadata = r.GetString(3) }, cancellation);
                if (record is null || (record.IsEmbargoed && !caller.MayRead(record.Owner)))
                {
                    throw OsaException.NotFound($"Record '{name}'");
                }

                if (!caller.MayRead(record.Owner))
                {
                    throw new OsaException(ErrorCode.PermissionDenied, "Only its owner or a curator releases a record");
                }

                if (!record.IsEmbargoed || record.IsWithdrawn)
                {
                    throw OsaException.Precondition($"'{name}' is {(record.IsWithdrawn ? "withdrawn" : "not held")}: there is nothing to release");
                }

                await using var batch = new NpgsqlBatch(c);
                batch.And("update osa.records set embargo_until = null where srn = $1", name);
                await EventLog.Append(batch, record.Owner, DomainEvents.RecordReleased(Srn.Parse(name, SrnType.Record), record.Metadata)).ExecuteNonQueryAsync(cancellation);
                return true;
            },
            cancellation);
    }

    /// <summary>Announces the records whose embargo has ended by its date. Readers see them from that moment on, announced or not.</summary>
    /// <returns>How many.</returns>
    public Task<int> ReleaseDueAsync(int limit, CancellationToken cancellation) =>
        database.Transaction(
            async c =>
            {
                List<(string Srn, Guid Owner, string Metadata, bool IsWithdrawn)> due = await c.Command(
                    """
                    update osa.records r set embargo_until = null
                    from (select srn from osa.records where embargo_until <= now() limit $1 for update skip locked) due
                    where r.srn = due.srn returning r.srn, r.owner_id, r.metadata::text, r.withdrawn_at is not null
                    """,
                    limit).ToList(r => (r.GetString(0), r.GetGuid(1), r.GetString(2), r.GetBoolean(3)), cancellation);
                if (due.FindAll(r => !r.IsWithdrawn) is { Count: > 0 } released)
                {
                    await using var batch = new NpgsqlBatch(c);
                    await EventLog.Append(batch, [.. released.Select(r => ((Guid?)r.Owner, DomainEvents.RecordReleased(Srn.Parse(r.Srn, SrnType.Record), r.Metadata)))])
                        .ExecuteNonQueryAsync(cancellation);
                }

                return due.Count;
            },
            cancellation);
}
