using System.Text;

namespace Osa.Examples.Proteins;

/// <summary>One protein sequence as it stands in a FASTA file.</summary>
/// <param name="Identifier">The header's first word, such as <c>sp|P01308|INS_HUMAN</c>.</param>
/// <param name="Description">The rest of the header line; may be empty.</param>
/// <param name="Sequence">Upper-case letters of the 20 amino acids, at least one.</param>
internal sealed record ProteinSequence(string Identifier, string Description, string Sequence)
{
    /// <summary>The accession of a header in UniProt's form (<c>db|accession|name</c>), else null.</summary>
    public string? UniProtAccession => Identifier.Split('|') is [_, { Length: > 0 } accession, _] ? accession : null;
}

/// <summary>Reads protein FASTA: <c>&gt;identifier description</c>, then lines of one-letter codes in either case.</summary>
internal static class Fasta
{
    /// <summary>Longest header line, in characters.</summary>
    public const int MaxHeader = 1_000;

    /// <summary>The one protein of <paramref name="content"/>.</summary>
    /// <exception cref="RejectException">The file breaks a rule; the message names file, record, position and fix.</exception>
    public static ProteinSequence ReadSingle(string fileName, ReadOnlySpan<byte> content)
    {
        var records = Read(fileName, content);
        return records.Count == 1
            ? records[0]
            : throw new RejectException(
                $"{fileName}: {records.Count} sequences ({string.Join(", ", records.Take(3).Select(record => record.Identifier))}" +
                $"{(records.Count > 3 ? ", ..." : "")}), expected one: make one deposition per protein");
    }

    /// <summary>Every protein of <paramref name="content"/>, at least one, each with its own identifier.</summary>
    /// <exception cref="RejectException">As <see cref="ReadSingle"/>.</exception>
    public static IReadOnlyList<ProteinSequence> Read(string fileName, ReadOnlySpan<byte> content)
    {
        var records = new List<ProteinSequence>();
        var identifiers = new HashSet<string>(StringComparer.Ordinal);
        string? header = null;
        var sequence = new StringBuilder();
        var lineNumber = 0;

        foreach (var rawLine in Decode(fileName, content).EnumerateLines())
        {
            lineNumber++;
            var line = rawLine.TrimEnd();
            if (line.IsEmpty)
                continue;
            if (line[0] == '>')
            {
                Close();
                header = ReadHeader(fileName, line[1..].Trim().ToString(), lineNumber);
                if (!identifiers.Add(Identifier(header)))
                    throw new RejectException($"{fileName}: line {lineNumber}: a second record is called '{Identifier(header)}': give each its own identifier");
                continue;
            }

            if (header is null)
                throw new RejectException($"{fileName}: line {lineNumber}: sequence without a header: begin the file with a line such as '>sp|P01308|INS_HUMAN Insulin'");
            Append(fileName, Identifier(header), line, rawLine.Length - rawLine.TrimStart().Length, lineNumber, sequence);
        }

        if (header is null)
            throw new RejectException($"{fileName}: the file is empty: it needs a header line beginning with '>' and a sequence");
        Close();
        return records;

        void Close()
        {
            if (header is null)
                return;
            if (sequence.Length == 0)
                throw new RejectException($"{fileName}: record '{Identifier(header)}' has no sequence: put it on the lines after its header");
            var identifier = Identifier(header);
            records.Add(new ProteinSequence(identifier, header[identifier.Length..].Trim(), sequence.ToString()));
            sequence.Clear();
        }
    }

    private static string Decode(string fileName, ReadOnlySpan<byte> content)
    {
        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(content);
        }
        catch (DecoderFallbackException)
        {
            throw new RejectException($"{fileName}: not a text file in UTF-8: save it as plain text");
        }
    }

    private static string ReadHeader(string fileName, string header, int lineNumber)
    {
        if (header.Length == 0)
            throw new RejectException($"{fileName}: line {lineNumber}: the header has no identifier: write '>identifier description'");
        if (header.Length > MaxHeader)
            throw new RejectException($"{fileName}: line {lineNumber}: the header has {header.Length} characters, at most {MaxHeader} are read: shorten it");
        return header.Any(char.IsControl)
            ? throw new RejectException($"{fileName}: line {lineNumber}: the header has control characters: remove them")
            : header;
    }

    private static string Identifier(string header)
    {
        var end = header.AsSpan().IndexOfAny(' ', '\t');
        return end < 0 ? header : header[..end];
    }

    private static void Append(string fileName, string identifier, ReadOnlySpan<char> line, int indent, int lineNumber, StringBuilder sequence)
    {
        for (var column = indent; column < line.Length; column++)
        {
            var letter = char.ToUpperInvariant(line[column]);
            if (!AminoAcids.Contains(letter))
                throw new RejectException(
                    $"{fileName}: record '{identifier}': {Show(line[column])} at position {sequence.Length + 1} (line {lineNumber}, column {column + 1}) " +
                    $"is not an amino acid: {AminoAcids.Explain(letter)}");
            sequence.Append(letter);
        }
    }

    private static string Show(char letter) => letter is > ' ' and <= '~' ? $"'{letter}'" : $"U+{(int)letter:X4}";
}

/// <summary>The deposition is rejected with this message: what is wrong and what would be right.</summary>
#pragma warning disable CA1064 // Thrown and caught inside one program.
internal sealed class RejectException(string message) : Exception(message);
#pragma warning restore CA1064
