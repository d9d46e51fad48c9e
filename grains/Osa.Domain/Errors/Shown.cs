using System.Text;

namespace Osa.Domain.Errors;

/// <summary>Text from outside as it may stand in a message: short, on one line, and valid Unicode.</summary>
internal static class Shown
{
    /// <summary>The text in quotes, cut after <paramref name="max"/> characters.</summary>
    public static string Quote(string text, int max = 80) => $"'{Clean(text, max)}'";

    /// <summary>Control characters and lone surrogates become U+FFFD; the cut never splits a character.</summary>
    public static string Clean(string text, int max = 80)
    {
        var shown = new StringBuilder(Math.Min(text.Length, max) + 1);
        int count = 0;
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (count++ == max)
            {
                return shown.Append('…').ToString();
            }

            shown.Append(Rune.IsControl(rune) ? "\uFFFD" : rune.ToString());
        }

        return shown.ToString();
    }

    /// <summary>"did you mean 'x'?" where one of <paramref name="allowed"/> is near, else the list of them.</summary>
    public static string Nearest(string text, IReadOnlyCollection<string> allowed)
    {
        if (allowed.Count == 0)
        {
            return "none is allowed here";
        }

        // Distance is only worth its price between a few names that people type.
        string? near = text.Length > 64 || allowed.Count > 500
            ? null
            : allowed.Where(candidate => candidate.Length <= 64)
                .Select(candidate => (Name: candidate, Distance: Distance(text, candidate)))
                .Where(pair => pair.Distance <= Math.Max(1, pair.Name.Length / 3))
                .OrderBy(pair => pair.Distance)
                .Select(pair => pair.Name)
                .FirstOrDefault();
        string some = string.Join(", ", allowed.Take(12).Select(name => Clean(name, 40)));
        string more = allowed.Count > 12 ? $" and {allowed.Count - 12} more" : "";
        return near is null ? $"allowed are: {some}{more}" : $"did you mean {Quote(near)}?";
    }

    /// <summary>Edits (insert, delete, replace) between the two, without regard to case.</summary>
    public static int Distance(string left, string right)
    {
        int[] previous = [.. Enumerable.Range(0, right.Length + 1)];
        int[] current = new int[right.Length + 1];
        for (int i = 0; i < left.Length; i++)
        {
            current[0] = i + 1;
            for (int j = 0; j < right.Length; j++)
            {
                int replace = previous[j] + (char.ToLowerInvariant(left[i]) == char.ToLowerInvariant(right[j]) ? 0 : 1);
                current[j + 1] = Math.Min(replace, Math.Min(previous[j + 1], current[j]) + 1);
            }

            (previous, current) = (current, previous);
        }

        return previous[right.Length];
    }
}
