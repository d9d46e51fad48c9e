using System.Security.Cryptography;
using System.Text;

namespace Osa.Examples.ProteinCatalogue;

/// <summary>One protein, as the catalogue has it from a revision on.</summary>
/// <param name="Revision">The first revision in which it reads so, from 1.</param>
/// <param name="Id">The catalogue's own name of it, which it keeps through all revisions.</param>
/// <param name="Accession">The UniProt entry that the sequence is, or is cut from.</param>
/// <param name="EntryName">The name of that entry where the sequence is the whole of it, such as <c>INS_HUMAN</c>; else null.</param>
/// <param name="Organism">Scientific name.</param>
/// <param name="Taxon">NCBI taxonomy identifier.</param>
internal sealed record Protein(int Revision, string Id, string Accession, string? EntryName, string Organism, int Taxon, string Title, string Sequence)
{
    private const int LineLength = 60;

    /// <summary>Every protein in every revision, in the order of <c>proteins.tsv</c>.</summary>
    public static IReadOnlyList<Protein> All { get; } = Read();

    public string FileName => $"{Id}.fasta";

    /// <summary>Its FASTA file. The header has UniProt's form only where the sequence is the whole entry.</summary>
    public byte[] Fasta
    {
        get
        {
            var fasta = new StringBuilder(EntryName is null ? $">{Id} {Title}, from {Accession}" : $">sp|{Accession}|{EntryName} {Title}")
                .Append($" OS={Organism} OX={Taxon}\n");
            foreach (var line in Sequence.Chunk(LineLength))
                fasta.Append(line).Append('\n');
            return Encoding.ASCII.GetBytes(fasta.ToString());
        }
    }

    /// <summary>Of <see cref="Fasta"/>, in lower-case hex.</summary>
    public string Sha256 => Convert.ToHexStringLower(SHA256.HashData(Fasta));

    private static List<Protein> Read()
    {
        using var table = new StreamReader(typeof(Protein).Assembly.GetManifestResourceStream("proteins.tsv")!);
        var proteins = new List<Protein>();
        // The first line names the columns.
        table.ReadLine();
        while (table.ReadLine() is { } line)
        {
            proteins.Add(line.Split('\t') is [var revision, var id, var accession, var entryName, var organism, var taxon, var title, var sequence]
                ? new Protein(int.Parse(revision), id, accession, entryName == "-" ? null : entryName, organism, int.Parse(taxon), title, sequence)
                : throw new InvalidDataException($"proteins.tsv: expected eight columns, got '{line}'"));
        }

        return proteins;
    }
}
