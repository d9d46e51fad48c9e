using Osa.Domain.Errors;
using Osa.Domain.Hooks;

namespace Osa.Domain.Features;

/// <summary>What registering a manifest does to its feature table.</summary>
public enum FeatureTableChange
{
    /// <summary>The table is new.</summary>
    Create,

    /// <summary>The declaration is the one that the catalog has: nothing to do.</summary>
    Keep,

    /// <summary>The declaration differs compatibly: optional columns are added, left out or declared again.</summary>
    Extend,
}

/// <summary>The table as it will be, and what has to be added to get there.</summary>
/// <param name="Columns">Every column of the table afterwards.</param>
/// <param name="AddedColumns">The columns that PostgreSQL does not have yet; all of them for a new table.</param>
public sealed record FeatureTableDdlPlan(
    FeatureTableChange Change,
    string Name,
    string ConventionId,
    FeatureCardinality Cardinality,
    IReadOnlyList<FeatureColumn> Columns,
    IReadOnlyList<FeatureColumn> AddedColumns,
    int SchemaVersion);

/// <summary>How a feature table may change from one version of its convention to the next.</summary>
public static class FeatureTableEvolution
{
    private const int MaxNameLength = 63;

    /// <summary>Plans the way from the catalog's entry to what <paramref name="manifest"/> declares. Declarations are compared by column name, not by order.</summary>
    /// <param name="existing">The catalog's entry under the manifest's name, or null.</param>
    /// <param name="isTaken">Tells which names are taken, so that a conflict proposes one that is free; null: none is.</param>
    /// <exception cref="OsaException">
    /// AlreadyExists: the name belongs to another convention; the message names it and a free name.
    /// FailedPrecondition: the declaration is not compatible; one violation per difference.
    /// </exception>
    public static FeatureTableDdlPlan Plan(FeatureTable? existing, string conventionId, HookManifest manifest, Func<string, bool>? isTaken = null)
    {
        FeatureColumn[] declared = [.. manifest.Columns.Select(FeatureColumn.Of)];
        if (existing is null)
            return new FeatureTableDdlPlan(FeatureTableChange.Create, manifest.Name, conventionId, manifest.Cardinality, declared, declared, SchemaVersion: 1);

        if (!string.Equals(existing.ConventionId, conventionId, StringComparison.Ordinal))
            throw Conflict(existing, conventionId, isTaken);

        List<Violation> differences = Differences(existing, manifest);
        if (differences.Count > 0)
        {
            throw new OsaException(
                ErrorCode.FailedPrecondition,
                $"feature table '{existing.Name}' cannot change like this: {string.Join("; ", differences.Select(d => d.Message))}. Declare these columns as before, or give the hook a new name",
                differences);
        }

        var byName = declared.ToDictionary(c => c.Name);
        FeatureColumn[] added = [.. declared.Where(c => existing.Columns.All(e => e.Name != c.Name))];
        FeatureColumn[] columns = [.. existing.Columns.Select(e => e with { Declared = byName.ContainsKey(e.Name) }), .. added];
        FeatureTableChange change = columns.SequenceEqual(existing.Columns) ? FeatureTableChange.Keep : FeatureTableChange.Extend;
        return new FeatureTableDdlPlan(
            change, existing.Name, conventionId, existing.Cardinality, columns, added, existing.SchemaVersion + (added.Length > 0 ? 1 : 0));
    }

    /// <summary>A valid hook name made of the convention's id and the name it asked for, numbered until it is free.</summary>
    public static string ProposeName(string conventionId, string name, Func<string, bool>? isTaken = null)
    {
        string owner = conventionId.Replace('-', '_');
        if (owner[0] is < 'a' or > 'z')
            owner = "c_" + owner;
        for (int n = 1; ; n++)
        {
            string suffix = n == 1 ? "_" + name : $"_{name}_{n}";
            // A name of 63 characters has no room for an owner in front: it gives way.
            if (suffix.Length > MaxNameLength - 8)
                suffix = suffix[..(MaxNameLength - 12)] + (n == 1 ? "" : $"_{n}");
            string proposal = owner[..Math.Min(owner.Length, MaxNameLength - suffix.Length)] + suffix;
            if (isTaken is null || !isTaken(proposal))
                return proposal;
        }
    }

    private static OsaException Conflict(FeatureTable existing, string conventionId, Func<string, bool>? isTaken)
    {
        string message = $"the feature table name '{existing.Name}' belongs to convention '{existing.ConventionId}'; '{ProposeName(conventionId, existing.Name, isTaken)}' is free";
        return new OsaException(ErrorCode.AlreadyExists, message, [new Violation(existing.Name, "feature_table_owner", message)]);
    }

    private static List<Violation> Differences(FeatureTable existing, HookManifest manifest)
    {
        string table = existing.Name;
        var differences = new List<Violation>();
        if (existing.Cardinality != manifest.Cardinality)
        {
            differences.Add(new Violation(
                $"{table}.cardinality", "cardinality_changed", $"cardinality was {Word(existing.Cardinality)} and is now {Word(manifest.Cardinality)}"));
        }

        var known = existing.Columns.ToDictionary(c => c.Name);
        foreach (FeatureColumn column in manifest.Columns.Select(FeatureColumn.Of))
        {
            string path = $"{table}.columns.{column.Name}";
            if (!known.TryGetValue(column.Name, out FeatureColumn? before))
            {
                if (column.Required)
                    differences.Add(new Violation(path, "required_column_added", $"column '{column.Name}' is new and required; a new column must be optional"));
            }
            else if (before.Type != column.Type || before.StoredAs != column.StoredAs)
            {
                differences.Add(new Violation(path, "type_changed", $"column '{column.Name}' was {Describe(before)} and is now {Describe(column)}"));
            }
            else if (before.Required != column.Required)
            {
                differences.Add(new Violation(
                    path, "required_changed", $"column '{column.Name}' was {Necessity(before)} and is now {Necessity(column)}"));
            }
        }

        var declared = manifest.Columns.Select(c => c.Name).ToHashSet(StringComparer.Ordinal);
        foreach (FeatureColumn column in existing.Columns.Where(c => c.Required && !declared.Contains(c.Name)))
        {
            differences.Add(new Violation(
                $"{table}.columns.{column.Name}", "required_column_dropped", $"required column '{column.Name}' ({Describe(column)}) is no longer declared"));
        }

        return differences;
    }

    private static string Describe(FeatureColumn column)
    {
        string type = column.Type.ToString().ToLowerInvariant();
        return column.Format is null ? type : $"{type} ({column.Format})";
    }

    private static string Necessity(FeatureColumn column) => column.Required ? "required" : "optional";

    private static string Word(FeatureCardinality cardinality) => cardinality == FeatureCardinality.One ? "one" : "many";
}
