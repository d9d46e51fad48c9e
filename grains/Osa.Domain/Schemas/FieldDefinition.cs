namespace Osa.Domain.Schemas;

/// <summary>The type of a metadata field.</summary>
public enum FieldType
{
    Text,
    Number,
    /// <summary>A calendar day, ISO 8601 <c>2026-01-31</c>; no time of day.</summary>
    Date,
    Boolean,

    /// <summary>A term of a controlled vocabulary, written as a CURIE such as <c>GO:0008150</c>.</summary>
    Term,

    /// <summary>An absolute http or https address.</summary>
    Url,
}

/// <summary>How many values a metadata field carries.</summary>
public enum Cardinality
{
    /// <summary>One value, not a list.</summary>
    ExactlyOne,

    /// <summary>A list of at least one value.</summary>
    OneOrMore,

    /// <summary>A list, which may be empty.</summary>
    ZeroOrMore,
}

/// <summary>One field of a metadata schema.</summary>
public sealed record FieldDefinition(
    string Name,
    FieldType Type,
    bool Required,
    Cardinality Cardinality,
    string? Description = null,
    FieldConstraints? Constraints = null);

/// <summary>What the values of a field must satisfy; each type has its own.</summary>
public abstract record FieldConstraints
{
    /// <summary>Unit of the values, shown to people; not computed with.</summary>
    public string? Unit { get; init; }
}

/// <param name="MinLength">Least length in Unicode code points.</param>
/// <param name="MaxLength">Greatest length in Unicode code points.</param>
/// <param name="Pattern">A regular expression that some part of the text must match; anchor it to match the whole.</param>
public sealed record TextConstraints(int? MinLength = null, int? MaxLength = null, string? Pattern = null) : FieldConstraints;

/// <param name="MinValue">Least value, itself allowed.</param>
/// <param name="MaxValue">Greatest value, itself allowed.</param>
/// <param name="IntegerOnly">Whole numbers only; <c>5.0</c> is one.</param>
public sealed record NumberConstraints(double? MinValue = null, double? MaxValue = null, bool IntegerOnly = false) : FieldConstraints;

/// <param name="AllowedTerms">The CURIEs that are accepted; null accepts every well-formed one.</param>
public sealed record TermConstraints(IReadOnlyList<string>? AllowedTerms = null) : FieldConstraints;

/// <param name="Pattern">As of a text.</param>
public sealed record UrlConstraints(string? Pattern = null) : FieldConstraints;

public sealed record DateConstraints : FieldConstraints;

public sealed record BooleanConstraints : FieldConstraints;
