using CsCheck;
using Osa.Domain.Conventions;
using Osa.Domain.Depositions;

namespace Osa.Domain.Tests.Depositions;

public class FileRulesTests
{
    private static readonly NodeLimits Limits = new();
    private static readonly FileRequirements Fasta = new([".fasta", ".fastq.gz"], 1, 2, 1_000);

    [Theory]
    [InlineData("a")]
    [InlineData("insulin.fasta")]
    [InlineData(".hidden")]
    [InlineData("two words (copy) [1].txt")]
    [InlineData("protéine.fasta")]
    [InlineData("蛋白质.fasta")]
    [InlineData("বাংলা.txt")]
    [InlineData("dna🧬.txt")]
    [InlineData("console.txt")]
    public void A_portable_name_is_taken(string name) => Assert.Null(FileRules.CheckName(name, Limits));

    [Theory]
    [InlineData("", "empty")]
    [InlineData(".", "directory")]
    [InlineData("..", "directory")]
    [InlineData("../etc/passwd", "'/'")]
    [InlineData("a\\b", "'\\'")]
    [InlineData("a:b", "':'")]
    [InlineData("what?", "'?'")]
    [InlineData(" a", "blank")]
    [InlineData("a\u00a0", "blank")]
    [InlineData("a.", "dot")]
    [InlineData("a\nb", "control")]
    [InlineData("a\0", "control")]
    [InlineData("\u202Egpj.exe", "direction")]
    [InlineData("CON", "Windows")]
    [InlineData("nul.tar.gz", "Windows")]
    [InlineData("com1 .txt", "Windows")]
    [InlineData("e\u0301.txt", "composed")]
    [InlineData("\u1100\u1161.txt", "composed")]
    public void A_name_that_would_not_survive_somewhere_is_refused(string name, string because)
    {
        var violation = FileRules.CheckName(name, Limits, "header.name");
        Assert.Equal(("header.name", "file_name"), (violation?.Field, violation?.Rule));
        Assert.Contains(because, violation!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Half_a_character_is_no_part_of_a_name() =>
        Assert.Contains("Unicode", FileRules.CheckName("a\ud800", Limits)!.Message, StringComparison.Ordinal);

    [Fact]
    public void Length_of_a_name_counts_in_bytes_of_UTF8()
    {
        Assert.Null(FileRules.CheckName(new string('ä', 100), Limits));
        Assert.NotNull(FileRules.CheckName(new string('ä', 101), Limits));
    }

    [Fact]
    public void Any_text_is_either_a_name_or_refused() => Gen.String.Sample(text =>
    {
        if (FileRules.CheckName(text, Limits) is null)
        {
            Assert.Equal(text, Path.GetFileName(text));
            Assert.False(text is "." or "..");
        }
    });

    [Theory]
    [InlineData("a.fasta", true)]
    [InlineData("A.FASTA", true)]
    [InlineData("reads.fastq.gz", true)]
    [InlineData("reads.FastQ.GZ", true)]
    [InlineData("reads.gz", false)]
    [InlineData("afasta", false)]
    [InlineData(".fasta", false)]
    public void A_suffix_matches_in_any_case_and_as_a_whole(string name, bool accepted)
    {
        Assert.Equal(accepted, FileRules.IsAccepted(Fasta, name));
        Assert.True(FileRules.IsAccepted(Fasta with { AcceptedTypes = [] }, name));
    }

    [Fact]
    public void An_upload_is_told_everything_that_is_wrong_at_once()
    {
        Assert.Empty(FileRules.CheckUpload(Fasta, Limits, "a.fasta", null, 1));
        Assert.Empty(FileRules.CheckUpload(Fasta, Limits, "a.fasta", 1_000, 0));
        Assert.Equal(["name accepted_types", "size max_file_size", "files max_count"], FileRules.CheckUpload(Fasta, Limits, "a.txt", 1_001, 2).Rules());
        Assert.Equal(["name file_name"], FileRules.CheckUpload(Fasta, Limits, "a/b.fasta", 1, 0).Rules());
    }

    [Fact]
    public void A_submission_is_told_of_number_type_and_size_of_its_files()
    {
        Assert.Empty(FileRules.CheckSubmit(Fasta, [new("a.fasta", 1)]));
        Assert.Equal(["files min_count"], FileRules.CheckSubmit(Fasta, []).Rules());
        Assert.Contains("(.fasta, .fastq.gz)", FileRules.CheckSubmit(Fasta, [])[0].Message, StringComparison.Ordinal);
        Assert.Equal(["files min_count"], FileRules.CheckSubmit(Fasta with { AcceptedTypes = [] }, []).Rules());
        Assert.Equal(
            ["files max_count", "files[\"b.txt\"] accepted_types", "files[\"c.fasta\"] max_file_size"],
            FileRules.CheckSubmit(Fasta, [new("a.fasta", 1), new("b.txt", 1), new("c.fasta", 1_001)]).Rules());
    }
}
