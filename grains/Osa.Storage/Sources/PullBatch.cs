using Npgsql;
using Osa.Domain.Depositions;
using Osa.Domain.Events;
using Osa.Domain.Faults;
using Osa.Storage.Conventions;
using Osa.Storage.Events;
using Osa.Storage.Validation;

namespace Osa.Storage.Sources;

/// <summary>What is known of an upstream id.</summary>
/// <param name="MetBy">The pull, chunk and attempt that met it last.</param>
/// <param name="TakenBy">The pull that brought its content.</param>
/// <param name="IsWithdrawn">Its record was withdrawn, and nobody let it in again.</param>
public sealed record SourceItem(long Sequence, string ContentHash, (Guid Pull, int Chunk, int Attempt) MetBy, Guid TakenBy, bool IsWithdrawn);

/// <summary>A record that becomes a deposition.</summary>
/// <param name="Sequence">Its place among what was ingested under its id.</param>
public sealed record TakenRecord(string SourceId, string MetadataJson, string ContentHash, long Sequence, IReadOnlyList<StoredFile> Files);

/// <summary>A record that cannot be taken.</summary>
/// <param name="Content">The line; only its beginning where <paramref name="IsCut"/>. Null where it is only counted.</param>
public sealed record QuarantinedRecord(long Line, string? SourceId, string Reason, byte[]? Content, bool IsCut, IReadOnlyList<StoredFile> Files);

/// <summary>A part of a chunk: what one transaction takes.</summary>
/// <param name="ToLine">Lines of the chunk that are taken with it.</param>
/// <param name="Met">Ids that are known and met by this chunk for the first time.</param>
/// <param name="Fresh">How many ids the pull had not met in an earlier chunk.</param>
public sealed record PullPart(
    PullAttempt Attempt, long ToLine, IReadOnlyList<TakenRecord> Taken, IReadOnlyList<QuarantinedRecord> Quarantined, IReadOnlyList<string> Met, long Unchanged, long Blocked, long Fresh);

/// <summary>
/// Takes records of a source: their depositions with their files, the run that judges them, the events and the pull's cursor are one
/// transaction under the pull's epoch. So nothing is taken twice or forgotten, wherever it is interrupted.
/// </summary>
public sealed class PullBatch(Database database, NodeIdentity node)
{
    /// <summary>What is known of upstream ids.</summary>
    public Task<Dictionary<string, SourceItem>> KnownAsync(string conventionId, IReadOnlyCollection<string> sourceIds, CancellationToken cancellation) =>
        database.Run(
            async c => (await c.Command(
                """
                select i.source_id, i.sequence, i.content_hash, i.pull_id, i.chunk, i.attempt, i.taken_by,
                  exists (select from osa.records r where r.id = i.series and r.is_current and r.withdrawn_at is not null)
                from osa.source_items i where i.convention_id = $1 and i.source_id = any ($2)
                """,
                conventionId, sourceIds.ToArray()).ToList(
                r => (Id: r.GetString(0), Item: new SourceItem(r.GetInt64(1), r.GetString(2), (r.GetGuid(3), r.GetInt32(4), r.GetInt32(5)), r.GetGuid(6), r.GetBoolean(7))), cancellation))
                .ToDictionary(x => x.Id, x => x.Item, StringComparer.Ordinal),
            cancellation);

    /// <returns>The run over what was taken, or null where nothing was.</returns>
    /// <exception cref="FenceLostException">The pull is another activation's: nothing was taken.</exception>
    public async Task<Guid?> TakeAsync(Fence fence, Convention convention, PullPart part, CancellationToken cancellation)
    {
        FaultPoint.Reached("pull.before_batch");
        Guid? run = await database.BulkTransaction<Guid?>(
            async c =>
            {
                int held = await c.Command(
                    """
                    with fence as (select id from osa.pulls where id = $1 and epoch = $2 and status = 'running' for update),
                    moved as (update osa.pulls p set next_step_at = now() + $3, waiting_for = null from fence where p.id = fence.id)
                    update osa.pull_attempts a
                    set line = $6, taken = taken + $7, unchanged = unchanged + $8, quarantined = quarantined + $9, blocked = blocked + $10, fresh = fresh + $11
                    from fence where a.pull_id = fence.id and a.chunk = $4 and a.attempt = $5 and a.state = 'taking'
                    """,
                    fence.Subject, fence.Epoch, Fence.Lease, part.Attempt.Chunk, part.Attempt.Attempt, part.ToLine, (long)part.Taken.Count, part.Unchanged, (long)part.Quarantined.Count, part.Blocked, part.Fresh)
                    .Execute(cancellation);
                if (held == 0)
                {
                    throw new FenceLostException(fence.Subject);
                }

                await using var batch = new NpgsqlBatch(c);
                // In the order of their ids, as every transaction that takes items does.
                batch.And(
                    """
                    select from osa.source_items where convention_id = $1 and source_id = any ($2) order by source_id collate "C" for update
                    """,
                    convention.Id, part.Met.Concat(part.Taken.Select(t => t.SourceId)).ToArray());
                if (part.Met.Count > 0)
                {
                    batch.And(
                        "update osa.source_items set pull_id = $2, chunk = $3, attempt = $4 where convention_id = $1 and source_id = any ($5)",
                        convention.Id, fence.Subject, part.Attempt.Chunk, part.Attempt.Attempt, part.Met.ToArray());
                }

                Guid? born = part.Taken.Count == 0 ? null : AppendTaken(batch, convention, fence.Subject, part.Attempt.Chunk, part.Attempt.Attempt, part.Taken);
                AppendQuarantined(batch, convention.Id, fence.Subject, part);
                await batch.ExecuteNonQueryAsync(cancellation);
                FaultPoint.Reached("pull.before_commit");
                return born;
            },
            cancellation);
        FaultPoint.Reached("pull.committed");
        NodeTelemetry.Submissions.Add(part.Taken.Count);
        foreach ((string outcome, long count) in ((string, long)[])[("taken", part.Taken.Count), ("unchanged", part.Unchanged), ("quarantined", part.Quarantined.Count), ("blocked", part.Blocked)])
        {
            NodeTelemetry.Pulled.Add(count, new KeyValuePair<string, object?>("outcome", outcome));
        }

        return run;
    }

    /// <summary>Appends depositions of the system that are in validation, and the run that judges them.</summary>
    internal Guid AppendTaken(NpgsqlBatch batch, Convention convention, Guid pull, int chunk, int attempt, IReadOnlyList<TakenRecord> taken)
    {
        var run = Guid.CreateVersion7();
        List<(Guid Deposition, TakenRecord Record)> all = [.. taken.Select(t => (Guid.CreateVersion7(), t))];
        List<(Guid Deposition, StoredFile File)> files = [.. all.SelectMany(a => a.Record.Files.Select(f => (a.Deposition, f)))];
        Guid[] ids = [.. all.Select(a => a.Deposition)];
        RunBirth.AppendRun(batch, run, convention, share: false, pull);
        batch.And(
            """
            insert into osa.depositions (id, owner_id, convention_id, convention_version, status, metadata, run_id, source_id, source_sequence)
            select d.id, $1, $2, $3, 'in_validation', d.metadata::jsonb, $4, d.source_id, d.sequence
            from unnest($5::uuid[], $6::text[], $7::text[], $8::bigint[]) as d(id, metadata, source_id, sequence)
            """,
            Guid.Empty, convention.Id, convention.Version, run, ids, all.Select(a => a.Record.MetadataJson).ToArray(), all.Select(a => a.Record.SourceId).ToArray(), all.Select(a => a.Record.Sequence).ToArray());
        if (files.Count > 0)
        {
            batch.And(
                """
                insert into osa.deposition_files (deposition_id, name, blob_id, size, sha256)
                select * from unnest($1::uuid[], $2::text[], $3::uuid[], $4::bigint[], $5::text[])
                """,
                files.Select(f => f.Deposition).ToArray(), files.Select(f => f.File.Name).ToArray(), files.Select(f => f.File.BlobId).ToArray(), files.Select(f => f.File.Size).ToArray(), files.Select(f => f.File.Sha256).ToArray());
        }

        batch.And(
            """
            insert into osa.source_items (convention_id, source_id, sequence, content_hash, deposition_id, pull_id, chunk, attempt, taken_by)
            select $1, i.source_id, i.sequence, i.content_hash, i.deposition_id, $2, $3, $4, $2 from unnest($5::text[], $6::bigint[], $7::text[], $8::uuid[]) as i(source_id, sequence, content_hash, deposition_id)
            on conflict (convention_id, source_id) do update
            set sequence = excluded.sequence, content_hash = excluded.content_hash, deposition_id = excluded.deposition_id, pull_id = excluded.pull_id, chunk = excluded.chunk, attempt = excluded.attempt,
              taken_by = excluded.taken_by
            """,
            convention.Id, pull, chunk, attempt, all.Select(a => a.Record.SourceId).ToArray(), all.Select(a => a.Record.Sequence).ToArray(), all.Select(a => a.Record.ContentHash).ToArray(), ids);
        RunBirth.AppendMembers(batch, run, ids);
        EventLog.Append(
            batch,
            [
                .. all.SelectMany(a => (IEnumerable<(Guid?, DomainEvent)>)
                [
                    (Guid.Empty, DomainEvents.DepositionCreated(node.DepositionSrn(a.Deposition), convention.Name, Guid.Empty)),
                    (Guid.Empty, DomainEvents.DepositionSubmitted(node.DepositionSrn(a.Deposition), node.RunSrn(run))),
                ]),
            ]);
        return run;
    }

    private static void AppendQuarantined(NpgsqlBatch batch, string conventionId, Guid pull, PullPart part)
    {
        List<QuarantinedRecord> kept = [.. part.Quarantined.Where(q => q.Content is not null)];
        if (kept.Count == 0)
        {
            return;
        }

        batch.And(
            """
            with kept as (
              insert into osa.source_quarantine (convention_id, pull_id, chunk, attempt, line, source_id, reason, content, is_cut)
              select $1, $2, $3, $4, q.line, q.source_id, q.reason, q.content, q.is_cut
              from unnest($5::bigint[], $6::text[], $7::text[], $8::bytea[], $9::boolean[]) as q(line, source_id, reason, content, is_cut) returning id, line)
            insert into osa.source_quarantine_files (quarantine_id, name, blob_id, size, sha256)
            select kept.id, f.name, f.blob_id, f.size, f.sha256
            from unnest($10::bigint[], $11::text[], $12::uuid[], $13::bigint[], $14::text[]) as f(line, name, blob_id, size, sha256) join kept on kept.line = f.line
            """,
            conventionId, pull, part.Attempt.Chunk, part.Attempt.Attempt,
            kept.Select(q => q.Line).ToArray(), kept.Select(q => q.SourceId?.Replace("\0", "", StringComparison.Ordinal)).ToArray(), kept.Select(q => q.Reason.Replace('\0', '\uFFFD')).ToArray(), kept.Select(q => q.Content!).ToArray(), kept.Select(q => q.IsCut).ToArray(),
            kept.SelectMany(q => q.Files.Select(_ => q.Line)).ToArray(), kept.SelectMany(q => q.Files.Select(f => f.Name)).ToArray(), kept.SelectMany(q => q.Files.Select(f => f.BlobId)).ToArray(),
            kept.SelectMany(q => q.Files.Select(f => f.Size)).ToArray(), kept.SelectMany(q => q.Files.Select(f => f.Sha256)).ToArray());
    }
}
