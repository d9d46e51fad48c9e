using Google.Protobuf.WellKnownTypes;
using Osa.ScriptedNodes;
using Osa.V1;

namespace Osa.Cli.Tests;

/// <summary>What an archive takes, and which tables it has.</summary>
public sealed class CatalogTests
{
    [Fact]
    public async Task A_convention_is_shown_with_its_fields_files_and_hooks_and_that_it_is_retired()
    {
        var convention = new Convention
        {
            Srn = "urn:osa:localhost:conv:p@1.0.0",
            Id = "p",
            Version = "1.0.0",
            Title = "Proteins",
            SchemaSrn = "urn:osa:localhost:schema:p@1.0.0",
            Curation = "curator",
            Share = true,
            RetiredAt = new Timestamp(),
            RetiredBecause = "use version 2",
            Fields = { new Osa.V1.Field { Name = "organism", Type = "text", Cardinality = "exactly_one", Required = true, ConstraintsJson = """{"max_length":200}""" } },
            FileRequirements = new FileRequirements { AcceptedTypes = { ".fasta" }, MinCount = 1, MaxCount = 3, MaxFileSize = 1 << 20 },
            Hooks = { new Hook { Name = "digest", Contract = "batch", Cardinality = "many", Columns = { new Column { Name = "mass", Type = "number" } }, TimeoutSeconds = 60, MemoryBytes = 64 << 20, Cpu = 0.5, Pids = 64 } },
        };
        GetConventionRequest? asked = null;
        await using var node = await ScriptedNode.StartAsync(script => script.Unary<GetConventionRequest, Convention>("Conventions/Get", request =>
        {
            asked = request;
            return convention;
        }));

        var words = await OsaProcess.RunAsync(node.Address, "convention", "show", "p");
        var json = await OsaProcess.RunAsync(node.Address, "convention", "show", "p", "--json");

        Assert.Equal("p", asked!.Srn);
        foreach (var expected in (string[])["Proteins", "field organism: text, exactly_one, required", "1 to 3 of .fasta, each up to 1.0 MiB", "hook digest", "mass number", "64.0 MiB", "use version 2", "curator"])
        {
            Assert.Contains(expected, words.Output, StringComparison.Ordinal);
        }

        Assert.Equal(200, (int?)Assert.Single(json.JsonLines)["fields"]![0]!["constraints"]!["max_length"]);
    }

    [Fact]
    public async Task Feature_tables_are_listed_with_their_owner_and_columns()
    {
        await using var node = await ScriptedNode.StartAsync(script => script.Unary<FeatureCatalogRequest, FeatureCatalog>("Features/Catalog", _ => new FeatureCatalog
        {
            Tables =
            {
                new FeatureTable { Name = "peptides", ConventionId = "p", Cardinality = "many", SchemaVersion = 2, Columns = { new Column { Name = "mass", Type = "number" }, new Column { Name = "start", Type = "integer" } }, CreatedAt = new Timestamp() },
                new FeatureTable { Name = "summary", ConventionId = "q", Cardinality = "one", SchemaVersion = 1, CreatedAt = new Timestamp() },
            },
        }));

        var words = await OsaProcess.RunAsync(node.Address, "features", "list");
        var json = await OsaProcess.RunAsync(node.Address, "features", "list", "--json");

        Assert.Equal(3, words.Lines.Count);
        Assert.Contains("peptides\tp\t", words.Lines[1], StringComparison.Ordinal);
        Assert.Contains("mass", words.Lines[1], StringComparison.Ordinal);
        Assert.Equal(["peptides", "summary"], json.JsonLines.Select(static line => (string?)line["name"]));
    }
}
