using Osa.Domain.Hooks;

namespace Osa.Domain.Features;

/// <summary>A feature table as the catalog knows it.</summary>
/// <param name="Name">Name of the hook whose rows it holds.</param>
/// <param name="ConventionId">The one convention that may declare it.</param>
/// <param name="PgTable">The PostgreSQL table in schema <c>features</c>; not always the name.</param>
/// <param name="Columns">Every column ever declared, in the order of its first declaration.</param>
/// <param name="SchemaVersion">1, then one more each time columns are added.</param>
public sealed record FeatureTable(
    string Name,
    string ConventionId,
    string PgTable,
    FeatureCardinality Cardinality,
    IReadOnlyList<FeatureColumn> Columns,
    int SchemaVersion,
    DateTimeOffset CreatedAt,
    DateTimeOffset UpdatedAt);

/// <summary>One column of a feature table.</summary>
/// <param name="Declared">False where the newest declaration left it out: it keeps its old values and is null from then on.</param>
public sealed record FeatureColumn(string Name, JsonType Type, string? Format, bool Required, bool Declared)
{
    /// <summary>It gets an index when it is made.</summary>
    public bool Index { get; init; } = true;

    public FeatureColumnType StoredAs => FeatureColumnTypes.Of(Type, Format);

    public static FeatureColumn Of(ColumnDefinition column) => new(column.Name, column.Type, column.Format, column.Required, Declared: true) { Index = column.Index };
}
