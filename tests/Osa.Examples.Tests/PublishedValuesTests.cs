using Osa.Examples.Proteins;

namespace Osa.Examples.Tests;

/// <summary>What the example computes, against numbers that others have published of the same sequences.</summary>
public sealed class PublishedValuesTests
{
    /// <summary>An antibody's light-chain domain that ExPASy's ProtParam has characterised.</summary>
    private const string LightChain =
        "QIVLSQSPAILSASPGEKVTMTCRASSSVSYIHWFQQKPGSSPKPWIYATSNLASGVPVRFEGSGSGTDYSLTISRVEAEDDATYYCQQETEDPPTFGGGTKLEIK";

    /// <summary>The protein of Biopython's ProtParam tests.</summary>
    private const string GrowthFactor =
        "MAEGEITTFTALTEKFNLPPGNYKKPKLLYCSNGGHFLRILPDGTVDGTRDRSDQHIQLQLSAESVGEVYIKSTETGQYLAMDTSGLLYGSQTPSEECLFLERLEENHYNTYTSKKHAEKNWFVGLKKNGSCKRGPRTHYGQKAILFLPLPV";

    private static readonly string LysozymePrecursor = "MRSLLILVLCFLPLAALG" + Example.Sequence("lysozyme");

    [Theory]
    [InlineData("insulin", 110)]
    [InlineData("ubiquitin", 76)]
    [InlineData("lysozyme", 129)]
    [InlineData("myoglobin", 154)]
    public void The_data_have_the_published_number_of_residues(string name, int residues) =>
        Assert.Equal(residues, Example.Sequence(name).Length);

    [Theory]
    [InlineData("insulin", "C2C3B23B85E520E5")]
    [InlineData("myoglobin", "E74911B6C6851761")]
    public void The_data_have_the_checksum_of_their_UniProt_entry(string name, string checksum) =>
        Assert.Equal(checksum, Crc64.Of(Example.Sequence(name)));

    [Fact]
    public void Molecular_weights_are_those_of_the_UniProt_entries()
    {
        // UniProt states whole g/mol.
        Assert.Equal(11981, ProteinProperties.MolecularWeight(Example.Sequence("insulin")), 1.0);
        Assert.Equal(17078, ProteinProperties.MolecularWeight(Example.Sequence("myoglobin")), 1.0);
        Assert.Equal(16239, ProteinProperties.MolecularWeight(LysozymePrecursor), 1.0);
        var polyubiquitin = string.Concat(Enumerable.Repeat(Example.Sequence("ubiquitin"), 9)) + "V";
        Assert.Equal(685, polyubiquitin.Length);
        Assert.Equal(77039, ProteinProperties.MolecularWeight(polyubiquitin), 1.0);
    }

    [Fact]
    public void Molecular_weights_are_those_of_ProtParam()
    {
        Assert.Equal(8564.84, ProteinProperties.MolecularWeight(Example.Sequence("ubiquitin")), 0.02);
        Assert.Equal(14313.1, ProteinProperties.MolecularWeight(Example.Sequence("lysozyme")), 0.1);
        Assert.Equal(11409.65, ProteinProperties.MolecularWeight(LightChain), 0.02);
    }

    [Fact]
    public void Masses_are_those_of_Biopython()
    {
        // Its average masses rest on newer atomic weights than ProtParam's, which is 12 ppm here.
        Assert.Equal(17103.16, ProteinProperties.MolecularWeight(GrowthFactor), 0.25);
        Assert.Equal(17092.61, ProteinProperties.MonoisotopicMass(GrowthFactor), 0.01);
    }

    [Fact]
    public void Isoelectric_points_are_those_of_ProtParam_on_the_scale_of_Bjellqvist()
    {
        Assert.Equal(9.32, IsoelectricPoint.Of(Example.Sequence("lysozyme")), 0.005);
        Assert.Equal(6.56, IsoelectricPoint.Of(Example.Sequence("ubiquitin")), 0.005);
        Assert.Equal(5.22, IsoelectricPoint.Of(Example.Sequence("insulin")), 0.005);
        Assert.Equal(7.72, IsoelectricPoint.Of(GrowthFactor), 0.005);
    }

    [Fact]
    public void Hydropathy_extinction_and_aromaticity_are_those_of_ProtParam()
    {
        Assert.Equal(-0.5974, ProteinProperties.Gravy(GrowthFactor), 0.000_05);
        Assert.Equal(17420, ProteinProperties.Extinction280(GrowthFactor, cystines: false));
        Assert.Equal(17545, ProteinProperties.Extinction280(GrowthFactor, cystines: true));
        Assert.Equal(0.10, ProteinProperties.Aromaticity(GrowthFactor), 0.005);
        Assert.Equal(37970, ProteinProperties.Extinction280(Example.Sequence("lysozyme"), cystines: true));
    }

    [Fact]
    public void Every_property_of_a_light_chain_is_the_one_that_ProtParam_states()
    {
        Assert.Equal(106, LightChain.Length);
        Assert.Equal(11409.65, ProteinProperties.MolecularWeight(LightChain), 0.02);
        Assert.Equal(4.97, IsoelectricPoint.Of(LightChain), 0.005);
        Assert.Equal(-0.414, ProteinProperties.Gravy(LightChain), 0.000_5);
        Assert.Equal(18450, ProteinProperties.Extinction280(LightChain, cystines: false));
        Assert.Equal(18575, ProteinProperties.Extinction280(LightChain, cystines: true));
        int[] published = [7, 2, 4, 7, 3, 9, 1, 6, 5, 5, 1, 1, 8, 6, 3, 16, 9, 6, 2, 5];
        Assert.Equal(published, ProteinProperties.Composition(LightChain).Select(residue => residue.Value));
    }

    /// <summary>Autolysis products of trypsin, by which MALDI spectra are calibrated, as mass of the peptide and one hydrogen atom.</summary>
    [Theory]
    [InlineData("VATVSLPR", 842.509975)]
    [InlineData("NKPGVYTK", 906.504889)]
    [InlineData("LSSPATLNSR", 1045.564195)]
    [InlineData("LGEHNIDVLEGNEQFINAAK", 2211.104580)]
    public void Peptides_of_trypsin_itself_have_the_published_masses(string peptide, double published) =>
        Assert.Equal(published - 1.007825, new Peptide(1, peptide, 0).MonoisotopicMass, 0.000_02);

    [Fact]
    public void Ions_have_the_mass_over_charge_of_the_worked_example_of_OpenMS()
    {
        var peptide = new Peptide(1, "DFPIANGER", 0);
        Assert.Equal(1017.487964, peptide.MonoisotopicMass, 0.000_005);
        Assert.Equal(509.751259, peptide.MassToCharge(2), 0.000_005);
    }

    [Fact]
    public void Monoisotopic_masses_follow_from_the_elements()
    {
        foreach (var (letter, c, h, n, o, s) in ElementalCompositions)
        {
            // Atomic Mass Evaluation 2020, in Da.
            var mass = (c * 12.0) + (h * 1.007825032) + (n * 14.003074004) + (o * 15.994914619) + (s * 31.972071174);
            Assert.Equal(mass, AminoAcids.Of(letter).MonoisotopicMass, 0.000_001_5);
        }
    }

    [Fact]
    public void Average_masses_follow_from_the_elements()
    {
        foreach (var (letter, c, h, n, o, s) in ElementalCompositions)
        {
            // Conventional atomic weights, in g/mol; ExPASy's table is older in the last digits.
            var mass = (c * 12.011) + (h * 1.008) + (n * 14.007) + (o * 15.999) + (s * 32.06);
            Assert.Equal(mass, AminoAcids.Of(letter).AverageMass, 0.006);
        }
    }

    /// <summary>Atoms of C, H, N, O and S in each residue.</summary>
    private static readonly (char Letter, int C, int H, int N, int O, int S)[] ElementalCompositions =
    [
        ('A', 3, 5, 1, 1, 0), ('C', 3, 5, 1, 1, 1), ('D', 4, 5, 1, 3, 0), ('E', 5, 7, 1, 3, 0), ('F', 9, 9, 1, 1, 0),
        ('G', 2, 3, 1, 1, 0), ('H', 6, 7, 3, 1, 0), ('I', 6, 11, 1, 1, 0), ('K', 6, 12, 2, 1, 0), ('L', 6, 11, 1, 1, 0),
        ('M', 5, 9, 1, 1, 1), ('N', 4, 6, 2, 2, 0), ('P', 5, 7, 1, 1, 0), ('Q', 5, 8, 2, 2, 0), ('R', 6, 12, 4, 1, 0),
        ('S', 3, 5, 1, 2, 0), ('T', 4, 7, 1, 2, 0), ('V', 5, 9, 1, 1, 0), ('W', 11, 10, 2, 1, 0), ('Y', 9, 9, 1, 2, 0),
    ];
}
