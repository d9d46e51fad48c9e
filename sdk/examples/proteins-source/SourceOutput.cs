using System.Text.Json;

namespace Osa.Examples.ProteinSource;

/// <summary>What a source leaves: <c>records.jsonl</c> and <c>session.json</c> in <c>OSA_OUT</c>, files in <c>OSA_FILES</c>.</summary>
internal sealed class SourceOutput(SourceInput input) : IDisposable
{
    private readonly FileStream records = File.Create(Path.Combine(input.OutFolder, "records.jsonl"));

    /// <summary>Where a file of that entry goes; its folder is there.</summary>
    /// <exception cref="UpstreamException">A name could leave its folder.</exception>
    public string PathOf(CatalogueEntry entry, CatalogueFile file)
    {
        if (!IsPlain(entry.Id) || !IsPlain(file.Name))
            throw new UpstreamException($"'{entry.Id}/{file.Name}' cannot be the name of a file");
        var folder = Path.Combine(input.FilesFolder, entry.Id);
        Directory.CreateDirectory(folder);
        return Path.Combine(folder, file.Name);
    }

    /// <summary>One line, in the words of the convention; to be written when its files are there.</summary>
    public void Record(CatalogueEntry entry, DateTimeOffset fetchedAt)
    {
        using (var line = new Utf8JsonWriter(records))
        {
            line.WriteStartObject();
            line.WriteString("source_id", entry.Id);
            line.WriteStartObject("metadata");
            line.WriteString("organism", entry.Organism);
            if (entry.Taxon is { } taxon)
                line.WriteString("taxon", $"NCBITaxon:{taxon}");
            line.WriteString("protein_name", entry.Title);
            line.WriteString("accession", $"uniprot:{entry.Accession}");
            line.WriteString("url", $"https://www.uniprot.org/uniprotkb/{Uri.EscapeDataString(entry.Accession)}/entry");
            line.WriteEndObject();
            line.WriteStartArray("files");
            foreach (var file in entry.Files)
            {
                line.WriteStartObject();
                line.WriteString("name", file.Name);
                line.WriteString("relative_path", $"{entry.Id}/{file.Name}");
                line.WriteEndObject();
            }

            line.WriteEndArray();
            line.WriteString("fetched_at", fetchedAt);
            line.WriteEndObject();
        }

        records.WriteByte((byte)'\n');
    }

    /// <summary>There is more, and it begins there.</summary>
    public void Session(string cursor)
    {
        using var file = File.Create(Path.Combine(input.OutFolder, "session.json"));
        using var json = new Utf8JsonWriter(file);
        json.WriteStartObject();
        json.WriteString("cursor", cursor);
        json.WriteEndObject();
    }

    public void Dispose() => records.Dispose();

    private static bool IsPlain(string name) =>
        name is { Length: > 0 and <= 200 } && name[0] != '.' && name.All(letter => char.IsAsciiLetterOrDigit(letter) || letter is '.' or '_' or '-');
}
