using System.Text.Json;
using Osa.Domain.Depositions;
using Osa.Domain.Events;
using Osa.Domain.Names;
using Osa.Domain.Validation;
using Osa.Storage.Records;

namespace Osa.Storage.Validation;

/// <summary>How a run ends for one of its depositions.</summary>
internal enum Outcome
{
    Passed,
    Rejected,
    Failed,
    Cancelled,

    /// <summary>By a curator, to its owner.</summary>
    Returned,

    /// <summary>It is in this run no more: cancelled, withdrawn, or in another one.</summary>
    LeftOut,

    /// <summary>Of a source: something newer was published first.</summary>
    Superseded,

    /// <summary>For a curator.</summary>
    Waiting,
}

/// <summary>A deposition of a run that is to be settled.</summary>
/// <param name="Review">What a curator said; null before one was asked.</param>
/// <param name="SourceId">What upstream calls it; null for a person's.</param>
internal sealed record Member(Deposition Deposition, int Ordinal, string? Review, string? ReviewReason, bool IsEmbargoed, string? SourceId, long? SourceSequence);

/// <summary>What becomes of a deposition, and why.</summary>
internal sealed record Decision(Member Member, Outcome Outcome, string? Reason, IReadOnlyList<HookResult> Results, List<RunOutput> Outputs)
{
    public Deposition Deposition => Member.Deposition;

    /// <summary>The name of the record that it becomes; null for none.</summary>
    public Srn? Record { get; set; }

    /// <summary>The digests that were started and the rows they gave, as a record keeps them.</summary>
    public string HooksJson => JsonSerializer.Serialize(Results.Select(r => new HookProvenance(r.Hook, r.Digest, r.Rows)));

    /// <summary>What happened to the deposition, in order.</summary>
    public IEnumerable<(Guid? Owner, DomainEvent Happened)> Events(NodeIdentity node, Srn run, Srn convention)
    {
        Srn deposition = node.DepositionSrn(Deposition.Id);
        Guid? owner = Deposition.OwnerId;
        bool firstOutcome = Member.Review is null;
        if (Outcome is Outcome.Passed or Outcome.Waiting && firstOutcome)
        {
            yield return (owner, DomainEvents.ValidationCompleted(run, deposition, convention, Results));
        }

        switch (Outcome)
        {
            case Outcome.Passed:
                yield return (owner, DomainEvents.DepositionApproved(run, deposition));
                yield return (owner, DomainEvents.RecordPublished(Record!, deposition, run, Member.IsEmbargoed));
                break;
            case Outcome.Waiting when firstOutcome:
                yield return (owner, DomainEvents.ReviewRequested(run, deposition));
                break;
            case Outcome.Returned:
                yield return (owner, DomainEvents.DepositionReturned(run, deposition, Reason!));
                break;
            case Outcome.Rejected or Outcome.Failed or Outcome.Cancelled or Outcome.Superseded:
                RunStatus status = Outcome == Outcome.Superseded ? RunStatus.Rejected : WireName.Parse<RunStatus>(WireName.Of(Outcome))!.Value;
                yield return (owner, DomainEvents.ValidationFailed(run, deposition, convention, status, [Reason!]));
                break;
        }
    }
}
