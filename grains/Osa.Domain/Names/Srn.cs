using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Osa.Domain.Errors;

namespace Osa.Domain.Names;

/// <summary>What a Structured Resource Name names. The segment in the name is the lower-case short form.</summary>
public enum SrnType
{
    Record,
    Deposition,
    Schema,
    Ontology,
    Convention,
    Snapshot,
    Event,
    ValidationRun,
}

/// <summary>
/// A Structured Resource Name, <c>urn:osa:{domain}:{type}:{id}[@{version}]</c>: the permanent name of a thing in an archive.
/// Case-insensitive; the canonical form is lower case. Records carry an integer version from 1, schemas, ontologies and
/// conventions a semantic version, all others none.
/// </summary>
public sealed partial record Srn
{
    private Srn(string domain, SrnType type, string id, string? version)
    {
        Domain = domain;
        Type = type;
        Id = id;
        Version = version;
    }

    /// <summary>The node that gave the name: a DNS-like name without a port.</summary>
    public string Domain { get; }

    public SrnType Type { get; }

    /// <summary>3 to 64 of <c>a-z 0-9 -</c>.</summary>
    public string Id { get; }

    /// <summary>Canonical text of the version, or null where the type has none.</summary>
    public string? Version { get; }

    /// <summary>The version of a record.</summary>
    /// <exception cref="InvalidOperationException">The name is not a record's.</exception>
    public int RecordVersion => Type == SrnType.Record
        ? int.Parse(Version!, CultureInfo.InvariantCulture)
        : throw new InvalidOperationException($"{this} is not a record's name");

    /// <summary>Makes a name from parts that the node itself chose or checked.</summary>
    /// <exception cref="OsaException">InvalidArgument: a part breaks the grammar.</exception>
    public static Srn Create(string domain, SrnType type, string id, string? version = null) =>
        Parse($"urn:osa:{domain}:{Segment(type)}:{id}{(version is null ? "" : "@" + version)}", type);

    public static Srn Record(string domain, Guid id, int version) =>
        Create(domain, SrnType.Record, id.ToString("D"), version.ToString(CultureInfo.InvariantCulture));

    public static Srn Deposition(string domain, Guid id) => Create(domain, SrnType.Deposition, id.ToString("D"));

    public static Srn ValidationRun(string domain, Guid id) => Create(domain, SrnType.ValidationRun, id.ToString("D"));

    /// <summary>Reads a name of the given type.</summary>
    /// <param name="field">The request field that the text came from, named in the error.</param>
    /// <exception cref="OsaException">InvalidArgument: not a name, or one of another type; the message says what was expected.</exception>
    public static Srn Parse(string? text, SrnType expected, string field = "srn") =>
        TryParse(text, out Srn? srn, out string? problem)
            ? srn.Type == expected
                ? srn
                : throw OsaException.Invalid(field, "srn_type", $"'{srn}' names a {Noun(srn.Type)}; a {Noun(expected)} is expected here (urn:osa:…:{Segment(expected)}:…)")
            : throw OsaException.Invalid(field, "srn", problem);

    public static bool TryParse(string? text, [NotNullWhen(true)] out Srn? srn, [NotNullWhen(false)] out string? problem)
    {
        srn = null;
        // Longer than any name can be: a domain has at most 253 characters, the rest is below 200.
        if (text is null || text.Length > 600)
        {
            problem = text is null ? "a name is required" : "longer than 600 characters, which no name is";
            return false;
        }

        string trimmed = text.Trim();
        // Lower-casing would turn some letters that are not ASCII (the Kelvin sign) into ones that are.
        string canonical = Ascii.IsValid(trimmed) ? trimmed.ToLowerInvariant() : trimmed;
        if (!canonical.StartsWith("urn:osa:", StringComparison.Ordinal))
        {
            problem = $"{Shown.Quote(canonical)} is not an OSA name: it must begin with urn:osa:";
            return false;
        }

        string[] parts = canonical.Split(':');
        if (parts.Length != 5)
        {
            problem = $"{Shown.Quote(canonical)} has {parts.Length} parts between colons; a name has 5: urn:osa:domain:type:id";
            return false;
        }

        string domain = parts[2];
        if (domain.Length > 253 || !DomainPattern().IsMatch(domain))
        {
            problem = $"{Shown.Quote(domain)} is not a domain: letters, digits, hyphens and dots, no port";
            return false;
        }

        if (ParseSegment(parts[3]) is not { } type)
        {
            problem = $"{Shown.Quote(parts[3])} is not a type; one of rec, dep, schema, onto, conv, snap, evt, val is";
            return false;
        }

        int at = parts[4].IndexOf('@', StringComparison.Ordinal);
        string id = at < 0 ? parts[4] : parts[4][..at];
        string? version = at < 0 ? null : parts[4][(at + 1)..];
        if (!IdPattern().IsMatch(id))
        {
            problem = $"{Shown.Quote(id)} is not an id: 3 to 64 of a-z, 0-9 and hyphen";
            return false;
        }

        if (VersionProblem(type, version) is { } versionProblem)
        {
            problem = versionProblem;
            return false;
        }

        srn = new Srn(domain, type, id, version);
        problem = null;
        return true;
    }

    /// <summary>True for a semantic version in canonical (lower-case) form, at most 64 characters.</summary>
    public static bool IsSemanticVersion(string version) => version.Length <= 64 && SemanticVersionPattern().IsMatch(version);

    /// <summary>True for 3 to 64 of <c>a-z 0-9 -</c>.</summary>
    public static bool IsId(string id) => IdPattern().IsMatch(id);

    public static bool IsDomain(string domain) => domain.Length <= 253 && DomainPattern().IsMatch(domain);

    public override string ToString() => $"urn:osa:{Domain}:{Segment(Type)}:{Id}{(Version is null ? "" : "@" + Version)}";

    private static string? VersionProblem(SrnType type, string? version) => type switch
    {
        SrnType.Record => version is null
            ? "a record's name ends in its version, such as @1"
            : RecordVersionPattern().IsMatch(version) && int.TryParse(version, NumberStyles.None, CultureInfo.InvariantCulture, out _)
                ? null
                : $"{Shown.Quote(version)} is not a record version: an integer from 1, without leading zeros",
        SrnType.Schema or SrnType.Ontology or SrnType.Convention => version is null
            ? $"a {Noun(type)}'s name ends in its version, such as @1.0.0"
            : IsSemanticVersion(version)
                ? null
                : $"{Shown.Quote(version)} is not a semantic version such as 1.0.0",
        _ => version is null ? null : $"a {Noun(type)}'s name has no version",
    };

    private static string Segment(SrnType type) => type switch
    {
        SrnType.Record => "rec",
        SrnType.Deposition => "dep",
        SrnType.Schema => "schema",
        SrnType.Ontology => "onto",
        SrnType.Convention => "conv",
        SrnType.Snapshot => "snap",
        SrnType.Event => "evt",
        SrnType.ValidationRun => "val",
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, null),
    };

    private static SrnType? ParseSegment(string segment) => segment switch
    {
        "rec" => SrnType.Record,
        "dep" => SrnType.Deposition,
        "schema" => SrnType.Schema,
        "onto" => SrnType.Ontology,
        "conv" => SrnType.Convention,
        "snap" => SrnType.Snapshot,
        "evt" => SrnType.Event,
        "val" => SrnType.ValidationRun,
        _ => null,
    };

    private static string Noun(SrnType type) => type switch
    {
        SrnType.ValidationRun => "validation run",
        _ => type.ToString().ToLowerInvariant(),
    };

    [GeneratedRegex(@"\A[a-z0-9]([a-z0-9\-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9\-]*[a-z0-9])?)*\z", RegexOptions.NonBacktracking)]
    private static partial Regex DomainPattern();

    [GeneratedRegex(@"\A[a-z0-9\-]{3,64}\z", RegexOptions.NonBacktracking)]
    private static partial Regex IdPattern();

    [GeneratedRegex(@"\A(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)(-[0-9a-z\-\.]+)?(\+[0-9a-z\-\.]+)?\z", RegexOptions.NonBacktracking)]
    private static partial Regex SemanticVersionPattern();

    [GeneratedRegex(@"\A[1-9][0-9]*\z", RegexOptions.NonBacktracking)]
    private static partial Regex RecordVersionPattern();
}
