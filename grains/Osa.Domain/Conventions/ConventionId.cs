using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace Osa.Domain.Conventions;

/// <summary>The id of a convention whose document names none.</summary>
public static partial class ConventionId
{
    private const int MaxLength = 64;

    /// <summary>
    /// The title in lower case with a hyphen for each run of anything but <c>a-z 0-9</c>, at most 64 characters; <c>convention-</c>
    /// and the title where that leaves less than three; and its SHA-256 where it leaves nothing, as with a title in another script.
    /// </summary>
    public static string FromTitle(string title)
    {
        string slug = Other().Replace(title.ToLowerInvariant(), "-").Trim('-');
        slug = slug.Length > MaxLength ? slug[..MaxLength].TrimEnd('-') : slug;
        return slug.Length switch
        {
            0 => "convention-" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(title)))[..12],
            < 3 => "convention-" + slug,
            _ => slug,
        };
    }

    [GeneratedRegex("[^a-z0-9]+", RegexOptions.NonBacktracking)]
    private static partial Regex Other();
}
