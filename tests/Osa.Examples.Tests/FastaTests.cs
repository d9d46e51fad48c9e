using System.Text;
using Osa.Examples.Proteins;

namespace Osa.Examples.Tests;

public sealed class FastaTests
{
    [Fact]
    public void A_letter_that_is_no_amino_acid_is_named_with_file_record_and_position()
    {
        var rejection = Rejection(File.ReadAllText(Example.DataFile("broken.fasta")));

        Assert.Equal(
            "f.fasta: record 'sp|P01308|INS_HUMAN': 'X' at position 42 (line 2, column 42) is not an amino acid: " +
            "'X' stands for more than one amino acid, so the mass is undefined: deposit the resolved sequence",
            rejection);
    }

    [Fact]
    public void Positions_count_residues_across_lines_and_columns_count_the_line() =>
        Assert.StartsWith("f.fasta: record 'a': '1' at position 5 (line 3, column 2) is not an amino acid", Rejection(">a\nMKW\nG1\n"), StringComparison.Ordinal);

    [Theory]
    [InlineData("B", "more than one amino acid")]
    [InlineData("Z", "more than one amino acid")]
    [InlineData("J", "more than one amino acid")]
    [InlineData("U", "selenocysteine")]
    [InlineData("O", "pyrrolysine")]
    [InlineData("*", "translation stop")]
    [InlineData("-", "alignment gap")]
    [InlineData("é", "U+00E9")]
    [InlineData("\u001b", "U+001B")]
    public void Every_other_letter_is_explained(string letter, string explanation) =>
        Assert.Contains(explanation, Rejection($">a\nMK{letter}\n"), StringComparison.Ordinal);

    [Theory]
    [InlineData("", "the file is empty")]
    [InlineData("\n\n", "the file is empty")]
    [InlineData("MKW\n", "line 1: sequence without a header")]
    [InlineData(">\nMKW\n", "line 1: the header has no identifier")]
    [InlineData(">a\n", "record 'a' has no sequence")]
    [InlineData(">a\n>b\nMKW\n", "record 'a' has no sequence")]
    [InlineData(">a one\nMKW\n>a two\nMKW\n", "line 3: a second record is called 'a'")]
    [InlineData(">a\nMKW\n>b\nMKW\n", "2 sequences (a, b), expected one: make one deposition per protein")]
    [InlineData(">a\tb\u0001\nMKW\n", "the header has control characters")]
    public void A_malformed_file_is_rejected_with_the_fix(string content, string reason) =>
        Assert.Contains(reason, Rejection(content), StringComparison.Ordinal);

    [Fact]
    public void A_header_without_end_is_rejected() =>
        Assert.Contains("at most 1000 are read", Rejection(">" + new string('a', 1_001) + "\nM\n"), StringComparison.Ordinal);

    [Fact]
    public void A_file_that_is_not_text_is_rejected() =>
        Assert.Contains("not a text file", Assert.Throws<RejectException>(() => Fasta.ReadSingle("f.fasta", [0x3e, 0xff, 0xfe])).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("sp|P01308|INS_HUMAN", "P01308")]
    [InlineData("insulin", null)]
    [InlineData("a||b", null)]
    public void The_accession_is_read_from_headers_of_UniProts_form_only(string identifier, string? accession) =>
        Assert.Equal(accession, new ProteinSequence(identifier, "", "M").UniProtAccession);

    private static string Rejection(string content) =>
        Assert.Throws<RejectException>(() => Fasta.ReadSingle("f.fasta", Encoding.UTF8.GetBytes(content))).Message;
}
