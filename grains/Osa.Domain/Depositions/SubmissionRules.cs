using Osa.Domain.Conventions;
using Osa.Domain.Errors;
using Osa.Domain.Schemas;

namespace Osa.Domain.Depositions;

/// <summary>The one rule of what may be submitted: <c>Validate</c> shows what it says, <c>Submit</c> refuses by it.</summary>
public static class SubmissionRules
{
    /// <summary>Every violation of the metadata, then of the files; empty when the deposition may be submitted.</summary>
    public static IReadOnlyList<Violation> Check(
        ConventionDocument convention,
        string metadataJson,
        IReadOnlyList<SubmittedFile> files,
        NodeLimits limits) =>
        [.. MetadataRules.Check(convention.Schema, metadataJson, limits), .. FileRules.CheckSubmit(convention.FileRequirements, files)];
}
