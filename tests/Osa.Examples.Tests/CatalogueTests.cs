using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Osa.Examples.ProteinCatalogue;
using Osa.Examples.Proteins;

namespace Osa.Examples.Tests;

/// <summary>The catalogue's proteins against what others have published of them, and its manners.</summary>
public sealed class CatalogueTests
{
    private const double DisulphideBond = -2.01588;
    private const double Amide = -0.98476;

    /// <summary>
    /// The newest form of each protein: residues, and the published average mass in g/mol of the molecule as it is found, with that many
    /// disulphide bonds and, where said, an amide in place of the last acid. Of whole entries and their UniProt masses no bond is counted.
    /// </summary>
    private static readonly (string Id, int Residues, double Mass, int Bonds, bool IsAmide)[] Published =
    [
        ("oxytocin", 9, 1007.19, 1, true),
        ("arginine-vasopressin", 9, 1084.23, 1, true),
        ("bradykinin", 9, 1060.21, 0, false),
        ("angiotensin-1", 10, 1296.48, 0, false),
        ("angiotensin-2", 8, 1046.18, 0, false),
        ("leu-enkephalin", 5, 555.62, 0, false),
        ("met-enkephalin", 5, 573.66, 0, false),
        ("substance-p", 11, 1347.63, 0, true),
        ("glucagon", 29, 3482.75, 0, false),
        ("corticotropin", 39, 4541.07, 0, false),
        ("melittin", 26, 2846.46, 0, true),
        ("magainin-1", 23, 2409.85, 0, false),
        ("magainin-2", 23, 2466.90, 0, false),
        ("calcitonin-human", 32, 3417.87, 1, true),
        ("calcitonin-salmon", 32, 3431.85, 1, true),
        ("somatostatin-14", 14, 1637.88, 1, false),
        ("somatostatin-28", 28, 3148.57, 1, false),
        ("ll-37", 37, 4493.33, 0, false),
        ("amyloid-beta-40", 40, 4329.86, 0, false),
        ("amyloid-beta-42", 42, 4514.08, 0, false),
        ("secretin", 27, 3039.41, 0, true),
        ("vip", 28, 3325.80, 0, true),
        ("beta-endorphin", 31, 3465.03, 0, false),
        ("dynorphin-a", 17, 2147.50, 0, false),
        ("insulin-a", 21, 2383.7, 0, false),
        ("insulin-b", 30, 3430.0, 0, false),
        ("aprotinin", 58, 6511.51, 3, false),
        ("histatin-5", 24, 3036.29, 0, false),
        ("neuropeptide-y", 36, 4271.68, 0, true),
        ("glp-1-7-36", 30, 3297.63, 0, true),
        ("exendin-4", 39, 4186.57, 0, true),
        ("galanin-human", 30, 3157.41, 0, false),
        ("anp-human", 28, 3080.44, 1, false),
        ("bnp-32", 32, 3464.04, 1, false),
        ("endothelin-1", 21, 2491.90, 2, false),
        ("parathyroid-1-34", 34, 4117.72, 0, false),
        ("crf-human", 41, 4757.45, 0, true),
        ("cytochrome-c-horse", 105, 11833, 0, false),
        ("cytochrome-c-human", 105, 11749, 0, false),
        ("myoglobin-horse", 154, 17083, 0, false),
        ("myoglobin-sperm-whale", 154, 17331, 0, false),
        ("hemoglobin-alpha", 142, 15258, 0, false),
        ("hemoglobin-beta", 147, 15998, 0, false),
        ("lysozyme-human", 148, 16537, 0, false),
        ("ribonuclease-a", 124, 13682.2, 4, false),
        ("thioredoxin-ecoli", 109, 11807, 0, false),
        ("gfp", 238, 26886, 0, false),
        ("igf-1", 70, 7648.7, 3, false),
        ("egf-human", 53, 6216.0, 3, false),
        ("hirudin", 65, 6963.5, 3, false),
        ("ubiquitin-yeast", 76, 8556.8, 0, false),
        ("insulin-human", 110, 11981, 0, false),
        ("myoglobin-cattle", 154, 17078, 0, false),
        ("ubiquitin-human", 76, 8564.84, 0, false),
        ("lysozyme-chicken", 129, 14313.1, 0, false),
    ];

    [Fact]
    public void Every_protein_has_its_published_length_and_mass()
    {
        var newest = Protein.All.GroupBy(protein => protein.Id).ToDictionary(id => id.Key, id => id.Last().Sequence);
        Assert.Equal(newest.Keys.Order(StringComparer.Ordinal), Published.Select(protein => protein.Id).Order(StringComparer.Ordinal));

        foreach (var (id, residues, mass, bonds, isAmide) in Published)
        {
            var computed = ProteinProperties.MolecularWeight(newest[id]) + (bonds * DisulphideBond) + (isAmide ? Amide : 0);
            Assert.True(newest[id].Length == residues, $"{id}: {newest[id].Length} residues, published are {residues}");
            // UniProt states whole g/mol; others' atomic weights differ in the last digits.
            Assert.True(Math.Abs(computed - mass) < (mass == Math.Floor(mass) ? 0.6 : 0.1), $"{id}: {computed:F2} g/mol, published are {mass}");
        }
    }

    [Theory]
    [InlineData("insulin-human", "C2C3B23B85E520E5")]
    [InlineData("myoglobin-cattle", "E74911B6C6851761")]
    [InlineData("cytochrome-c-human", "8EE9689E0102506B")]
    [InlineData("hemoglobin-alpha", "15E13666573BBBAE")]
    [InlineData("lysozyme-human", "8ECFD276BEB2678A")]
    public void Whole_entries_have_the_checksum_that_UniProt_states(string id, string checksum) =>
        Assert.Equal(checksum, Crc64.Of(Protein.All.Last(protein => protein.Id == id).Sequence));

    [Fact]
    public void The_chains_of_insulin_make_up_the_published_mass_of_insulin()
    {
        var chains = Protein.All.Where(protein => protein.Id is "insulin-a" or "insulin-b").Sum(protein => ProteinProperties.MolecularWeight(protein.Sequence));

        Assert.Equal(5807.6, chains + (3 * DisulphideBond), 0.1);
    }

    [Theory]
    [InlineData("ubiquitin-human", "ubiquitin")]
    [InlineData("insulin-human", "insulin")]
    [InlineData("lysozyme-chicken", "lysozyme")]
    [InlineData("myoglobin-cattle", "myoglobin")]
    public void Proteins_that_the_example_has_as_well_are_the_same_there(string id, string name) =>
        Assert.Equal(Example.Sequence(name), Protein.All.Single(protein => protein.Id == id).Sequence);

    [Fact]
    public void The_hooks_accept_every_file_of_the_catalogue()
    {
        foreach (var protein in Protein.All)
        {
            var read = Fasta.ReadSingle(protein.FileName, protein.Fasta);
            Assert.Equal((protein.Sequence, protein.EntryName is null ? null : protein.Accession), (read.Sequence, read.UniProtAccession));
        }
    }

    [Fact]
    public async Task A_new_revision_changes_some_entries_adds_some_and_leaves_the_others()
    {
        await using var server = await CatalogueServer.StartAsync(new IPEndPoint(IPAddress.Loopback, 0));
        using var http = new HttpClient { BaseAddress = server.Address };
        var before = server.Catalogue.Entries;

        using var answer = await http.PostAsync(new Uri("advance", UriKind.Relative), null);

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        var after = server.Catalogue.Entries;
        Assert.Equal(4, after.Count - before.Count);
        Assert.Equal(4, after.Count(entry => entry.Protein.Revision == 2 && before.Any(old => old.Protein.Id == entry.Protein.Id)));
        Assert.Equal(before.Count - 4, before.Intersect(after).Count());
    }

    [Fact]
    public async Task After_the_last_revision_there_is_none()
    {
        await using var server = await CatalogueServer.StartAsync(new IPEndPoint(IPAddress.Loopback, 0));
        using var http = new HttpClient { BaseAddress = server.Address };
        while (server.Catalogue.Advance())
            Assert.InRange(server.Catalogue.Revision, 2, Protein.All.Max(protein => protein.Revision));

        using var answer = await http.PostAsync(new Uri("advance", UriKind.Relative), null);

        Assert.Equal((HttpStatusCode.Conflict, "revision 3 is the last"), (answer.StatusCode, await answer.Content.ReadAsStringAsync()));
    }

    [Theory]
    [InlineData("entries?limit=0")]
    [InlineData("entries?limit=101")]
    [InlineData("entries?cursor=nonsense")]
    [InlineData("entries?since=yesterday")]
    public async Task A_request_that_makes_no_sense_is_refused(string request)
    {
        await using var server = await CatalogueServer.StartAsync(new IPEndPoint(IPAddress.Loopback, 0));
        using var http = new HttpClient { BaseAddress = server.Address };

        using var answer = await http.GetAsync(new Uri(request, UriKind.Relative));

        Assert.Equal(HttpStatusCode.BadRequest, answer.StatusCode);
    }

    [Fact]
    public async Task Pages_lead_from_one_to_the_next()
    {
        await using var server = await CatalogueServer.StartAsync(new IPEndPoint(IPAddress.Loopback, 0));
        using var http = new HttpClient { BaseAddress = server.Address };
        var ids = new List<string?>();
        string? cursor = null;
        do
        {
            var page = await http.GetFromJsonAsync<JsonElement>(new Uri($"entries?cursor={cursor}", UriKind.Relative));
            ids.AddRange(page.GetProperty("entries").EnumerateArray().Select(entry => entry.GetProperty("id").GetString()));
            cursor = page.GetProperty("next").GetString();
        }
        while (cursor is not null);

        Assert.Equal(server.Catalogue.Entries.Select(entry => entry.Protein.Id), ids);
    }
}
