using System.Globalization;
using System.Text.Json.Nodes;
using Osa.V1;
using Sylvan.Data.Csv;

namespace Osa.Cli.Input;

/// <summary>One of many depositions that are to be made.</summary>
/// <param name="Name">What the person who gave them knows it by: the folder, or the row.</param>
internal sealed record PlannedDeposition(string Name, JsonObject Metadata, IReadOnlyList<FileInfo> Files);

/// <summary>
/// Many depositions from a directory (a folder for each, with its <c>metadata.json</c> and its files) or from a CSV table (a row for
/// each; columns are the convention's fields, <c>files</c> lists paths beside the table, several values are separated by <c>;</c>).
/// Everything that can be wrong is said before anything is made.
/// </summary>
internal static class DepositionSet
{
    private const string MetadataFile = "metadata.json";
    private const string FilesColumn = "files";
    private const int MostProblems = 50;

    /// <exception cref="UsageException">Every problem, a line for each.</exception>
    public static async Task<IReadOnlyList<PlannedDeposition>> FromDirectoryAsync(DirectoryInfo directory, CancellationToken cancellationToken)
    {
        var planned = new List<PlannedDeposition>();
        var problems = new List<string>();
        foreach (var folder in directory.GetDirectories().OrderBy(static folder => folder.Name, StringComparer.Ordinal))
        {
            var metadata = Path.Combine(folder.FullName, MetadataFile);
            if (!File.Exists(metadata))
            {
                problems.Add($"{folder.Name}: there is no {MetadataFile} in it");
                continue;
            }

            problems.AddRange(folder.GetDirectories().Select(inner => $"{folder.Name}: has a folder {inner.Name}; a deposition's files stand side by side"));
            try
            {
                planned.Add(new PlannedDeposition(
                    folder.Name,
                    await JsonDocumentFile.ReadObjectAsync(metadata, cancellationToken),
                    [.. folder.GetFiles().Where(static file => file.Name != MetadataFile).OrderBy(static file => file.Name, StringComparer.Ordinal)]));
            }
            catch (UsageException error)
            {
                problems.Add(error.Message);
            }
        }

        return Complete(planned, problems, $"{directory.FullName} has no folders: each deposition has one, with its {MetadataFile} and files");
    }

    /// <param name="fields">The convention's, for the types of the columns.</param>
    /// <exception cref="UsageException">Every problem, a line for each.</exception>
    public static IReadOnlyList<PlannedDeposition> FromTable(FileInfo table, IReadOnlyList<Field> fields)
    {
        var planned = new List<PlannedDeposition>();
        var problems = new List<string>();
        var byName = fields.ToDictionary(static field => field.Name, StringComparer.Ordinal);
        try
        {
            using var reader = CsvDataReader.Create(table.OpenText(), new CsvDataReaderOptions { Delimiter = ',', HasHeaders = true, CsvStyle = CsvStyle.Standard });
            var header = Enumerable.Range(0, reader.FieldCount).Select(reader.GetName).ToList();
            problems.AddRange(header.Where(name => name != FilesColumn && !byName.ContainsKey(name))
                .Select(name => $"{table.Name}: column '{name}' is no field of the convention; it has {string.Join(", ", byName.Keys)}, and {FilesColumn}"));
            problems.AddRange(header.GroupBy(static name => name).Where(static group => group.Count() > 1).Select(group => $"{table.Name}: two columns are named '{group.Key}'"));
            while (problems.Count < MostProblems && (problems.Count == 0 || planned.Count > 0) && reader.Read())
            {
                var name = $"{table.Name} row {reader.RowNumber}";
                if (reader.RowFieldCount != header.Count)
                {
                    problems.Add($"{name}: has {reader.RowFieldCount} values under {header.Count} columns");
                }

                var metadata = new JsonObject();
                foreach (var (column, i) in header.Select(static (column, i) => (column, i)).Where(pair => byName.ContainsKey(pair.column) && pair.i < reader.RowFieldCount))
                {
                    Set(metadata, byName[column], reader.GetString(i).Trim(), name, problems);
                }

                var at = header.IndexOf(FilesColumn);
                var files = (at >= 0 && at < reader.RowFieldCount ? Parts(reader.GetString(at)) : []).ConvertAll(path => new FileInfo(Path.Combine(table.DirectoryName!, path)));
                problems.AddRange(files.Where(static file => !file.Exists).Select(file => $"{name}: there is no file {file.FullName}"));
                problems.AddRange(files.GroupBy(static file => file.Name).Where(static group => group.Count() > 1).Select(group => $"{name}: two files are named {group.Key}"));
                planned.Add(new PlannedDeposition(name, metadata, files));
            }
        }
        catch (Exception error) when (error is CsvFormatException or CsvMissingHeadersException)
        {
            throw new UsageException($"{table.Name}: {error.Message}");
        }

        return Complete(planned, problems, $"{table.Name} has no rows");
    }

    private static List<PlannedDeposition> Complete(List<PlannedDeposition> planned, List<string> problems, string nothing) =>
        problems.Count > 0 ? throw new UsageException($"nothing was deposited:\n{string.Join('\n', problems.Take(MostProblems))}{(problems.Count >= MostProblems ? "\nand perhaps more" : "")}")
        : planned.Count == 0 ? throw new UsageException(nothing)
        : planned;

    private static void Set(JsonObject metadata, Field field, string text, string name, List<string> problems)
    {
        if (text.Length == 0)
        {
            return;
        }

        var values = (field.Cardinality == "exactly_one" ? [text] : Parts(text)).Select(part => Value(field, part, name, problems)).ToArray();
        metadata[field.Name] = field.Cardinality == "exactly_one" ? values[0] : new JsonArray(values);
    }

    private static JsonValue? Value(Field field, string text, string name, List<string> problems)
    {
        switch (field.Type)
        {
            case "number" when decimal.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out var number):
                return JsonValue.Create(number);
            case "boolean" when bool.TryParse(text, out var truth):
                return JsonValue.Create(truth);
            case "number" or "boolean":
                problems.Add($"{name}: {field.Name} is '{text}', which is no {field.Type}");
                return null;
            default:
                return JsonValue.Create(text);
        }
    }

    private static List<string> Parts(string text) => [.. text.Split(';', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)];
}
