using System.Text.RegularExpressions;
using Osa.Domain.Errors;

namespace Osa.Containers.Engine;

/// <summary>A reference of an image taken apart: <c>host:port/path:tag@sha256:…</c>.</summary>
/// <param name="Repository">Everything before tag and digest.</param>
/// <param name="Tag"><c>latest</c> when none is given.</param>
internal sealed partial record ImageReference(string Repository, string Tag, string? Digest)
{
    /// <exception cref="OsaException">InvalidArgument: not a reference.</exception>
    public static ImageReference Parse(string text)
    {
        int at = text.IndexOf('@', StringComparison.Ordinal);
        string? digest = at < 0 ? null : text[(at + 1)..];
        string name = at < 0 ? text : text[..at];
        int colon = name.LastIndexOf(':');
        bool tagged = colon > name.LastIndexOf('/');
        string repository = tagged ? name[..colon] : name;
        string tag = tagged ? name[(colon + 1)..] : "latest";
        if (!RepositoryPattern().IsMatch(repository) || !TagPattern().IsMatch(tag))
            throw OsaException.Invalid("image", "image_reference", $"'{text}' is not the reference of an image, such as ghcr.io/group/hook:1.2");
        return new ImageReference(repository, tag, digest is null ? null : CheckDigest(digest));
    }

    /// <exception cref="OsaException">InvalidArgument: not <c>sha256:</c> and 64 hex digits.</exception>
    public static string CheckDigest(string digest) => DigestPattern().IsMatch(digest)
        ? digest
        : throw OsaException.Invalid("digest", "image_digest", $"'{digest}' is not a digest: sha256: and 64 hex digits in lower case");

    public string At(string digest) => $"{Repository}@{digest}";

    /// <summary>The repository as engines abbreviate it.</summary>
    public string FamiliarRepository()
    {
        string name = Repository.StartsWith("docker.io/", StringComparison.Ordinal) ? Repository["docker.io/".Length..] : Repository;
        return name.StartsWith("library/", StringComparison.Ordinal) ? name["library/".Length..] : name;
    }

    [GeneratedRegex(@"\A[a-zA-Z0-9][a-zA-Z0-9._:/\-]{0,254}\z", RegexOptions.NonBacktracking)]
    private static partial Regex RepositoryPattern();

    [GeneratedRegex(@"\A[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127}\z", RegexOptions.NonBacktracking)]
    private static partial Regex TagPattern();

    [GeneratedRegex(@"\Asha256:[0-9a-f]{64}\z", RegexOptions.NonBacktracking)]
    private static partial Regex DigestPattern();
}
