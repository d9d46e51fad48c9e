using System.Text.Json;
using Osa.Domain.Errors;
using Osa.Domain.Json;
using Osa.Domain.Names;

namespace Osa.Domain.Schemas;

/// <summary>Reads one field of a registration document's metadata schema.</summary>
internal static class FieldReader
{
    /// <summary>Longest field name, in characters (code points).</summary>
    public const int MaxNameLength = 128;

    /// <summary>Longest description of anything, in characters (code points).</summary>
    public const int MaxDescriptionLength = 10_000;

    /// <summary>Most terms that a field may list.</summary>
    public const int MaxTerms = 10_000;

    /// <summary>Null, or a field with stand-ins for what is wrong, after adding the violations.</summary>
    /// <param name="seen">Names of the fields before it.</param>
    public static FieldDefinition? Read(JsonElement element, string path, HashSet<string> seen, ViolationList violations)
    {
        if (ObjectReader.Open(element, path, violations) is not { } field)
        {
            return null;
        }

        string? name = field.Text("name", required: true);
        if (name is not null && NameProblem(name) is { } problem)
        {
            field.Report("name", "field_name", problem);
        }
        else if (name is not null && !seen.Add(name))
        {
            field.Report("name", "duplicate", $"{Shown.Quote(name)} names an earlier field too; names are unique");
        }

        FieldType? type = field.Choice<FieldType>("type", required: true);
        bool required = field.Flag("required", required: true) ?? false;
        Cardinality? cardinality = field.Choice<Cardinality>("cardinality", required: true);
        string? description = field.Text("description", required: false, MaxDescriptionLength);
        FieldConstraints? constraints = field.Object("constraints", required: false) is { } given ? ReadConstraints(given, type) : null;
        field.Close();
        return new FieldDefinition(name ?? "", type ?? FieldType.Text, required, cardinality ?? Cardinality.ExactlyOne, description, constraints);
    }

    /// <summary>
    /// A field's name is a JSON member, the head of a spreadsheet column and part of every error path: any script and blanks inside
    /// are fine, what nobody can see is not.
    /// </summary>
    private static string? NameProblem(string name) =>
        name.Length == 0 ? "must not be empty"
        : name.EnumerateRunes().Count() > MaxNameLength ? $"has more than {MaxNameLength} characters"
        : VisibleText.Problem(name);

    private static FieldConstraints? ReadConstraints(ObjectReader reader, FieldType? fieldType)
    {
        FieldType? type = reader.Choice<FieldType>("type", required: true);
        if (type is { } own && fieldType is { } fields && own != fields)
        {
            reader.Report("type", "type_mismatch", $"is '{WireName.Of(own)}' on a field of type '{WireName.Of(fields)}'; they must be the same");
        }

        // Of an unknown type no member can be called unknown.
        if (type is null)
        {
            return null;
        }

        string? unit = reader.Text("unit", required: false, 64);
        if (unit is not null && VisibleText.Problem(unit) is { } problem)
        {
            reader.Report("unit", "unit", problem);
        }

        FieldConstraints constraints = type switch
        {
            FieldType.Text => ReadText(reader),
            FieldType.Number => ReadNumber(reader),
            FieldType.Term => ReadTerm(reader),
            FieldType.Url => new UrlConstraints(ReadPattern(reader)),
            FieldType.Date => new DateConstraints(),
            _ => new BooleanConstraints(),
        };
        reader.Close();
        return constraints with { Unit = unit };
    }

    private static TextConstraints ReadText(ObjectReader reader)
    {
        int? min = (int?)reader.Integer("min_length", required: false, 0, int.MaxValue, "characters");
        int? max = (int?)reader.Integer("max_length", required: false, 0, int.MaxValue, "characters");
        if (min > max)
        {
            reader.Report("max_length", "range", $"is {max}, below min_length {min}: no text could satisfy both");
        }

        return new TextConstraints(min, max, ReadPattern(reader));
    }

    private static NumberConstraints ReadNumber(ObjectReader reader)
    {
        double? min = reader.Double("min_value");
        double? max = reader.Double("max_value");
        if (min > max)
        {
            reader.Report("max_value", "range", $"is {max:R}, below min_value {min:R}: no number could satisfy both");
        }

        return new NumberConstraints(min, max, reader.Flag("integer_only", required: false) ?? false);
    }

    private static TermConstraints ReadTerm(ObjectReader reader)
    {
        foreach (string ontology in (string[])["ontology_srn", "root_term"])
        {
            if (reader.Optional(ontology) is not null)
            {
                reader.Report(ontology, "unsupported", "cannot be enforced: this node holds no ontologies yet; list the terms in allowed_terms");
            }
        }

        IReadOnlyList<(JsonElement Value, string Path)> items = reader.List("allowed_terms", required: false);
        if (items.Count > MaxTerms)
        {
            reader.Report("allowed_terms", "max_items", $"are {items.Count}; at most {MaxTerms} can be listed");
            return new TermConstraints();
        }

        if (reader.Optional("allowed_terms") is not { ValueKind: JsonValueKind.Array })
        {
            return new TermConstraints();
        }

        if (items.Count == 0)
        {
            reader.Report("allowed_terms", "min_items", "is empty, so no term could be given; leave it out to accept every CURIE");
        }

        List<string> terms = [];
        var seen = new HashSet<string>(StringComparer.Ordinal);
        for (int i = 0; i < items.Count; i++)
        {
            string? term = items[i].Value.ValueKind == JsonValueKind.String ? items[i].Value.GetString() : null;
            if (term is null || !Curie.IsValid(term))
            {
                reader.ReportItem("allowed_terms", i, "curie", $"{(term is null ? ObjectReader.NounOf(items[i].Value) : Shown.Quote(term))} is not {Curie.Rule}");
            }
            else if (!seen.Add(term))
            {
                reader.ReportItem("allowed_terms", i, "duplicate", $"{Shown.Quote(term)} stands twice in the list");
            }
            else
            {
                terms.Add(term);
            }
        }

        return new TermConstraints(terms);
    }

    private static string? ReadPattern(ObjectReader reader)
    {
        string? pattern = reader.Text("pattern", required: false);
        if (pattern is not null && TextPattern.Problem(pattern) is { } problem)
        {
            reader.Report("pattern", "pattern", Shown.Clean(problem, 300));
        }

        return pattern;
    }
}
