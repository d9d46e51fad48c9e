namespace Osa.Examples.Proteins;

/// <summary>What is known of one amino-acid residue: the amino acid less the water it gives up in the chain.</summary>
/// <param name="AverageMass">Average isotopic mass of the residue, in g/mol (ExPASy FindMod's table, as used by ProtParam).</param>
/// <param name="MonoisotopicMass">Mass of the residue of the most abundant isotopes, in Da (Unimod).</param>
/// <param name="Hydropathy">Kyte and Doolittle, J. Mol. Biol. 157 (1982) 105-132, table 2.</param>
internal readonly record struct AminoAcid(char Letter, double AverageMass, double MonoisotopicMass, double Hydropathy);

/// <summary>
/// The 20 amino acids of the genetic code that have a value on every scale used here. Selenocysteine (U) and pyrrolysine (O)
/// have masses, but neither a hydropathy nor a pK on the published scales, so a number for them would be made up.
/// </summary>
internal static class AminoAcids
{
    /// <summary>Average mass of water, in g/mol.</summary>
    public const double WaterAverage = 18.01528;

    /// <summary>Monoisotopic mass of water, in Da.</summary>
    public const double WaterMonoisotopic = 18.010565;

    /// <summary>Mass of a proton, in Da (CODATA).</summary>
    public const double Proton = 1.007276467;

    /// <summary>In the order of the letters.</summary>
    public static IReadOnlyList<AminoAcid> All { get; } =
    [
        new('A', 71.0788, 71.037114, 1.8),
        new('C', 103.1388, 103.009185, 2.5),
        new('D', 115.0886, 115.026943, -3.5),
        new('E', 129.1155, 129.042593, -3.5),
        new('F', 147.1766, 147.068414, 2.8),
        new('G', 57.0519, 57.021464, -0.4),
        new('H', 137.1411, 137.058912, -3.2),
        new('I', 113.1594, 113.084064, 4.5),
        new('K', 128.1741, 128.094963, -3.9),
        new('L', 113.1594, 113.084064, 3.8),
        new('M', 131.1926, 131.040485, 1.9),
        new('N', 114.1038, 114.042927, -3.5),
        new('P', 97.1167, 97.052764, -1.6),
        new('Q', 128.1307, 128.058578, -3.5),
        new('R', 156.1875, 156.101111, -4.5),
        new('S', 87.0782, 87.032028, -0.8),
        new('T', 101.1051, 101.047679, -0.7),
        new('V', 99.1326, 99.068414, 4.2),
        new('W', 186.2132, 186.079313, -0.9),
        new('Y', 163.1760, 163.063329, -1.3),
    ];

    private static readonly AminoAcid?[] ByLetter = Index();

    public static bool Contains(char letter) => letter < ByLetter.Length && ByLetter[letter] is not null;

    /// <exception cref="ArgumentOutOfRangeException">The letter is none of the 20; check a sequence before computing on it.</exception>
    public static AminoAcid Of(char letter) =>
        letter < ByLetter.Length && ByLetter[letter] is { } found ? found : throw new ArgumentOutOfRangeException(nameof(letter), letter, "not an amino acid");

    /// <summary>Why a letter that people do write in sequences is not one of the 20, and what to do about it.</summary>
    public static string Explain(char letter) => letter switch
    {
        'B' or 'J' or 'X' or 'Z' => $"'{letter}' stands for more than one amino acid, so the mass is undefined: deposit the resolved sequence",
        'U' => "selenocysteine has no value on the hydropathy and pK scales computed here: this convention does not take selenoproteins",
        'O' => "pyrrolysine has no value on the hydropathy and pK scales computed here: this convention does not take it",
        '*' => "'*' marks a translation stop: leave it out",
        '-' or '.' => "it marks an alignment gap: deposit the sequence without gaps",
        _ => "use the one-letter codes ACDEFGHIKLMNPQRSTVWY",
    };

    private static AminoAcid?[] Index()
    {
        var index = new AminoAcid?[128];
        foreach (var aminoAcid in All)
            index[aminoAcid.Letter] = aminoAcid;
        return index;
    }
}
