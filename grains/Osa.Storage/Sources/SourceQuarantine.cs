using Npgsql;
using Osa.Domain.Conventions;
using Osa.Domain.Depositions;
using Osa.Domain.Errors;
using Osa.Domain.Sources;
using Osa.Storage.Conventions;
using Osa.Storage.Depositions;

namespace Osa.Storage.Sources;

/// <summary>A record that could not be taken.</summary>
/// <param name="Line">Its line in the chunk, from 1.</param>
/// <param name="Size">Bytes of the line that are kept.</param>
/// <param name="IsCut">Only the beginning of the line is kept.</param>
/// <param name="RedrivenAt">When it was taken after all; null while it was not.</param>
public sealed record QuarantineItem(
    long Id, Guid Pull, int Chunk, long Line, string? SourceId, string Reason, long Size, bool IsCut, DateTime CreatedAt, DateTime? RedrivenAt, IReadOnlyList<StoredFile> Files);

/// <summary>What came of driving records again that had been kept aside.</summary>
/// <param name="Run">The run over those that were taken; null where none was.</param>
/// <param name="Refused">Those that still cannot be, and why.</param>
public sealed record Redriven(Guid? Run, long Taken, long Unchanged, IReadOnlyList<(long Id, string Reason)> Refused);

/// <summary>Records that sources brought and that could not be taken: kept with their reason, their line and what files they had.</summary>
public sealed class SourceQuarantine(Database database, PullBatch batches, NodeLimits limits)
{
    /// <summary>Most records that are driven again at once.</summary>
    public const int MaxRedriven = 1_000;

    /// <summary>Most bytes of lines that are driven again at once: they are in memory together.</summary>
    public const int MaxRedrivenBytes = 64 << 20;

    private const string Columns =
        """
        q.id, q.pull_id, q.chunk, q.line, q.source_id, q.reason, length(q.content)::bigint, q.is_cut, q.created_at, q.redriven_at,
        (select coalesce(json_agg(json_build_object('name', f.name, 'blob', f.blob_id, 'size', f.size, 'sha256', f.sha256, 'type', '', 'at', q.created_at) order by f.name), '[]')::text
         from osa.source_quarantine_files f where f.quarantine_id = q.id)
        """;

    /// <summary>Of a source, oldest first.</summary>
    /// <param name="pull">Only what that pull met; null for all.</param>
    /// <param name="after">Id of the last one of the page before.</param>
    public Task<List<QuarantineItem>> ListAsync(string conventionId, Guid? pull, long after, int limit, CancellationToken cancellation) =>
        database.Run(
            c => c.Command(
                $"select {Columns} from osa.source_quarantine q where q.convention_id = $1 and q.id > $2 and ($3::text is null or q.pull_id::text = $3::text) order by q.id limit $4",
                conventionId, after, pull?.ToString(), limit).ToList(Read, cancellation),
            cancellation);

    /// <summary>One of them, and its line.</summary>
    /// <exception cref="OsaException">NotFound.</exception>
    public async Task<(QuarantineItem Item, byte[] Content)> GetAsync(string conventionId, long id, CancellationToken cancellation) =>
        (await database.Run(
            c => c.Command($"select {Columns}, q.content from osa.source_quarantine q where q.convention_id = $1 and q.id = $2", conventionId, id)
                .ToList(r => (Read(r), r.GetFieldValue<byte[]>(11)), cancellation),
            cancellation)) is [var found] ? found : throw OsaException.NotFound($"Record {id} in the quarantine of '{conventionId}'");

    /// <summary>Takes records after all, as their convention is by now: all that can be, in one run.</summary>
    /// <exception cref="OsaException">InvalidArgument: too many, or too large together; NotFound; FailedPrecondition: a pull is running, which might bring the same records.</exception>
    public Task<Redriven> RedriveAsync(Convention convention, IReadOnlyList<long> ids, CancellationToken cancellation)
    {
        if (ids.Count is 0 or > MaxRedriven)
        {
            throw OsaException.Invalid("ids", "count", $"1 to {MaxRedriven} records are driven again at once, not {ids.Count}");
        }

        return database.BulkTransaction(
            async c =>
            {
                await SourceStore.LockAsync(c, convention.Id, cancellation);
                if ((await c.Command("select id from osa.pulls where convention_id = $1 and status in ('pending', 'running')", convention.Id).ToList(r => r.GetGuid(0), cancellation)) is [var open])
                {
                    throw OsaException.Precondition($"Pull '{open}' of '{convention.Id}' is running and may bring the same records; wait for its end, or cancel it");
                }

                long bytes = (await c.Command("select coalesce(sum(length(content)), 0)::bigint from osa.source_quarantine where convention_id = $1 and id = any ($2)", convention.Id, ids.ToArray())
                    .ToList(r => r.GetInt64(0), cancellation))[0];
                if (bytes > MaxRedrivenBytes)
                {
                    throw OsaException.Invalid("ids", "max_bytes", $"the lines of these records are {bytes} bytes together, and at most {MaxRedrivenBytes} are driven again at once; name fewer");
                }

                List<(QuarantineItem Item, byte[] Content, bool IsOld)> found = await c.Command(
                    $"""
                    select {Columns}, q.content, exists (
                      select from osa.source_items i join osa.pulls met on met.id = i.pull_id join osa.pulls its on its.id = q.pull_id
                      where i.convention_id = q.convention_id and i.source_id = q.source_id and met.ordinal > its.ordinal)
                    from osa.source_quarantine q where q.convention_id = $1 and q.id = any ($2) and q.redriven_at is null order by q.id for update of q
                    """,
                    convention.Id, ids.ToArray()).ToList(r => (Read(r), r.GetFieldValue<byte[]>(11), r.GetBoolean(12)), cancellation);
                if (found.Count == 0)
                {
                    throw OsaException.NotFound("None of these records is in quarantine any more");
                }

                List<(long, string)> refused = [.. ids.Distinct().Except(found.Select(f => f.Item.Id)).Select(id => (id, "it is not in quarantine, or was taken since"))];
                var wanted = new Dictionary<string, (QuarantineItem Item, TakenRecord Record)>(StringComparer.Ordinal);
                foreach ((QuarantineItem item, byte[] content, bool isOld) in found)
                {
                    (TakenRecord? record, string? problem) = item.IsCut ? (null, "its line was too long to be kept whole; pull it again")
                        : isOld ? (null, "a later pull has met this record, and what is known of it is newer than this line")
                        : Judge(convention, item, content);
                    if (record is null)
                    {
                        refused.Add((item.Id, problem!));
                    }
                    else
                    {
                        // The later of two lines is the newer word of upstream.
                        wanted[record.SourceId] = (item, record);
                    }
                }

                Dictionary<string, SourceItem> known = await batches.KnownAsync(convention.Id, [.. wanted.Keys], cancellation);
                foreach (string withdrawn in known.Where(k => k.Value.IsWithdrawn).Select(k => k.Key))
                {
                    refused.Add((wanted[withdrawn].Item.Id, "its record was withdrawn here; let it in again first"));
                    wanted.Remove(withdrawn);
                }

                List<(QuarantineItem Item, TakenRecord Record)> fresh =
                [
                    .. wanted.Values.Where(w => !known.TryGetValue(w.Record.SourceId, out SourceItem? item) || item.ContentHash != w.Record.ContentHash)
                        .Select(w => (w.Item, w.Record with { Sequence = (known.GetValueOrDefault(w.Record.SourceId)?.Sequence ?? 0) + 1 })),
                ];
                await using var batch = new NpgsqlBatch(c);
                Guid? run = null;
                if (fresh.Count > 0)
                {
                    QuarantineItem newest = found[^1].Item;
                    run = batches.AppendTaken(batch, convention, newest.Pull, newest.Chunk, 0, [.. fresh.Select(f => f.Record)]);
                }

                HashSet<long> not = [.. refused.Select(r => r.Item1)];
                batch.And("update osa.source_quarantine set redriven_at = now() where id = any ($1)", found.Select(f => f.Item.Id).Where(id => !not.Contains(id)).ToArray());
                await batch.ExecuteNonQueryAsync(cancellation);
                return new Redriven(run, fresh.Count, wanted.Count - fresh.Count, refused);
            },
            cancellation);
    }

    /// <summary>The record that a line and its kept files make, or why it cannot be taken.</summary>
    private (TakenRecord? Record, string? Problem) Judge(Convention convention, QuarantineItem item, byte[] line)
    {
        (SourceLine? record, _, string? problem) = SourceLine.Read(line, limits);
        if (record is null)
        {
            return (null, problem);
        }

        if (record.Files.FirstOrDefault(f => item.Files.All(kept => kept.Name != f.Name)) is { } missing)
        {
            return (null, $"files: '{missing.Name}' was not kept; pull it again");
        }

        problem = record.Problem(convention.Document, [.. item.Files.Select(f => new SubmittedFile(f.Name, f.Size))], limits);
        return problem is null
            ? (new TakenRecord(record.SourceId, record.MetadataJson, SourceLine.ContentHash(record.MetadataJson, item.Files.Select(f => (f.Name, f.Sha256))), 0, item.Files), null)
            : (null, problem);
    }

    private static QuarantineItem Read(NpgsqlDataReader r) => new(
        r.GetInt64(0), r.GetGuid(1), r.GetInt32(2), r.GetInt64(3), r.TextOrNull(4), r.GetString(5), r.GetInt64(6), r.GetBoolean(7), r.GetDateTime(8), r.ValueOrNull<DateTime>(9), DepositionRows.ReadFiles(r.GetString(10)));
}
