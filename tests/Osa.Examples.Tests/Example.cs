using System.Text.Json;
using Osa.Examples.Proteins;

namespace Osa.Examples.Tests;

/// <summary>The example as it lies in the repository.</summary>
internal static class Example
{
    public static string Folder { get; } = Path.Combine(Repository(), "sdk", "examples", "proteins");

    public static string SourceFolder { get; } = Path.Combine(Repository(), "sdk", "examples", "proteins-source");

    public static string DataFile(string name) => Path.Combine(Folder, "data", name);

    public static string Sequence(string name) => Fasta.ReadSingle(name, File.ReadAllBytes(DataFile($"{name}.fasta"))).Sequence;

    public static JsonElement Convention { get; } = JsonElement.Parse(File.ReadAllText(Path.Combine(Folder, "convention.json")));

    /// <summary>Declared columns of a hook with their JSON types, in order.</summary>
    public static IReadOnlyList<(string Name, string Type)> Columns(string hook) =>
        [.. Manifest(hook).GetProperty("feature_schema").GetProperty("columns").EnumerateArray()
            .Select(column => (column.GetProperty("name").GetString()!, column.GetProperty("json_type").GetString()!))];

    /// <summary>Names of the columns declared as integers by any hook.</summary>
    public static IReadOnlySet<string> Integers { get; } =
        new[] { "sequence_check", "protein_properties", "tryptic_peptides" }
            .SelectMany(Columns).Where(column => column.Type == "integer").Select(column => column.Name).ToHashSet();

    public static string Cardinality(string hook) => Manifest(hook).GetProperty("cardinality").GetString()!;

    private static JsonElement Manifest(string hook) =>
        Convention.GetProperty("hooks").EnumerateArray()
            .Select(definition => definition.GetProperty("manifest"))
            .Single(manifest => manifest.GetProperty("name").GetString() == hook);

    private static string Repository()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
        {
            if (File.Exists(Path.Combine(folder.FullName, "OsaOrleans.sln")))
                return folder.FullName;
        }

        throw new InvalidOperationException($"No OsaOrleans.sln above {AppContext.BaseDirectory}");
    }
}
