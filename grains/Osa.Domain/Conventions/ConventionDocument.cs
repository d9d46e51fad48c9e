using Osa.Domain.Hooks;
using Osa.Domain.Schemas;
using Osa.Domain.Sources;

namespace Osa.Domain.Conventions;

/// <summary>What a registrant sends: everything a convention version is, in one document. Already checked when it exists.</summary>
public sealed record ConventionDocument(
    string Id,
    string Version,
    string Title,
    string? Description,
    IReadOnlyList<FieldDefinition> Schema,
    FileRequirements FileRequirements,
    IReadOnlyList<HookDefinition> Hooks)
{
    /// <summary>Who decides about what its hooks passed. Default: nobody, it is published.</summary>
    public Curation Curation { get; init; }

    /// <summary>Whether submissions of the same moment may share a run, and so the containers of hooks of the batch contract. Default: no.</summary>
    public bool Share { get; init; }

    /// <summary>Where records are pulled from; null where only people deposit.</summary>
    public SourceDefinition? Source { get; init; }
}

/// <summary>Who decides about what the hooks passed.</summary>
public enum Curation
{
    /// <summary>It is published.</summary>
    Automatic,

    /// <summary>A curator approves it or returns it.</summary>
    Curator,
}

/// <summary>Which files a deposition must carry.</summary>
/// <param name="AcceptedTypes">Suffixes with their dot, lower case, such as <c>.fasta</c> or <c>.fastq.gz</c>; empty accepts all.</param>
/// <param name="MinCount">Least number of files at submit.</param>
/// <param name="MaxCount">Greatest number of files.</param>
/// <param name="MaxFileSize">Greatest size of one file in bytes.</param>
public sealed record FileRequirements(IReadOnlyList<string> AcceptedTypes, int MinCount, int MaxCount, long MaxFileSize);
