using System.Text.RegularExpressions;

namespace Osa.Domain.Hosts;

/// <summary>
/// Versions of what confines containers from which a container is known to have a way out, by the numbers that they report. A
/// distribution may have mended an old number: so these are warnings, and never a refusal.
/// </summary>
public static partial class KnownEscapes
{
    /// <summary>A weakness, and from which version of each line on it is mended; other lines below the first are taken as weak.</summary>
    private static readonly (string Part, string Name, Version? From, Version[] Mended)[] Known =
    [
        // https://github.com/opencontainers/runc/security/advisories/GHSA-xr7r-f8xq-vfvv
        ("runc", "CVE-2024-21626", null, [new(1, 1, 12)]),
        // https://github.com/opencontainers/runc/security/advisories/GHSA-9493-h29p-rfm2, GHSA-qw9x-cqr3-wc7r and GHSA-cgrx-mc8f-2prm (November 2025)
        ("runc", "CVE-2025-31133, CVE-2025-52565 and CVE-2025-52881", null, [new(1, 2, 8), new(1, 3, 3), new(1, 4, 0)]),
        // https://dirtypipe.cm4all.com
        ("kernel", "CVE-2022-0847 (Dirty Pipe)", new(5, 8, 0), [new(5, 10, 102), new(5, 15, 25), new(5, 16, 11)]),
    ];

    /// <summary>What is known of these versions, in words; empty for nothing.</summary>
    public static IReadOnlyList<string> Of(string runc, string kernel) =>
    [
        .. Known.Where(k => Parse(k.Part == "runc" ? runc : kernel) is { } version && IsWeak(version, k.From, k.Mended))
            .Select(k => $"{k.Part} {(k.Part == "runc" ? runc : kernel)} reports a version with {k.Name}, by which a container can get out: update it, unless your distribution has mended it under this number"),
    ];

    private static bool IsWeak(Version version, Version? from, Version[] mended) =>
        (from is null || version >= from)
        && (mended.FirstOrDefault(m => m.Major == version.Major && m.Minor == version.Minor) is { } ofLine ? version < ofLine : version < mended[^1]);

    private static Version? Parse(string text) => Numbers().Match(text) is { Success: true } match
        ? new Version(int.Parse(match.Groups[1].Value), int.Parse(match.Groups[2].Value), match.Groups[3].Success ? int.Parse(match.Groups[3].Value) : 0)
        : null;

    [GeneratedRegex(@"(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?", RegexOptions.NonBacktracking)]
    private static partial Regex Numbers();
}
