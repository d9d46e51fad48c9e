using System.Buffers;
using System.Text;
using Osa.Domain.Conventions;
using Osa.Domain.Errors;
using Osa.Domain.Hooks;
using Osa.Domain.Json;
using Osa.Domain.Names;

namespace Osa.Domain.Depositions;

/// <summary>A file of a deposition, as far as rules look at it.</summary>
/// <param name="Size">Bytes.</param>
public sealed record SubmittedFile(string Name, long Size);

/// <summary>What files a deposition may carry: their names always, their type, size and number as its convention says.</summary>
public static class FileRules
{
    private static readonly SearchValues<char> NotPortable = SearchValues.Create("/\\<>:\"|?*");

    private static readonly HashSet<string> WindowsDevices = new(
        ["con", "prn", "aux", "nul", .. Enumerable.Range(0, 10).SelectMany(i => (string[])[$"com{i}", $"lpt{i}"])],
        StringComparer.OrdinalIgnoreCase);

    /// <summary>
    /// Why the name cannot be a file's, or null. Names are portable, since records are read on every system: 1 to 200 bytes of
    /// UTF-8, no path, no control characters, none of <c>&lt; &gt; : " | ? *</c>, not a Windows device, no blank at either end and no
    /// dot at the end, accented letters composed.
    /// </summary>
    /// <param name="field">The request field that the name came from.</param>
    public static Violation? CheckName(string name, NodeLimits limits, string field = "name") =>
        NameProblem(name, limits) is { } problem ? new Violation(field, "file_name", $"{Shown.Quote(name)} cannot be a file's name: it {problem}") : null;

    /// <summary>Everything that is wrong with adding a file: name, type, size where it is known, and one file too many.</summary>
    /// <param name="size">Bytes, or null while they are not known.</param>
    /// <param name="otherFiles">How many files the deposition has under other names.</param>
    public static IReadOnlyList<Violation> CheckUpload(FileRequirements requirements, NodeLimits limits, string name, long? size, int otherFiles)
    {
        var violations = new ViolationList();
        if (CheckName(name, limits) is { } violation)
        {
            violations.Add(violation.Field, violation.Rule, violation.Message);
        }
        else if (!IsAccepted(requirements, name))
        {
            violations.Add("name", "accepted_types", $"{Shown.Quote(name)} {TypeProblem(requirements)}");
        }

        if (size > requirements.MaxFileSize)
        {
            violations.Add("size", "max_file_size", SizeProblem(requirements, size.Value));
        }

        if (otherFiles >= requirements.MaxCount)
        {
            violations.Add("files", "max_count", $"would be {otherFiles + 1}; the convention takes at most {requirements.MaxCount}; delete one first");
        }

        return violations.ToList();
    }

    /// <summary>Everything in which the files together break the convention; empty when they may be submitted.</summary>
    public static IReadOnlyList<Violation> CheckSubmit(FileRequirements requirements, IReadOnlyList<SubmittedFile> files)
    {
        var violations = new ViolationList();
        if (files.Count < requirements.MinCount)
        {
            violations.Add("files", "min_count", $"are {files.Count}; the convention needs at least {requirements.MinCount}{OfTypes(requirements)}");
        }

        if (files.Count > requirements.MaxCount)
        {
            violations.Add("files", "max_count", $"are {files.Count}; the convention takes at most {requirements.MaxCount}");
        }

        foreach (SubmittedFile file in files)
        {
            string path = JsonPath.Member("files", file.Name);
            if (!IsAccepted(requirements, file.Name))
            {
                violations.Add(path, "accepted_types", TypeProblem(requirements));
            }

            if (file.Size > requirements.MaxFileSize)
            {
                violations.Add(path, "max_file_size", SizeProblem(requirements, file.Size));
            }
        }

        return violations.ToList();
    }

    /// <summary>True where the name ends in one of the accepted suffixes, in any case, and is more than the suffix.</summary>
    public static bool IsAccepted(FileRequirements requirements, string name) =>
        requirements.AcceptedTypes.Count == 0
        || requirements.AcceptedTypes.Any(type => name.Length > type.Length && name.EndsWith(type, StringComparison.OrdinalIgnoreCase));

    private static string? NameProblem(string name, NodeLimits limits) =>
        VisibleText.Problem(name)
        ?? (name.EnumerateRunes().Any(rune => rune == Rune.ReplacementChar) ? "is not valid Unicode"
        : Encoding.UTF8.GetByteCount(name) > limits.MaxFileNameBytes ? $"is longer than {limits.MaxFileNameBytes} bytes of UTF-8"
        : name is "." or ".." ? "stands for a directory"
        : name.AsSpan().IndexOfAny(NotPortable) is >= 0 and var at ? $"has '{name[at]}', which is not allowed in file names everywhere; leave out / \\ < > : \" | ? *"
        : name[^1] == '.' ? "ends in a dot, which some systems drop"
        : WindowsDevices.Contains(name.Split('.')[0].TrimEnd()) ? "names a device on Windows"
        : name.Any(IsDecomposed) ? "has an accent or sound mark as a character of its own; write the composed letter (Unicode NFC)"
        : null);

    /// <summary>
    /// The same name must have one spelling. Where a spelling could differ in practice is what macOS decomposes: Latin, Greek and
    /// Cyrillic accents, Japanese sound marks, Korean letters. Full normal forms need tables that this runtime does not carry.
    /// </summary>
    private static bool IsDecomposed(char c) => c is (>= '\u0300' and <= '\u036F') or '\u3099' or '\u309A' or (>= '\u1100' and <= '\u11FF');

    private static string TypeProblem(FileRequirements requirements) => $"is not of an accepted type: {string.Join(", ", requirements.AcceptedTypes)}";

    private static string SizeProblem(FileRequirements requirements, long size) =>
        $"is {size} bytes ({HookGrammar.FormatBytes(size)}); the convention takes at most {requirements.MaxFileSize} ({HookGrammar.FormatBytes(requirements.MaxFileSize)}) per file";

    private static string OfTypes(FileRequirements requirements) =>
        requirements.AcceptedTypes.Count == 0 ? "" : $" ({string.Join(", ", requirements.AcceptedTypes)})";
}
