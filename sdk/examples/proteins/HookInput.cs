using System.Text.Json;

namespace Osa.Examples.Proteins;

/// <summary>What the node hands to a hook in <c>/osa/in</c>: the deposition's metadata, its one protein, and the hook's configuration.</summary>
internal sealed class HookInput
{
    /// <summary>Largest FASTA file read, in bytes: titin, the longest human protein, has 34,350 residues.</summary>
    public const int MaxFileBytes = 1 << 20;

    private HookInput(string? accession, ProteinSequence protein, string fileName, int missedCleavages)
    {
        Accession = accession;
        Protein = protein;
        FileName = fileName;
        MissedCleavages = missedCleavages;
    }

    /// <summary>Metadata field <c>accession</c>, a CURIE such as <c>uniprot:P01308</c>; null where the deposition has none.</summary>
    public string? Accession { get; }

    public ProteinSequence Protein { get; }

    public string FileName { get; }

    /// <summary>From <c>config.json</c>; 0 where it is silent.</summary>
    public int MissedCleavages { get; }

    /// <summary>Reads <c>record.json</c>, <c>config.json</c> where there is one, and the file in <c>files/</c>.</summary>
    /// <exception cref="RejectException">The deposition's own content breaks a rule.</exception>
    /// <exception cref="IOException">The node did not hand over what the contract promises.</exception>
    /// <exception cref="JsonException">As above.</exception>
    /// <exception cref="InvalidDataException">The configuration is wrong.</exception>
    public static HookInput Read(string folder)
    {
        using var record = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(folder, "record.json")));
        var accession = record.RootElement.TryGetProperty("metadata", out var metadata)
            && metadata.ValueKind == JsonValueKind.Object
            && metadata.TryGetProperty("accession", out var value)
            && value.ValueKind == JsonValueKind.String
                ? value.GetString()
                : null;

        var file = SingleFile(Path.Combine(folder, "files"));
        var length = new FileInfo(file).Length;
        var name = Path.GetFileName(file);
        if (length > MaxFileBytes)
            throw new RejectException($"{name}: {length} bytes, at most {MaxFileBytes} are read: deposit one protein");
        return new HookInput(accession, Fasta.ReadSingle(name, File.ReadAllBytes(file)), name, ReadMissedCleavages(Path.Combine(folder, "config.json")));
    }

    private static string SingleFile(string folder)
    {
        var files = Directory.Exists(folder) ? Directory.GetFiles(folder) : [];
        return files.Length == 1
            ? files[0]
            : throw new RejectException($"{files.Length} files, expected one FASTA file with one protein");
    }

    private static int ReadMissedCleavages(string path)
    {
        if (!File.Exists(path))
            return 0;
        using var config = JsonDocument.Parse(File.ReadAllBytes(path));
        if (!config.RootElement.TryGetProperty("missed_cleavages", out var value))
            return 0;
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var count) && count is >= 0 and <= Trypsin.MaxMissedCleavages
            ? count
            : throw new InvalidDataException($"config.json: missed_cleavages: expected an integer from 0 to {Trypsin.MaxMissedCleavages}, got {value.GetRawText()}");
    }
}
