using System.Text.Json;
using System.Text.Json.Serialization;
using Npgsql;
using Osa.Domain.Access;
using Osa.Domain.Depositions;
using Osa.Domain.Errors;
using Osa.Domain.Names;
using Osa.Storage.Depositions;

namespace Osa.Storage.Records;

/// <summary>The digest that was actually started for a hook, and the rows it gave.</summary>
public sealed record HookProvenance(
    [property: JsonPropertyName("hook")] string Hook, [property: JsonPropertyName("digest")] string? Digest, [property: JsonPropertyName("rows")] long Rows);

/// <summary>A published record with its provenance.</summary>
/// <param name="CurrentSrn">The newest version of it, where this one is not.</param>
/// <param name="EmbargoUntil">Held until then; <see cref="DateTime.MaxValue"/>: until it is released.</param>
/// <param name="SourceId">What the upstream system calls it that it was pulled from; null for what a person deposited.</param>
/// <param name="Withdrawn">Set on a tombstone: it has neither metadata nor files any more.</param>
public sealed record Record(
    string Srn, long Ordinal, string ConventionId, string ConventionVersion, string SchemaSrn, Guid DepositionId, Guid RunId, string MetadataJson,
    IReadOnlyList<HookProvenance> Hooks, IReadOnlyList<StoredFile> Files, DateTime PublishedAt, string? CurrentSrn, DateTime? EmbargoUntil, (DateTime At, string Because)? Withdrawn, string? SourceId);

/// <summary>Reading what is published, as far as the caller may see it.</summary>
public sealed class RecordQueries(Database database, NodeIdentity node)
{
    private const string Columns = "r.srn, r.ordinal, r.convention_id, r.convention_version, r.schema_srn, r.deposition_id, r.run_id, r.metadata::text, r.hooks::text, r.published_at, "
        + "case when not r.is_current then (select n.srn from osa.records n where n.id = r.id and n.is_current) end, case when r.embargo_until > now() then r.embargo_until end, r.withdrawn_at, r.withdrawn_because, r.owner_id, (select d.source_id from osa.depositions d where d.id = r.deposition_id)";

    private const string Files =
        """
        (select coalesce(json_agg(json_build_object('name', f.name, 'blob', f.blob_id, 'size', f.size, 'sha256', f.sha256,
            'type', f.content_type, 'at', r.published_at) order by f.name), '[]')::text
         from osa.record_files f where f.record_srn = r.srn)
        """;

    /// <summary>One version, also an old one or a tombstone.</summary>
    /// <exception cref="OsaException">InvalidArgument: not a record's name. NotFound: there is none, or it is held and not the caller's to see.</exception>
    public async Task<Record> GetAsync(Caller caller, string srn, string field, CancellationToken cancellation)
    {
        string name = Srn.Parse(srn, SrnType.Record, field).ToString();
        return await database.Run(
            c => c.Command($"select {Columns}, {Files} from osa.records r where srn = $1 and ($2 or r.embargo_until is null or r.embargo_until <= now() or r.owner_id = $3)", name, RecordVisibility.SeesAll(caller), caller.UserId)
                .FirstOrDefault(Read, cancellation),
            cancellation)
            ?? throw OsaException.NotFound($"Record '{name}'");
    }

    /// <summary>One of its files.</summary>
    /// <exception cref="OsaException">As <see cref="GetAsync"/>; FailedPrecondition: it was withdrawn.</exception>
    public async Task<StoredFile> FileAsync(Caller caller, string srn, string field, string file, CancellationToken cancellation)
    {
        Record record = await GetAsync(caller, srn, field, cancellation);
        return record.Withdrawn is { } withdrawn
            ? throw OsaException.Precondition($"'{record.Srn}' was withdrawn on {withdrawn.At:yyyy-MM-dd}: {withdrawn.Because}")
            : record.Files.FirstOrDefault(f => f.Name == file) ?? throw OsaException.NotFound($"File '{file}' of '{record.Srn}'");
    }

    /// <summary>Newest first, without files: current versions, or all.</summary>
    public Task<List<Record>> ListAsync(Caller caller, bool allVersions, string? conventionId, string? conventionVersion, long? before, int limit, CancellationToken cancellation) =>
        database.Run(
            c => c.Command(
                $"""
                select {Columns}, '[]' from osa.records r
                where ($1::text is null or convention_id = $1::text) and ($2::text is null or convention_version = $2::text) and ordinal < $3
                  and r.withdrawn_at is null and ($5 or r.is_current) and ($6 or r.embargo_until is null or r.embargo_until <= now() or r.owner_id = $7)
                order by ordinal desc limit $4
                """,
                conventionId, conventionVersion, before ?? long.MaxValue, limit, allVersions, RecordVisibility.SeesAll(caller), caller.UserId).ToList(Read, cancellation),
            cancellation);

    /// <summary>The provenance as the API names it.</summary>
    public (string Convention, string Deposition, string Run) Names(Record record) =>
        (node.ConventionSrn(record.ConventionId, record.ConventionVersion).ToString(), node.DepositionSrn(record.DepositionId).ToString(), node.RunSrn(record.RunId).ToString());

    private static Record Read(NpgsqlDataReader r)
    {
        (DateTime, string)? withdrawn = r.IsDBNull(12) ? null : (r.GetDateTime(12), r.GetString(13));
        return new Record(
            r.GetString(0), r.GetInt64(1), r.GetString(2), r.GetString(3), r.GetString(4), r.GetGuid(5), r.GetGuid(6), withdrawn is null ? r.GetString(7) : "{}",
            JsonSerializer.Deserialize<List<HookProvenance>>(r.GetString(8))!, withdrawn is null ? DepositionRows.ReadFiles(r.GetString(16)) : [], r.GetDateTime(9), r.TextOrNull(10),
            r.ValueOrNull<DateTime>(11), withdrawn, r.TextOrNull(15));
    }
}
