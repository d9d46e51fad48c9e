using Osa.Domain.Features;
using static Osa.Storage.Features.SqlIdentifier;

namespace Osa.Storage.Features;

/// <summary>The statements that make and extend feature tables.</summary>
internal static class FeatureTableDdl
{
    /// <summary>How many of a table's columns are indexed, the first ones: each costs every row that is published.</summary>
    public const int MostIndexes = 32;

    /// <summary>
    /// The table with its system columns. Its index, key and sequence are named after the catalog id: they share one namespace with tables,
    /// where a feature table's name, which begins with a letter, can never be one of theirs.
    /// </summary>
    public static string Create(long catalogId, string pgTable, IReadOnlyList<FeatureColumn> columns)
    {
        string declared = string.Concat(columns.Select(c => ",\n    " + Column(c)));
        return $"""
            create table {FeatureTable(pgTable)} (
                id bigint generated always as identity (sequence name features.{Quote($"{catalogId}_id_seq")})
                    constraint {Quote($"{catalogId}_pkey")} primary key,
                record_srn text not null,
                run_id uuid not null,
                created_at timestamptz not null default now(){declared}
            );
            create index {Quote($"{catalogId}_record_srn_idx")} on {FeatureTable(pgTable)} (record_srn);
            {Indexes(catalogId, pgTable, columns, 0)}
            """;
    }

    /// <summary>
    /// One for each scalar column, with the row's id behind it, so that it serves filters, sorts and cursors. Of texts the first 500 characters are
    /// indexed, by their bytes: longer ones would not fit.
    /// </summary>
    public static string Indexes(long catalogId, string pgTable, IEnumerable<FeatureColumn> columns, int before) => string.Join('\n', columns
        .Select((c, i) => (Column: c, Number: before + i))
        .Where(c => c.Column.Index && c.Column.StoredAs != FeatureColumnType.Json && c.Number < MostIndexes)
        .Select(c => $"create index {Quote($"{catalogId}_{c.Number}_idx")} on {FeatureTable(pgTable)} ({(c.Column.StoredAs == FeatureColumnType.Text ? $"(left({Quote(c.Column.Name)}, 500) collate \"C\")" : Quote(c.Column.Name))}, id);"));

    public static string AddColumns(string pgTable, IEnumerable<FeatureColumn> columns) =>
        $"alter table {FeatureTable(pgTable)} {string.Join(", ", columns.Select(c => $"add column {Column(c)}"))}";

    private static string Column(FeatureColumn column) =>
        $"{Quote(column.Name)} {PostgresType(column.StoredAs)}{(column.Required ? " not null" : "")}";

    private static string PostgresType(FeatureColumnType type) => type switch
    {
        FeatureColumnType.Text => "text",
        FeatureColumnType.Timestamp => "timestamptz",
        FeatureColumnType.Date => "date",
        FeatureColumnType.Uuid => "uuid",
        FeatureColumnType.Double => "double precision",
        FeatureColumnType.Bigint => "bigint",
        FeatureColumnType.Boolean => "boolean",
        FeatureColumnType.Json => "jsonb",
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, null),
    };
}
