using System.Buffers;

namespace Osa.Cli.Output;

/// <summary>Lines of CSV (RFC 4180) as an export has them: nothing at all is null, an empty text is quoted, and values keep their line breaks.</summary>
internal static class Csv
{
    private static readonly SearchValues<char> Special = SearchValues.Create(",\"\r\n");

    public static string Line(IEnumerable<string?> values) => string.Join(',', values.Select(Field));

    private static string Field(string? value) => value switch
    {
        null => "",
        _ when value.Length == 0 || value.AsSpan().ContainsAny(Special) => $"\"{value.Replace("\"", "\"\"")}\"",
        _ => value,
    };
}
