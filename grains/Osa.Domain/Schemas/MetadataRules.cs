using System.Text.Json;
using Osa.Domain.Conventions;
using Osa.Domain.Errors;
using Osa.Domain.Json;

namespace Osa.Domain.Schemas;

/// <summary>What a deposition's metadata must be: at any time a JSON object, at submit one that satisfies its schema.</summary>
public static class MetadataRules
{
    private const string Root = "metadata";

    /// <summary>The metadata of a draft: any JSON object within the node's limits that PostgreSQL holds unchanged.</summary>
    /// <exception cref="OsaException">InvalidArgument: not JSON, not an object, too large or deep, a member twice, NUL, lone surrogates, or numbers out of range.</exception>
    public static JsonElement ParseObject(string json, NodeLimits limits)
    {
        var violations = new ViolationList();
        return Parse(json, limits, violations) ?? throw OsaException.Invalid("The metadata cannot be kept", violations.ToList());
    }

    /// <summary>Everything in which the metadata breaks its schema, by path (<c>metadata.ligands[2]</c>); empty when it may be submitted.</summary>
    public static IReadOnlyList<Violation> Check(IReadOnlyList<FieldDefinition> fields, string metadataJson, NodeLimits limits)
    {
        var violations = new ViolationList();
        if (Parse(metadataJson, limits, violations) is not { } metadata)
        {
            return violations.ToList();
        }

        var check = new MetadataCheck(violations);
        foreach (FieldDefinition field in fields)
        {
            check.Field(field, metadata, JsonPath.Member(Root, field.Name));
        }

        var known = fields.Select(field => field.Name).ToHashSet(StringComparer.Ordinal);
        foreach (string name in metadata.EnumerateObject().Select(member => member.Name).Where(name => !known.Contains(name)))
        {
            violations.Add(
                JsonPath.Member(Root, name),
                "unknown_field",
                violations.IsFull ? "" : $"is no field of the convention's schema; {Shown.Nearest(name, known)}");
        }

        return violations.ToList();
    }

    private static JsonElement? Parse(string json, NodeLimits limits, ViolationList violations) =>
        StrictJson.ReadObject(json, Root, Root, limits.MaxMetadataBytes, limits.MaxJsonDepth, violations);
}
