namespace Osa.Examples.Proteins;

/// <summary>Numbers that follow from a sequence alone, computed as ExPASy's ProtParam does (Gasteiger et al., The Proteomics Protocols Handbook, 2005, 571-607).</summary>
internal static class ProteinProperties
{
    /// <summary>Average mass of the unmodified chain with free ends, in g/mol.</summary>
    public static double MolecularWeight(string sequence) => sequence.Sum(letter => AminoAcids.Of(letter).AverageMass) + AminoAcids.WaterAverage;

    /// <summary>Monoisotopic mass of the unmodified chain with free ends, in Da.</summary>
    public static double MonoisotopicMass(ReadOnlySpan<char> sequence)
    {
        var mass = AminoAcids.WaterMonoisotopic;
        foreach (var letter in sequence)
            mass += AminoAcids.Of(letter).MonoisotopicMass;
        return mass;
    }

    /// <summary>Mean hydropathy per residue on the scale of Kyte and Doolittle; positive is hydrophobic.</summary>
    public static double Gravy(string sequence) => sequence.Average(letter => AminoAcids.Of(letter).Hydropathy);

    /// <summary>Share of Phe, Trp and Tyr (Lobry and Gautier, Nucleic Acids Res. 22 (1994) 3174-3180).</summary>
    public static double Aromaticity(string sequence) => (double)sequence.Count(letter => letter is 'F' or 'W' or 'Y') / sequence.Length;

    /// <summary>
    /// Molar extinction at 280 nm in water, in 1/(M cm): 5500 per Trp, 1490 per Tyr, 125 per cystine
    /// (Pace et al., Protein Sci. 4 (1995) 2411-2423).
    /// </summary>
    /// <param name="cystines">True when every pair of cysteines is taken to be oxidised, false when all are reduced.</param>
    public static int Extinction280(string sequence, bool cystines) =>
        (5500 * sequence.Count('W')) + (1490 * sequence.Count('Y')) + (cystines ? 125 * (sequence.Count('C') / 2) : 0);

    /// <summary>How often each of the 20 residues occurs, in the order of their letters, zeros included.</summary>
    public static IReadOnlyList<KeyValuePair<char, int>> Composition(string sequence) =>
        [.. AminoAcids.All.Select(aminoAcid => KeyValuePair.Create(aminoAcid.Letter, sequence.Count(aminoAcid.Letter)))];

    private static int Count(this string sequence, char letter) => sequence.AsSpan().Count(letter);
}
