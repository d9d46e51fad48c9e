using Osa.Domain.Depositions;
using Osa.Domain.Names;
using Osa.Domain.Schemas;

namespace Osa.Domain.Tests.Names;

public class NameTests
{
    [Theory]
    [InlineData("a", true)]
    [InlineData("gc_content2", true)]
    [InlineData("a23456789012345678901234567890123456789012345678901234567890123", true)]
    [InlineData("a234567890123456789012345678901234567890123456789012345678901234", false)]
    [InlineData("", false)]
    [InlineData(null, false)]
    [InlineData("_a", false)]
    [InlineData("1a", false)]
    [InlineData("A", false)]
    [InlineData("a-b", false)]
    [InlineData("a\n", false)]
    [InlineData("é", false)]
    public void An_identifier_is_what_PostgreSQL_paths_and_environments_all_take(string? name, bool valid) =>
        Assert.Equal(valid, OsaIdentifier.IsValid(name));

    [Fact]
    public void Enums_are_written_in_snake_case_and_read_back_exactly()
    {
        Assert.Equal("exactly_one", WireName.Of(Cardinality.ExactlyOne));
        Assert.Equal(["draft", "in_validation", "in_review", "accepted", "rejected", "withdrawn", "failed", "superseded"], WireName.All<DepositionStatus>());
        Assert.All(Enum.GetValues<FieldType>(), type => Assert.Equal(type, WireName.Parse<FieldType>(WireName.Of(type))));
        Assert.Null(WireName.Parse<FieldType>("Text"));
    }
}
