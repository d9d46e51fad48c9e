using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Osa.Domain.Errors;
using Osa.Domain.Hooks;
using Osa.Domain.Json;
using Osa.Domain.Names;
using Osa.Domain.Schemas;
using Osa.Domain.Sources;

namespace Osa.Domain.Conventions;

/// <summary>Reads registration documents, whose shape <see cref="RegistrationSchema"/> describes, and checks every rule about them.</summary>
public static partial class ConventionDocumentReader
{
    /// <summary>Longest title, in characters (code points).</summary>
    public const int MaxTitleLength = 255;

    /// <summary>Most suffixes in <c>accepted_types</c>.</summary>
    public const int MaxAcceptedTypes = 100;

    /// <summary>The convention that the document describes.</summary>
    /// <exception cref="OsaException">
    /// InvalidArgument, with every broken rule by path. A document that is not proper JSON (too large, too deep, a member twice,
    /// text that PostgreSQL cannot hold) is answered with these problems alone.
    /// </exception>
    public static ConventionDocument Read(string json, NodeLimits limits)
    {
        var violations = new ViolationList();
        ConventionDocument? document =
            StrictJson.ReadObject(json, "document", "", limits.MaxRegistrationBytes, limits.MaxJsonDepth, violations) is { } root
            && ObjectReader.Open(root, "", violations) is { } reader
                ? ReadDocument(reader, limits, violations)
                : null;
        return document is not null && violations.IsEmpty
            ? document
            : throw OsaException.Invalid("The convention cannot be registered", violations.ToList());
    }

    private static ConventionDocument ReadDocument(ObjectReader reader, NodeLimits limits, ViolationList violations)
    {
        string? id = reader.Text("id", required: false);
        if (id is not null && !Srn.IsId(id))
        {
            reader.Report("id", "id", $"{Shown.Quote(id)} is not an id: 3 to 64 of a-z, 0-9 and hyphen; leave it out to have it made from the title");
        }

        string? title = reader.Text("title", required: true, MaxTitleLength);
        if (title is not null && VisibleText.Problem(title) is { } problem)
        {
            reader.Report("title", "title", problem);
        }

        // Names ignore case, so 1.0.0-RC1 and 1.0.0-rc1 are one version.
        string? version = reader.Text("version", required: true);
        string canonicalVersion = version is not null && Ascii.IsValid(version) ? version.ToLowerInvariant() : "";
        if (version is not null && !Srn.IsSemanticVersion(canonicalVersion))
        {
            reader.Report("version", "semantic_version", $"{Shown.Quote(version)} is not a semantic version such as 1.0.0 or 2.1.0-beta.1 (at most 64 characters)");
        }

        string? description = reader.Text("description", required: false, FieldReader.MaxDescriptionLength);
        List<FieldDefinition> schema = ReadSchema(reader, limits, violations);
        FileRequirements files = reader.Object("file_requirements", required: true) is { } requirements
            ? ReadFileRequirements(requirements, limits)
            : new FileRequirements([], 0, 0, 1);
        List<HookDefinition> hooks = ReadHooks(reader, limits, violations);
        Curation curation = reader.Choice<Curation>("curation", required: false) ?? Curation.Automatic;
        bool share = reader.Flag("share", required: false) ?? false;
        SourceDefinition? source = reader.Object("source", required: false) is { } upstream ? SourceReader.Read(upstream, limits, violations) : null;
        reader.Close();
        return new ConventionDocument(id ?? ConventionId.FromTitle(title ?? ""), canonicalVersion, title ?? "", description, schema, files, hooks) { Curation = curation, Share = share, Source = source };
    }

    private static List<FieldDefinition> ReadSchema(ObjectReader reader, NodeLimits limits, ViolationList violations)
    {
        IReadOnlyList<(JsonElement Value, string Path)> items = reader.List("schema", required: true);
        if (items.Count > limits.MaxFields)
        {
            reader.Report("schema", "max_items", $"has {items.Count} fields; this node takes {limits.MaxFields}");
        }
        else if (items.Count == 0 && reader.Optional("schema") is { ValueKind: JsonValueKind.Array })
        {
            reader.Report("schema", "min_items", "has no field; describe at least one");
        }

        var seen = new HashSet<string>(StringComparer.Ordinal);
        return [.. items.Take(limits.MaxFields).Select(item => FieldReader.Read(item.Value, item.Path, seen, violations)).OfType<FieldDefinition>()];
    }

    private static List<HookDefinition> ReadHooks(ObjectReader reader, NodeLimits limits, ViolationList violations)
    {
        IReadOnlyList<(JsonElement Value, string Path)> items = reader.List("hooks", required: false);
        if (items.Count > limits.MaxHooks)
        {
            reader.Report("hooks", "max_items", $"are {items.Count}; this node takes {limits.MaxHooks} per convention");
        }

        var seen = new HashSet<string>(StringComparer.Ordinal);
        return [.. items.Take(limits.MaxHooks).Select(item => HookReader.Read(item.Value, item.Path, limits, seen, violations)).OfType<HookDefinition>()];
    }

    private static FileRequirements ReadFileRequirements(ObjectReader reader, NodeLimits limits)
    {
        IReadOnlyList<(JsonElement Value, string Path)> items = reader.List("accepted_types", required: true);
        if (items.Count > MaxAcceptedTypes)
        {
            reader.Report("accepted_types", "max_items", $"are {items.Count}; at most {MaxAcceptedTypes} can be listed");
        }

        List<string> types = [];
        for (int i = 0; i < Math.Min(items.Count, MaxAcceptedTypes); i++)
        {
            JsonElement item = items[i].Value;
            string? type = item.ValueKind == JsonValueKind.String ? item.GetString() : null;
            if (type is null || type.Length > 32 || !Suffix().IsMatch(type))
            {
                reader.ReportItem(
                    "accepted_types",
                    i,
                    "suffix",
                    $"{(type is null ? ObjectReader.NounOf(item) : Shown.Quote(type))} is not a file suffix such as .fasta or .fastq.gz (with its dot, at most 32 characters)");
            }
            else if (!types.Contains(type, StringComparer.OrdinalIgnoreCase))
            {
                types.Add(type.ToLowerInvariant());
            }
        }

        long min = reader.Integer("min_count", required: false, 0, limits.MaxFiles, "files; this node's limit") ?? 0;
        long? max = reader.Integer("max_count", required: true, 0, limits.MaxFiles, "files; this node's limit");
        long size = reader.Integer("max_file_size", required: true, 1, limits.MaxFileBytes, "bytes; this node's limit") ?? 1;
        if (min > max)
        {
            reader.Report("max_count", "range", $"is {max}, below min_count {min}: no deposition could satisfy both");
        }

        reader.Close();
        return new FileRequirements(types, (int)min, (int)(max ?? 0), size);
    }

    [GeneratedRegex(@"\A(?:\.[A-Za-z0-9][A-Za-z0-9_+\-]*)+\z", RegexOptions.NonBacktracking)]
    private static partial Regex Suffix();
}
