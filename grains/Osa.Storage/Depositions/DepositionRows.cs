using System.Text.Json;
using Npgsql;
using Osa.Domain.Depositions;
using Osa.Domain.Names;

namespace Osa.Storage.Depositions;

/// <summary>How depositions and their files are read from rows.</summary>
internal static class DepositionRows
{
    /// <summary>The columns that <see cref="Read"/> expects, of a table or CTE aliased <c>d</c>.</summary>
    public const string Columns =
        $"""
        {Before},
        (select coalesce(json_agg(json_build_object('name', f.name, 'blob', f.blob_id, 'size', f.size, 'sha256', f.sha256,
            'type', f.content_type, 'at', f.uploaded_at) order by f.name), '[]')::text
         from osa.deposition_files f where f.deposition_id = d.id),
        {After},
        case when d.status = 'draft' then (select n.retired_because from osa.conventions n where n.id = d.convention_id and n.version = d.convention_version) end
        """;

    /// <summary>The same of a deposition that was made in this statement and has no files.</summary>
    public const string ColumnsOfNew = $"{Before}, '[]', {After}, null";

    /// <summary>The same without metadata and files.</summary>
    public const string ColumnsOfList = $"d.id, d.owner_id, d.convention_id, d.convention_version, d.status, '{{}}', '[]', {After}, null";

    private const string Before = "d.id, d.owner_id, d.convention_id, d.convention_version, d.status, d.metadata::text";
    private const string After = "d.run_id, d.reasons, d.record_srn, d.created_at, d.updated_at, d.revises, d.embargo_until";

    /// <summary>How many columns <see cref="Read"/> reads; a query may add its own behind them.</summary>
    public const int Count = 15;

    public static Deposition Read(NpgsqlDataReader r) => new(
        r.GetGuid(0), r.GetGuid(1), r.GetString(2), r.GetString(3), WireName.Parse<DepositionStatus>(r.GetString(4))!.Value, r.GetString(5),
        ReadFiles(r.GetString(6)), r.ValueOrNull<Guid>(7), r.GetFieldValue<string[]>(8), r.TextOrNull(9), r.GetDateTime(10), r.GetDateTime(11),
        r.ValueOrNull<Guid>(12), r.ValueOrNull<DateTime>(13), r.TextOrNull(14));

    public static IReadOnlyList<StoredFile> ReadFiles(string json)
    {
        if (json == "[]")
        {
            return [];
        }

        using JsonDocument document = JsonDocument.Parse(json);
        return [.. document.RootElement.EnumerateArray().Select(f => new StoredFile(
            f.GetProperty("name").GetString()!, f.GetProperty("blob").GetGuid(), f.GetProperty("size").GetInt64(), f.GetProperty("sha256").GetString()!,
            f.GetProperty("type").GetString()!, f.GetProperty("at").GetDateTime().ToUniversalTime()))];
    }
}
