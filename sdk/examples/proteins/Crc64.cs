namespace Osa.Examples.Proteins;

/// <summary>
/// The checksum on the SQ line of every UniProt entry (CRC-64 of ISO 3309 with the polynomial x^64 + x^4 + x^3 + x + 1), by which a
/// sequence can be compared with UniProt's without the sequence itself.
/// </summary>
internal static class Crc64
{
    private const ulong ReversedPolynomial = 0xD800_0000_0000_0000;

    private static readonly ulong[] Table = [.. Enumerable.Range(0, 256).Select(entry => Step((ulong)entry))];

    /// <summary>16 upper-case hex digits.</summary>
    public static string Of(string sequence)
    {
        var crc = 0UL;
        foreach (var letter in sequence)
            crc = Table[(byte)crc ^ (byte)letter] ^ (crc >> 8);
        return crc.ToString("X16");
    }

    private static ulong Step(ulong value)
    {
        for (var bit = 0; bit < 8; bit++)
            value = (value & 1) == 0 ? value >> 1 : (value >> 1) ^ ReversedPolynomial;
        return value;
    }
}
