using CsCheck;
using Osa.Examples.Proteins;

namespace Osa.Examples.Tests;

/// <summary>What holds for every sequence.</summary>
public sealed class PropertyTests
{
    private static readonly Gen<string> Proteins = Gen.Char["ACDEFGHIKLMNPQRSTVWY"].Array[1, 300].Select(letters => new string(letters));

    [Fact]
    public void The_composition_adds_up_to_the_length() =>
        Proteins.Sample(protein => ProteinProperties.Composition(protein).Sum(residue => residue.Value) == protein.Length);

    [Fact]
    public void The_peptides_of_a_full_digest_make_up_the_protein() =>
        Proteins.Sample(protein => string.Concat(Trypsin.Digest(protein, 0).Select(peptide => peptide.Sequence)) == protein);

    [Fact]
    public void The_masses_of_the_peptides_make_up_the_mass_of_the_protein() =>
        Proteins.Sample(protein =>
        {
            var peptides = Trypsin.Digest(protein, 0).ToList();
            var sum = peptides.Sum(peptide => peptide.MonoisotopicMass) - ((peptides.Count - 1) * AminoAcids.WaterMonoisotopic);
            return Math.Abs(sum - ProteinProperties.MonoisotopicMass(protein)) < 1e-6;
        });

    [Fact]
    public void Peptides_lie_where_they_say_and_end_only_where_trypsin_cuts() =>
        Gen.Select(Proteins, Gen.Int[0, Trypsin.MaxMissedCleavages]).Sample((protein, missed) =>
        {
            foreach (var peptide in Trypsin.Digest(protein, missed))
            {
                Assert.Equal(peptide.Sequence, protein[(peptide.Start - 1)..peptide.End]);
                Assert.True(peptide.End == protein.Length || (protein[peptide.End - 1] is 'K' or 'R' && protein[peptide.End] != 'P'));
                Assert.InRange(peptide.MissedCleavages, 0, missed);
                Assert.Equal(peptide.MissedCleavages, Trypsin.Digest(peptide.Sequence, 0).Count() - 1);
            }
        });

    [Fact]
    public void Allowing_more_missed_cleavages_only_adds_peptides() =>
        Gen.Select(Proteins, Gen.Int[0, Trypsin.MaxMissedCleavages - 1]).Sample((protein, missed) =>
            !Trypsin.Digest(protein, missed).Except(Trypsin.Digest(protein, missed + 1)).Any());

    [Fact]
    public void The_charge_is_zero_at_the_isoelectric_point_and_falls_with_pH() =>
        Proteins.Sample(protein =>
        {
            var pI = IsoelectricPoint.Of(protein);
            Assert.Equal(0, IsoelectricPoint.Charge(protein, pI), 0.001 * (protein.Length + 1));
            Assert.True(IsoelectricPoint.Charge(protein, pI - 0.5) > 0);
            Assert.True(IsoelectricPoint.Charge(protein, pI + 0.5) < 0);
        });

    [Fact]
    public void A_written_FASTA_file_reads_back_as_the_same_sequence() =>
        Gen.Select(Proteins, Gen.Int[1, 80], Gen.Bool).Sample((protein, width, crlf) =>
        {
            var newLine = crlf ? "\r\n" : "\n";
            var text = ">id some words" + newLine + string.Join(newLine, protein.ToLowerInvariant().Chunk(width).Select(line => new string(line))) + newLine;
            Assert.Equal(new ProteinSequence("id", "some words", protein), Fasta.ReadSingle("f.fasta", System.Text.Encoding.UTF8.GetBytes(text)));
        });
}
