using System.Globalization;
using System.Text.RegularExpressions;

namespace Osa.Domain.Hooks;

/// <summary>The small languages inside a hook definition: memory, cpu, image references and digests.</summary>
public static partial class HookGrammar
{
    /// <summary>
    /// Bytes for <c>512m</c>, <c>2g</c>, <c>2Gi</c>, <c>1.5g</c>, <c>1024k</c> or <c>1048576</c>, in binary multiples and cut to whole
    /// bytes; null for anything else.
    /// </summary>
    public static long? ParseMemory(string text)
    {
        Match match = Memory().Match(text.Trim());
        if (!match.Success || !decimal.TryParse(match.Groups["number"].Value, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal number))
        {
            return null;
        }

        decimal unit = match.Groups["unit"].Value switch { "g" or "G" => 1L << 30, "m" or "M" => 1L << 20, "k" or "K" => 1L << 10, _ => 1 };
        // Fifteen digits of gigabytes are still far from decimal's end.
        decimal bytes = decimal.Truncate(number * unit);
        return bytes <= long.MaxValue ? (long)bytes : null;
    }

    /// <summary>Cores for <c>0.5</c> or <c>2</c>; null for anything else.</summary>
    public static double? ParseCpu(string text) =>
        Cpu().IsMatch(text.Trim()) ? double.Parse(text.Trim(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture) : null;

    /// <summary>True for <c>sha256:</c> and 64 lower-case hex digits.</summary>
    public static bool IsDigest(string text) => Digest().IsMatch(text);

    /// <summary>True for <c>[host[:port]/]path[:tag][@digest]</c>, as the OCI distribution project writes it.</summary>
    public static bool IsImageReference(string text)
    {
        Match match = Image().Match(text);
        // 64 hex digits alone would be taken for an image id.
        return match.Success && match.Groups["name"].Length <= 255 && !HexId().IsMatch(text);
    }

    /// <summary>Bytes as a person writes them: <c>512 MiB</c>, <c>1.5 GiB</c>, <c>1000 bytes</c>.</summary>
    public static string FormatBytes(long bytes)
    {
        (long unit, string name) = bytes switch
        {
            >= 1L << 30 => (1L << 30, "GiB"),
            >= 1L << 20 => (1L << 20, "MiB"),
            >= 1L << 10 => (1L << 10, "KiB"),
            _ => (1L, "bytes"),
        };
        return $"{((double)bytes / unit).ToString("0.##", CultureInfo.InvariantCulture)} {name}";
    }

    [GeneratedRegex(@"\A(?<number>[0-9]{1,15}(?:\.[0-9]{1,9})?)(?<unit>[gGmMkK])?[iI]?\z", RegexOptions.NonBacktracking)]
    private static partial Regex Memory();

    [GeneratedRegex(@"\A[0-9]{1,9}(?:\.[0-9]{1,9})?\z", RegexOptions.NonBacktracking)]
    private static partial Regex Cpu();

    [GeneratedRegex(@"\Asha256:[0-9a-f]{64}\z", RegexOptions.NonBacktracking)]
    private static partial Regex Digest();

    [GeneratedRegex(@"\A[0-9a-f]{64}\z", RegexOptions.NonBacktracking)]
    private static partial Regex HexId();

    [GeneratedRegex(
        @"\A(?<name>(?:(?:[A-Za-z0-9](?:[A-Za-z0-9\-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9\-]*[A-Za-z0-9])?)*|\[[0-9A-Fa-f:]+\])(?::[0-9]{1,5})?/)?"
        + @"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*)"
        + @"(?::[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127})?(?:@sha256:[0-9a-f]{64})?\z",
        RegexOptions.NonBacktracking)]
    private static partial Regex Image();
}
