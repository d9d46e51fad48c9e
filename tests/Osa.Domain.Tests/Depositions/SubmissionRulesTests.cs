using Osa.Domain.Conventions;
using Osa.Domain.Depositions;
using Osa.Domain.Tests.Conventions;

namespace Osa.Domain.Tests.Depositions;

public class SubmissionRulesTests
{
    private static readonly NodeLimits Limits = new();
    private static readonly ConventionDocument Proteins = ConventionDocumentReader.Read(Documents.Valid().ToJsonString(), Limits);

    [Fact]
    public void A_complete_deposition_may_be_submitted() =>
        Assert.Empty(SubmissionRules.Check(Proteins, """{"name": "insulin", "process": ["GO:0008150"], "mass": 11981}""", [new("insulin.fasta", 1_000)], Limits));

    [Fact]
    public void Metadata_and_files_are_refused_together() =>
        Assert.Equal(
            ["metadata.name required", "metadata.mass min_value", "files min_count"],
            SubmissionRules.Check(Proteins, """{"mass": -1}""", [], Limits).Rules());
}
