namespace Osa.Examples.Proteins;

/// <summary>A piece of a digested protein.</summary>
/// <param name="Start">Position of its first residue in the protein, from 1.</param>
/// <param name="MissedCleavages">Sites inside it that the enzyme left uncut.</param>
internal readonly record struct Peptide(int Start, string Sequence, int MissedCleavages)
{
    /// <summary>Position of its last residue in the protein, from 1.</summary>
    public int End => Start + Sequence.Length - 1;

    /// <summary>In Da.</summary>
    public double MonoisotopicMass => ProteinProperties.MonoisotopicMass(Sequence);

    /// <summary>Monoisotopic mass over charge of the ion with <paramref name="charge"/> protons, in Da per charge.</summary>
    public double MassToCharge(int charge) => (MonoisotopicMass + (charge * AminoAcids.Proton)) / charge;
}

/// <summary>Digestion by trypsin: it cuts after lysine and arginine, but not before proline (Keil, Specificity of Proteolysis, 1992).</summary>
internal static class Trypsin
{
    /// <summary>Greatest number of missed cleavages that a digest can be asked for.</summary>
    public const int MaxMissedCleavages = 5;

    /// <summary>All peptides with up to <paramref name="missedCleavages"/> uncut sites, by start, then by length.</summary>
    public static IEnumerable<Peptide> Digest(string sequence, int missedCleavages)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(missedCleavages, 0);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(missedCleavages, MaxMissedCleavages);
        var ends = Ends(sequence);
        for (var first = 0; first < ends.Count; first++)
        {
            var start = first == 0 ? 0 : ends[first - 1];
            for (var missed = 0; missed <= missedCleavages && first + missed < ends.Count; missed++)
                yield return new Peptide(start + 1, sequence[start..ends[first + missed]], missed);
        }
    }

    /// <summary>Offsets just after each uncuttable piece, the end of the chain included.</summary>
    private static List<int> Ends(string sequence)
    {
        var ends = new List<int>();
        for (var i = 0; i < sequence.Length; i++)
        {
            var isLast = i == sequence.Length - 1;
            if (isLast || (sequence[i] is 'K' or 'R' && sequence[i + 1] != 'P'))
                ends.Add(i + 1);
        }

        return ends;
    }
}
