using System.Text.Json;

namespace Osa.Examples.Tests;

/// <summary>The image itself, in a container as hardened as a node's, over the data of the repository.</summary>
public sealed class ImageTests(Image image)
{
    private const string Insulin = """{"organism":"Homo sapiens","protein_name":"Insulin","accession":"uniprot:P01308"}""";

    [Theory]
    [InlineData("insulin")]
    [InlineData("ubiquitin")]
    [InlineData("lysozyme")]
    [InlineData("myoglobin")]
    public async Task Every_hook_emits_exactly_the_declared_columns(string name)
    {
        foreach (var hook in new[] { "sequence_check", "protein_properties", "tryptic_peptides" })
        {
            var outcome = await image.Run(hook, Data($"{name}.fasta"), Data($"{name}.json"));

            Assert.True(outcome.ExitCode == 0, outcome.Log);
            Assert.Null(outcome.Rejection);
            var rows = Example.Cardinality(hook) == "one" ? [outcome.Row] : outcome.Rows;
            foreach (var row in rows)
                Assert.Equal(Example.Columns(hook), row.EnumerateObject().Select(property => (property.Name, TypeOf(property.Name, property.Value))));
        }
    }

    [Fact]
    public async Task The_properties_of_insulin_are_the_published_ones()
    {
        var row = (await image.Run("protein_properties", Data("insulin.fasta"), Data("insulin.json"))).Row;

        Assert.Equal(110, row.GetProperty("length").GetInt32());
        Assert.Equal(11981, row.GetProperty("molecular_weight").GetDouble(), 1.0);
        Assert.Equal(5.22, row.GetProperty("isoelectric_point").GetDouble(), 0.005);
        Assert.Equal(20, row.GetProperty("composition").GetProperty("L").GetInt32());
    }

    [Fact]
    public async Task The_digest_of_ubiquitin_has_its_known_peptides()
    {
        var rows = (await image.Run("tryptic_peptides", Data("ubiquitin.fasta"), Data("ubiquitin.json"))).Rows;

        Assert.Equal(
            ["MQIFVK", "TLTGK", "TITLEVEPSDTIENVK", "AK", "IQDK", "EGIPPDQQR", "LIFAGK", "QLEDGR", "TLSDYNIQK", "ESTLHLVLR", "LR", "GG"],
            rows.Select(row => row.GetProperty("sequence").GetString()));
        Assert.Equal((12, 27), (rows[2].GetProperty("start_position").GetInt32(), rows[2].GetProperty("end_position").GetInt32()));
    }

    [Fact]
    public async Task The_configuration_sets_the_missed_cleavages()
    {
        var strict = await image.Run("tryptic_peptides", Data("ubiquitin.fasta"), Data("ubiquitin.json"), """{"missed_cleavages":0}""");
        var lenient = await image.Run("tryptic_peptides", Data("ubiquitin.fasta"), Data("ubiquitin.json"), """{"missed_cleavages":1}""");

        Assert.Equal(strict.Rows.Count + (strict.Rows.Count - 1), lenient.Rows.Count);
        Assert.Contains(lenient.Rows, row => row.GetProperty("sequence").GetString() == "MQIFVKTLTGK" && row.GetProperty("missed_cleavages").GetInt32() == 1);
    }

    [Theory]
    [InlineData("sequence_check")]
    [InlineData("protein_properties")]
    [InlineData("tryptic_peptides")]
    public async Task A_broken_sequence_is_rejected_with_its_position_and_leaves_no_features(string hook)
    {
        var outcome = await image.Run(hook, Data("broken.fasta"), Data("broken.json"));

        Assert.Equal(0, outcome.ExitCode);
        Assert.Null(outcome.Features);
        Assert.StartsWith("protein.fasta: record 'sp|P01308|INS_HUMAN': 'X' at position 42", outcome.Rejection, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_sequence_of_another_protein_than_the_metadata_describe_is_rejected()
    {
        var outcome = await image.Run("sequence_check", Data("myoglobin.fasta"), Insulin);

        Assert.Equal(
            "protein.fasta: the header says accession P02192, the metadata say uniprot:P01308: deposit the file of the protein that the metadata describe",
            outcome.Rejection);
    }

    [Fact]
    public async Task A_wrong_configuration_fails_the_hook_and_does_not_reject_the_deposition()
    {
        var outcome = await image.Run("tryptic_peptides", Data("insulin.fasta"), Insulin, """{"missed_cleavages":"many"}""");

        Assert.Equal(1, outcome.ExitCode);
        Assert.Contains("config.json: missed_cleavages: expected an integer from 0 to 5, got \"many\"", outcome.Log, StringComparison.Ordinal);
        Assert.Null(outcome.Rejection);
    }

    [Fact]
    public async Task Another_convention_has_the_same_hooks_under_names_of_its_own()
    {
        var (exitCode, output) = await Image.RunProcess(Path.Combine(Example.SourceFolder, "convention"), ["http://172.17.0.1:7410"]);
        Assert.True(exitCode == 0, output);
        var convention = JsonElement.Parse(output);

        foreach (var (name, original) in Hooks(convention).Zip(Hooks(Example.Convention)))
        {
            Assert.Equal($"catalogue_{original}", name);
            var own = await image.Run(name, Data("insulin.fasta"), Data("insulin.json"));
            var others = await image.Run(original, Data("insulin.fasta"), Data("insulin.json"));
            Assert.Equal(others.Row.GetRawText(), own.Row.GetRawText());
        }

        Assert.Equal("http://172.17.0.1:7410", convention.GetProperty("source").GetProperty("config").GetProperty("url").GetString());
    }

    [Fact]
    public async Task A_hook_that_the_image_does_not_have_fails()
    {
        var outcome = await image.Run("no_such_hook", Data("insulin.fasta"), Insulin);

        Assert.Equal(2, outcome.ExitCode);
        Assert.Contains("this image has sequence_check, protein_properties and tryptic_peptides", outcome.Log, StringComparison.Ordinal);
    }

    private static IEnumerable<string> Hooks(JsonElement convention) =>
        convention.GetProperty("hooks").EnumerateArray().Select(hook => hook.GetProperty("manifest").GetProperty("name").GetString()!);

    private static string Data(string file) => File.ReadAllText(Example.DataFile(file));

    /// <summary>The declared type that a value satisfies; a whole number in a column of numbers is one.</summary>
    private static string TypeOf(string column, JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => "string",
        JsonValueKind.Object => "object",
        JsonValueKind.Number when value.TryGetInt64(out _) && Example.Integers.Contains(column) => "integer",
        JsonValueKind.Number => "number",
        _ => value.ValueKind.ToString(),
    };
}
