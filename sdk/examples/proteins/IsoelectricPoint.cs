namespace Osa.Examples.Proteins;

/// <summary>
/// The pH at which a chain carries no net charge, from the pK values of Bjellqvist et al., Electrophoresis 14 (1993) 1023-1031 and
/// 15 (1994) 529-539: the scale of ExPASy's Compute pI and ProtParam. Other scales differ by several tenths of a pH unit.
/// </summary>
internal static class IsoelectricPoint
{
    /// <summary>The pI, to 0.0001 pH units.</summary>
    public static double Of(string sequence)
    {
        // The charge falls strictly with pH, so one root lies between these ends: pK 3.55 and 12.0 are the outermost.
        var (low, high) = (0.0, 14.0);
        while (high - low > 0.000_05)
        {
            var middle = (low + high) / 2;
            if (Charge(sequence, middle) > 0)
                low = middle;
            else
                high = middle;
        }

        return (low + high) / 2;
    }

    /// <summary>Net charge of the chain at <paramref name="pH"/>, in elementary charges.</summary>
    public static double Charge(string sequence, double pH)
    {
        var charge = Positive(AminoTerminus(sequence[0]), pH) - Negative(CarboxylTerminus(sequence[^1]), pH);
        foreach (var letter in sequence)
        {
            charge += letter switch
            {
                'K' => Positive(10.0, pH),
                'R' => Positive(12.0, pH),
                'H' => Positive(5.98, pH),
                'D' => -Negative(4.05, pH),
                'E' => -Negative(4.45, pH),
                'C' => -Negative(9.0, pH),
                'Y' => -Negative(10.0, pH),
                _ => 0,
            };
        }

        return charge;
    }

    private static double AminoTerminus(char first) => first switch
    {
        'A' => 7.59,
        'M' => 7.0,
        'S' => 6.93,
        'P' => 8.36,
        'T' => 6.82,
        'V' => 7.44,
        'E' => 7.7,
        _ => 7.5,
    };

    private static double CarboxylTerminus(char last) => last switch
    {
        'D' => 4.55,
        'E' => 4.75,
        _ => 3.55,
    };

    private static double Positive(double pK, double pH) => 1 / (1 + Math.Pow(10, pH - pK));

    private static double Negative(double pK, double pH) => 1 / (1 + Math.Pow(10, pK - pH));
}
