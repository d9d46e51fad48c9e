using Osa.Domain.Access;
using Osa.Domain.Errors;
using Osa.Domain.Features;
using Osa.Domain.Hooks;
using Osa.Storage.Conventions;
using Osa.Storage.Features;
using Osa.Storage.Records;
using static Osa.Storage.Features.SqlIdentifier;

namespace Osa.Storage.Queries;

/// <summary>What a source has: its columns, where they come from, and which of its rows somebody may see.</summary>
internal sealed class QueryColumns
{
    private readonly string _from;
    private readonly string _record;
    private readonly bool _isTable;
    private readonly QuerySource _source;

    private QueryColumns(QuerySource source, string from, string record, string id, IReadOnlyList<QueryColumn> all)
    {
        (_source, _from, _record, Id, All) = (source, from, record, id, all);
        _isTable = source.Table is not null;
    }

    public IReadOnlyList<QueryColumn> All { get; }

    /// <summary>What orders rows that are equal otherwise: a number in the order of publication.</summary>
    public string Id { get; }

    /// <exception cref="OsaException">InvalidArgument: no source or both. NotFound.</exception>
    public static async Task<QueryColumns> OfAsync(QuerySource source, FeatureTables tables, ConventionStore conventions, CancellationToken cancellation)
    {
        if (source.Table is { } name)
        {
            FeatureTable table = await tables.FindAsync(name, cancellation) ?? throw OsaException.NotFound($"Feature table '{(name.Length <= 63 ? name : name[..63])}'");
            Convention owner = await conventions.GetAsync(table.ConventionId, "source.table", cancellation);
            return new QueryColumns(
                source, $"{FeatureTable(table.PgTable)} f", "f.record_srn", "f.id",
                [
                    new QueryColumn("record_srn", JsonType.String, null, "f.record_srn", false), new QueryColumn("run_id", JsonType.String, "uuid", "f.run_id", false),
                    new QueryColumn("created_at", JsonType.String, "date-time", "f.created_at", false),
                    .. table.Columns.Select(QueryColumn.Of), .. owner.Document.Schema.Select(QueryColumn.Of),
                ]);
        }

        Convention convention = await conventions.GetAsync(source.RecordsOf ?? throw OsaException.Invalid("source", "required", "name a feature table, or a convention for its records"), "source.records_of", cancellation);
        return new QueryColumns(
            source with { RecordsOf = convention.Id }, "osa.records r", "r.srn", "r.ordinal",
            [
                new QueryColumn("srn", JsonType.String, null, "r.srn", false), new QueryColumn("version", JsonType.Integer, null, "r.version::bigint", false),
                new QueryColumn("published_at", JsonType.String, "date-time", "r.published_at", false), new QueryColumn("convention_version", JsonType.String, null, "r.convention_version", false),
                new QueryColumn("schema_srn", JsonType.String, null, "r.schema_srn", false), .. convention.Document.Schema.Select(QueryColumn.Of),
            ]);
    }

    /// <exception cref="OsaException">InvalidArgument: no such column.</exception>
    public QueryColumn Find(string name, string field) => All.FirstOrDefault(c => c.Name == name)
        ?? throw OsaException.Invalid(field, "column", $"'{(name.Length <= 80 ? name : name[..80])}' is no column of it; it has {string.Join(", ", All.Take(40).Select(c => c.Name))}{(All.Count > 40 ? ", …" : "")}");

    /// <summary>The names that are selected; all but metadata where none is named, and all of them of records.</summary>
    public IReadOnlyList<QueryColumn> Select(IReadOnlyList<string> names) =>
        names.Count == 0 ? [.. All.Where(c => !_isTable || c.MetadataField is null)] : [.. names.Select((n, i) => Find(n, $"select[{i}]")).Distinct()];

    /// <summary>FROM and WHERE of a statement, which holds what the caller may see and the filter.</summary>
    /// <param name="sql">Has seen every column that is used outside of the filter.</param>
    public string FromWhere(QuerySql sql, Caller caller, QueryFilter? filter)
    {
        string visible = RecordVisibility.Shows(_record, _source.AllVersions, RecordVisibility.SeesAll(caller), RecordVisibility.SeesAll(caller) ? "" : sql.Value(caller.UserId));
        string scope = _isTable ? "" : $"r.convention_id = {sql.Value(_source.RecordsOf!)} and ";
        string condition = filter is null ? "" : $" and {sql.Where(filter)}";
        return $"from {_from}{(_isTable && sql.UsesMetadata ? " join osa.records r on r.srn = f.record_srn" : "")} where {scope}{visible}{condition}";
    }
}
