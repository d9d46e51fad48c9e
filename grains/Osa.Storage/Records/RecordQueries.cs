using System.Text.Json;
using System.Text.Json.Serialization;
using Npgsql;
using Osa.Domain.Depositions;
using Osa.Domain.Errors;
using Osa.Domain.Names;
using Osa.Storage.Depositions;

namespace Osa.Storage.Records;

/// <summary>The digest that was actually started for a hook, and the rows it gave.</summary>
public sealed record HookProvenance(
    [property: JsonPropertyName("hook")] string Hook, [property: JsonPropertyName("digest")] string? Digest, [property: JsonPropertyName("rows")] long Rows);

/// <summary>A published record with its provenance.</summary>
public sealed record Record(
    string Srn, long Ordinal, string ConventionId, string ConventionVersion, string SchemaSrn, Guid DepositionId, Guid RunId, string MetadataJson,
    IReadOnlyList<HookProvenance> Hooks, IReadOnlyList<StoredFile> Files, DateTime PublishedAt);

/// <summary>Reading what is published: immutable, and everybody's.</summary>
public sealed class RecordQueries(Database database, NodeIdentity node)
{
    private const string Columns = "r.srn, r.ordinal, r.convention_id, r.convention_version, r.schema_srn, r.deposition_id, r.run_id, r.metadata::text, r.hooks::text, r.published_at";

    private const string Files =
        """
        (select coalesce(json_agg(json_build_object('name', f.name, 'blob', f.blob_id, 'size', f.size, 'sha256', f.sha256,
            'type', f.content_type, 'at', r.published_at) order by f.name), '[]')::text
         from osa.record_files f where f.record_srn = r.srn)
        """;

    /// <exception cref="OsaException">InvalidArgument: not a record's name. NotFound.</exception>
    public async Task<Record> GetAsync(string srn, string field, CancellationToken cancellation)
    {
        string name = Srn.Parse(srn, SrnType.Record, field).ToString();
        return await database.Run(
            c => c.Command($"select {Columns}, {Files} from osa.records r where srn = $1", name).FirstOrDefault(Read, cancellation), cancellation)
            ?? throw OsaException.NotFound($"Record '{name}'");
    }

    /// <summary>Newest first, without files.</summary>
    public Task<List<Record>> ListAsync(string? conventionId, string? conventionVersion, long? before, int limit, CancellationToken cancellation) =>
        database.Run(
            c => c.Command(
                $"""
                select {Columns}, '[]' from osa.records r
                where ($1::text is null or convention_id = $1::text) and ($2::text is null or convention_version = $2::text) and ordinal < $3
                order by ordinal desc limit $4
                """,
                conventionId, conventionVersion, before ?? long.MaxValue, limit).ToList(Read, cancellation),
            cancellation);

    /// <summary>The provenance as the API names it.</summary>
    public (string Convention, string Deposition, string Run) Names(Record record) =>
        (node.ConventionSrn(record.ConventionId, record.ConventionVersion).ToString(), node.DepositionSrn(record.DepositionId).ToString(), node.RunSrn(record.RunId).ToString());

    private static Record Read(NpgsqlDataReader r) => new(
        r.GetString(0), r.GetInt64(1), r.GetString(2), r.GetString(3), r.GetString(4), r.GetGuid(5), r.GetGuid(6), r.GetString(7),
        JsonSerializer.Deserialize<List<HookProvenance>>(r.GetString(8))!, DepositionRows.ReadFiles(r.GetString(10)), r.GetDateTime(9));
}
