namespace Osa.Storage.Queries;

/// <summary>What is asked of a source.</summary>
/// <param name="Filter">Null for everything.</param>
/// <param name="Select">Names of columns; empty for all but metadata.</param>
public sealed record Query(QuerySource Source, QueryFilter? Filter, IReadOnlyList<QuerySort> Sort, IReadOnlyList<string> Select);

/// <summary>A feature table, or the records of a convention: one of the two.</summary>
/// <param name="AllVersions">Old versions of records too.</param>
public sealed record QuerySource(string? Table, string? RecordsOf, bool AllVersions);

/// <param name="Descending">From the largest, nulls first; else from the smallest, nulls last.</param>
public sealed record QuerySort(string Column, bool Descending);

/// <summary>A condition that holds or does not: a comparison with null does not.</summary>
public abstract record QueryFilter
{
    private QueryFilter()
    {
    }

    public sealed record All(IReadOnlyList<QueryFilter> Filters) : QueryFilter;

    public sealed record Any(IReadOnlyList<QueryFilter> Filters) : QueryFilter;

    public sealed record Not(QueryFilter Filter) : QueryFilter;

    /// <param name="Values"><see cref="string"/>, <see cref="long"/>, <see cref="double"/>, <see cref="bool"/> or <see cref="DateTime"/>.</param>
    public sealed record Compare(string Column, QueryOperator Operator, IReadOnlyList<object> Values) : QueryFilter;
}

public enum QueryOperator
{
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    In,
    Prefix,
    IsNull,
}

/// <param name="Function">count, min, max or avg.</param>
/// <param name="Column">Null for a count of rows.</param>
public sealed record QueryAggregate(string Function, string? Column);
