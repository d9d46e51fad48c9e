using System.Text.Json;

namespace Osa.Examples.Proteins;

/// <summary>The three hooks of the convention. Each reads the input itself, so each rejects a bad sequence even when run alone.</summary>
internal static class Hooks
{
    private static readonly (string Name, Action<HookInput, HookOutput> Run)[] All =
    [
        ("sequence_check", SequenceCheck),
        ("protein_properties", Properties),
        ("tryptic_peptides", TrypticPeptides),
    ];

    /// <summary>
    /// The hook of that name, or null. A feature table has one owner, so another convention calls its hooks otherwise: whatever ends in
    /// an underscore and a name is that hook too.
    /// </summary>
    public static Action<HookInput, HookOutput>? Find(string? name) =>
        All.FirstOrDefault(hook => name == hook.Name || name?.EndsWith($"_{hook.Name}", StringComparison.Ordinal) == true).Run;

    /// <summary>Accepts exactly one well-formed sequence, the one that the metadata speak of.</summary>
    private static void SequenceCheck(HookInput input, HookOutput output)
    {
        var protein = input.Protein;
        if (protein.UniProtAccession is { } inHeader
            && input.Accession is { } inMetadata
            && !string.Equals(inMetadata, $"uniprot:{inHeader}", StringComparison.OrdinalIgnoreCase))
            throw new RejectException(
                $"{input.FileName}: the header says accession {inHeader}, the metadata say {inMetadata}: deposit the file of the protein that the metadata describe");

        output.Progress("check", "completed", $"{protein.Identifier}: {protein.Sequence.Length} residues, all of them amino acids");
        output.Features(json =>
        {
            json.WriteStartObject();
            json.WriteString("identifier", protein.Identifier);
            json.WriteString("description", protein.Description);
            json.WriteString("sequence", protein.Sequence);
            json.WriteString("crc64", Crc64.Of(protein.Sequence));
            json.WriteEndObject();
        });
    }

    private static void Properties(HookInput input, HookOutput output)
    {
        var sequence = input.Protein.Sequence;
        output.Features(json =>
        {
            json.WriteStartObject();
            json.WriteNumber("length", sequence.Length);
            json.WriteNumber("molecular_weight", Math.Round(ProteinProperties.MolecularWeight(sequence), 4));
            json.WriteNumber("monoisotopic_mass", Math.Round(ProteinProperties.MonoisotopicMass(sequence), 5));
            json.WriteNumber("isoelectric_point", Math.Round(IsoelectricPoint.Of(sequence), 3));
            json.WriteNumber("gravy", Math.Round(ProteinProperties.Gravy(sequence), 4));
            json.WriteNumber("aromaticity", Math.Round(ProteinProperties.Aromaticity(sequence), 4));
            json.WriteNumber("extinction_280_reduced", ProteinProperties.Extinction280(sequence, cystines: false));
            json.WriteNumber("extinction_280_cystines", ProteinProperties.Extinction280(sequence, cystines: true));
            json.WriteStartObject("composition");
            foreach (var (letter, count) in ProteinProperties.Composition(sequence))
                json.WriteNumber(letter.ToString(), count);
            json.WriteEndObject();
            json.WriteEndObject();
        });
        output.Progress("properties", "completed", $"{sequence.Length} residues");
    }

    private static void TrypticPeptides(HookInput input, HookOutput output)
    {
        var peptides = Trypsin.Digest(input.Protein.Sequence, input.MissedCleavages).ToList();
        output.Features(json =>
        {
            json.WriteStartArray();
            foreach (var peptide in peptides)
                Write(json, peptide);
            json.WriteEndArray();
        });
        output.Progress("digest", "completed", $"{peptides.Count} peptides with up to {input.MissedCleavages} missed cleavages");
    }

    private static void Write(Utf8JsonWriter json, Peptide peptide)
    {
        json.WriteStartObject();
        json.WriteNumber("start_position", peptide.Start);
        json.WriteNumber("end_position", peptide.End);
        json.WriteString("sequence", peptide.Sequence);
        json.WriteNumber("length", peptide.Sequence.Length);
        json.WriteNumber("missed_cleavages", peptide.MissedCleavages);
        json.WriteNumber("monoisotopic_mass", Math.Round(peptide.MonoisotopicMass, 5));
        for (var charge = 1; charge <= 3; charge++)
            json.WriteNumber($"mz_{charge}", Math.Round(peptide.MassToCharge(charge), 5));
        json.WriteEndObject();
    }
}
