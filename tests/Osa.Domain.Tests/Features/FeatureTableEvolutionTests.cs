using Osa.Domain.Errors;
using Osa.Domain.Features;
using Osa.Domain.Hooks;
using Osa.Domain.Names;

namespace Osa.Domain.Tests.Features;

public sealed class FeatureTableEvolutionTests
{
    // A declaration in short: name:type, ? for optional.
    public static TheoryData<string, string, FeatureTableChange, string, int> Allowed => new()
    {
        { "a:string b:number?", "a:string b:number?", FeatureTableChange.Keep, "", 1 },
        { "a:string b:number?", "b:number? a:string", FeatureTableChange.Keep, "", 1 },
        { "", "", FeatureTableChange.Keep, "", 1 },
        { "a:string", "a:string c:object? d:string/date?", FeatureTableChange.Extend, "c d", 2 },
        { "a:string b:number?", "a:string", FeatureTableChange.Extend, "", 1 },
        { "a:string b:number?", "a:string c:integer?", FeatureTableChange.Extend, "c", 2 },
        { "a:string -b:number?", "a:string b:number?", FeatureTableChange.Extend, "", 1 },
        { "a:string -b:number?", "a:string", FeatureTableChange.Keep, "", 1 },
        { "a:string/colour", "a:string", FeatureTableChange.Keep, "", 1 },
    };

    public static TheoryData<string, string, string> Refused => new()
    {
        { "a:string", "a:number", "a type_changed" },
        { "a:string?", "a:string/date?", "a type_changed" },
        { "a:array?", "a:object?", "a type_changed" },
        { "a:integer", "a:number", "a type_changed" },
        { "a:string", "a:string b:number", "b required_column_added" },
        { "a:string b:number", "a:string", "b required_column_dropped" },
        { "a:string?", "a:string", "a required_changed" },
        { "a:string", "a:string?", "a required_changed" },
        { "a:string -b:number?", "a:string b:integer?", "b type_changed" },
        { "a:string -b:number?", "a:string b:number", "b required_changed" },
        { "a:string b:number c:integer", "b:string d:object", "b type_changed, d required_column_added, a required_column_dropped, c required_column_dropped" },
    };

    [Fact]
    public void A_new_name_is_created_for_its_convention()
    {
        FeatureTableDdlPlan plan = FeatureTableEvolution.Plan(null, "proteins", Manifest("a:string b:number?"));

        Assert.Equal(FeatureTableChange.Create, plan.Change);
        Assert.Equal("proteins", plan.ConventionId);
        Assert.Equal(["a", "b"], plan.AddedColumns.Select(c => c.Name));
        Assert.Equal(1, plan.SchemaVersion);
    }

    [Theory]
    [MemberData(nameof(Allowed))]
    public void A_compatible_declaration_keeps_or_extends_the_table(string before, string after, FeatureTableChange change, string added, int version)
    {
        FeatureTableDdlPlan plan = FeatureTableEvolution.Plan(Table(before), "proteins", Manifest(after));

        Assert.Equal(change, plan.Change);
        Assert.Equal(added, string.Join(' ', plan.AddedColumns.Select(c => c.Name)));
        Assert.Equal(version, plan.SchemaVersion);
        Assert.Equal(
            Columns(after).Select(c => c.Name).Order(StringComparer.Ordinal),
            plan.Columns.Where(c => c.Declared).Select(c => c.Name).Order(StringComparer.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Refused))]
    public void An_incompatible_declaration_is_refused_with_every_difference(string before, string after, string differences)
    {
        OsaException e = Assert.Throws<OsaException>(() => FeatureTableEvolution.Plan(Table(before), "proteins", Manifest(after)));

        Assert.Equal(ErrorCode.FailedPrecondition, e.Code);
        Assert.Equal(differences, string.Join(", ", e.Violations.Select(v => $"{v.Field["quality.columns.".Length..]} {v.Rule}")));
    }

    [Fact]
    public void A_changed_cardinality_is_refused()
    {
        OsaException e = Assert.Throws<OsaException>(
            () => FeatureTableEvolution.Plan(Table("a:string"), "proteins", Manifest("a:string") with { Cardinality = FeatureCardinality.One }));

        Assert.Equal("quality.cardinality", Assert.Single(e.Violations).Field);
        Assert.Contains("cardinality was many and is now one", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_name_of_another_convention_is_refused_with_its_owner_and_a_free_name()
    {
        OsaException e = Assert.Throws<OsaException>(
            () => FeatureTableEvolution.Plan(Table("a:string"), "small-molecules", Manifest("a:string"), name => name == "small_molecules_quality"));

        Assert.Equal(ErrorCode.AlreadyExists, e.Code);
        Assert.Equal("the feature table name 'quality' belongs to convention 'proteins'; 'small_molecules_quality_2' is free", e.Message);
    }

    [Theory]
    [InlineData("small-molecules", "quality", "small_molecules_quality")]
    [InlineData("3d-structures", "quality", "c_3d_structures_quality")]
    [InlineData("-x-", "quality", "c__x__quality")]
    public void The_proposed_name_tells_whose_it_is(string convention, string name, string proposal) =>
        Assert.Equal(proposal, FeatureTableEvolution.ProposeName(convention, name));

    [Fact]
    public void A_proposed_name_is_always_valid_free_and_another()
    {
        string longest = new('x', 63);
        var taken = new HashSet<string>(StringComparer.Ordinal) { longest };
        for (int i = 0; i < 200; i++)
        {
            string proposal = FeatureTableEvolution.ProposeName(new string('9', 64), longest, taken.Contains);
            Assert.True(OsaIdentifier.IsValid(proposal), proposal);
            Assert.True(taken.Add(proposal), proposal);
        }
    }

    private static HookManifest Manifest(string columns) => new("quality", "R", HookContract.Record, FeatureCardinality.Many, [.. Columns(columns)
        .Select(c => new ColumnDefinition(c.Name, c.Type, c.Format, c.Required))]);

    private static FeatureTable Table(string columns) =>
        new("quality", "proteins", "quality", FeatureCardinality.Many, Columns(columns), 1, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch);

    private static List<FeatureColumn> Columns(string text) =>
        [.. text.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(c =>
        {
            string[] parts = c.Trim('-', '?').Split(':');
            string[] type = parts[1].Split('/');
            return new FeatureColumn(parts[0], Enum.Parse<JsonType>(type[0], ignoreCase: true), type.ElementAtOrDefault(1), Required: !c.EndsWith('?'), Declared: c[0] != '-');
        })];
}
