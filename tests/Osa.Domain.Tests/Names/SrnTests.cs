using CsCheck;
using Osa.Domain.Errors;
using Osa.Domain.Names;

namespace Osa.Domain.Tests.Names;

public class SrnTests
{
    private static readonly Gen<string> Label = Gen.String[Gen.Char["abcz019"], 1, 8];

    private static readonly Gen<string> Domain =
        from labels in Label.Array[1, 4]
        select string.Join('.', labels);

    private static readonly Gen<string> Id = Gen.String[Gen.Char["abcxyz0189-"], 3, 64];

    private static readonly Gen<string> Semantic =
        from core in Gen.Int[0, 999].Array[3]
        from tail in Gen.OneOf("", "-rc.1", "-alpha-2", "+build.7", "-a+b")
        select string.Join('.', core) + tail;

    private static readonly Gen<(SrnType Type, string Text)> Names =
        from type in Gen.Enum<SrnType>()
        from domain in Domain
        from id in Id
        from semantic in Semantic
        from number in Gen.Int[1, int.MaxValue]
        let segment = type switch
        {
            SrnType.Record => "rec",
            SrnType.Deposition => "dep",
            SrnType.Schema => "schema",
            SrnType.Ontology => "onto",
            SrnType.Convention => "conv",
            SrnType.Snapshot => "snap",
            SrnType.Event => "evt",
            _ => "val",
        }
        let version = type switch
        {
            SrnType.Record => $"@{number}",
            SrnType.Schema or SrnType.Ontology or SrnType.Convention => "@" + semantic,
            _ => "",
        }
        select (type, $"urn:osa:{domain}:{segment}:{id}{version}");

    [Fact]
    public void Every_name_reads_back_as_it_is_written() => Names.Sample(name =>
    {
        var srn = Srn.Parse(name.Text, name.Type);
        Assert.Equal(name.Text, srn.ToString());
        Assert.Equal(srn, Srn.Parse(srn.ToString(), name.Type));
        Assert.Equal(name.Text, Srn.Create(srn.Domain, srn.Type, srn.Id, srn.Version).ToString());
    });

    [Fact]
    public void Case_and_surrounding_blanks_do_not_matter() => Names.Sample(name =>
        Assert.Equal(Srn.Parse(name.Text, name.Type), Srn.Parse($"  {name.Text.ToUpperInvariant()}\n", name.Type)));

    [Fact]
    public void A_name_of_another_type_is_refused_with_both_types() =>
        Gen.Select(Names, Gen.Enum<SrnType>()).Where((name, expected) => name.Type != expected).Sample((name, expected) =>
            Assert.Equal(["srn srn_type"], Broken.By(() => Srn.Parse(name.Text, expected)).Rules()));

    [Fact]
    public void Text_that_is_no_name_is_refused_and_never_breaks_the_reader() =>
        Gen.Select(Gen.OneOf(Gen.String, Names.Select(name => name.Text)), Gen.Int[0, 80], Gen.Char).Sample((text, at, inserted) =>
        {
            string changed = text.Insert(Math.Min(at, text.Length), inserted.ToString());
            if (Srn.TryParse(changed, out Srn? srn, out string? problem))
            {
                Assert.Equal(srn, Srn.Parse(srn.ToString(), srn.Type));
            }
            else
            {
                Assert.NotEmpty(problem);
                Assert.True(problem.IsNormalized() && !problem.Any(char.IsControl));
                Assert.Equal("name", Broken.By(() => Srn.Parse(changed, SrnType.Record, "name"))[0].Field);
            }
        });

    [Theory]
    [InlineData("urn:osa:localhost:rec:abc@1")]
    [InlineData("urn:osa:archive.example.org:rec:---@2147483647")]
    [InlineData("urn:osa:a-b.c:conv:abc@1.0.0-rc.1+5")]
    [InlineData("urn:osa:localhost:schema:abc@0.0.0")]
    [InlineData("urn:osa:localhost:val:0b5a1b9e-0000-4000-8000-000000000000")]
    public void The_grammar_takes(string text) => Assert.True(Srn.TryParse(text, out _, out _), text);

    [Theory]
    [InlineData(null, "a name is required")]
    [InlineData("", "must begin with urn:osa:")]
    [InlineData("urn:isbn:123", "must begin with urn:osa:")]
    [InlineData("urn:osa:localhost:8080:rec:abc@1", "6 parts")]
    [InlineData("urn:osa:localhost:rec", "4 parts")]
    [InlineData("urn:osa:-a:rec:abc@1", "not a domain")]
    [InlineData("urn:osa:a_b:rec:abc@1", "not a domain")]
    [InlineData("urn:osa:a..b:rec:abc@1", "not a domain")]
    [InlineData("urn:osa::rec:abc@1", "not a domain")]
    [InlineData("urn:osa:localhost:record:abc@1", "not a type")]
    [InlineData("urn:osa:localhost:rec:ab@1", "not an id")]
    [InlineData("urn:osa:localhost:rec:a_c@1", "not an id")]
    [InlineData("urn:osa:localhost:rec:abc", "ends in its version")]
    [InlineData("urn:osa:localhost:rec:abc@", "not a record version")]
    [InlineData("urn:osa:localhost:rec:abc@0", "not a record version")]
    [InlineData("urn:osa:localhost:rec:abc@01", "not a record version")]
    [InlineData("urn:osa:localhost:rec:abc@1@2", "not a record version")]
    [InlineData("urn:osa:localhost:rec:abc@2147483648", "not a record version")]
    [InlineData("urn:osa:localhost:rec:abc@1.0.0", "not a record version")]
    [InlineData("urn:osa:localhost:conv:abc", "ends in its version")]
    [InlineData("urn:osa:localhost:conv:abc@1.0", "not a semantic version")]
    [InlineData("urn:osa:localhost:conv:abc@1.0.01", "not a semantic version")]
    [InlineData("urn:osa:localhost:dep:abc@1", "has no version")]
    [InlineData("urn:osa:localhost:val:abc@1.0.0", "has no version")]
    [InlineData("urn:osa:\u212Aelvin:dep:abc", "not a domain")]
    [InlineData("urn:osa:localhost:dep:\u212Abc", "not an id")]
    public void What_is_wrong_with_a_name_is_said(string? text, string expected)
    {
        Assert.False(Srn.TryParse(text, out _, out string? problem));
        Assert.Contains(expected, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_longer_than_a_name_can_be_is_looked_at()
    {
        Assert.False(Srn.TryParse("urn:osa:" + new string('a', 600), out _, out string? problem));
        Assert.Contains("600 characters", problem, StringComparison.Ordinal);
    }

    [Fact]
    public void A_node_gives_its_own_names()
    {
        var id = Guid.Parse("0b5a1b9e-1111-4222-8333-444455556666");
        Assert.Equal("urn:osa:localhost:rec:0b5a1b9e-1111-4222-8333-444455556666@3", Srn.Record("localhost", id, 3).ToString());
        Assert.Equal(3, Srn.Record("localhost", id, 3).RecordVersion);
        Assert.Equal("urn:osa:localhost:dep:0b5a1b9e-1111-4222-8333-444455556666", Srn.Deposition("localhost", id).ToString());
        Assert.Equal("urn:osa:localhost:val:0b5a1b9e-1111-4222-8333-444455556666", Srn.ValidationRun("localhost", id).ToString());
        Assert.Throws<InvalidOperationException>(() => Srn.Deposition("localhost", id).RecordVersion);
        Assert.Throws<OsaException>(() => Srn.Create("no domain", SrnType.Deposition, "abc"));
        Assert.True(Srn.IsDomain("archive.example.org"));
        Assert.False(Srn.IsDomain("localhost:80"));
    }
}
