namespace Osa.Domain.Depositions;

/// <summary>Where a deposition stands.</summary>
public enum DepositionStatus
{
    Draft,
    InValidation,
    InReview,
    Accepted,
    Rejected,
    Withdrawn,

    /// <summary>Of a source: its hooks or the infrastructure failed; it can be driven again.</summary>
    Failed,

    /// <summary>Of a source: something newer under the same upstream id was published first.</summary>
    Superseded,
}

/// <summary>What can be done to a deposition.</summary>
public enum DepositionCommand
{
    /// <summary>Replace metadata, add or delete a file.</summary>
    Edit,
    Submit,
    EnterReview,
    Publish,
    ReturnToDraft,
    Reject,
    Fail,
    Supersede,
    Withdraw,
}

/// <summary>The deposition's state machine: state x command to state.</summary>
public static class DepositionLifecycle
{
    /// <summary>The state after <paramref name="command"/>, or null where it is not allowed.</summary>
    public static DepositionStatus? Next(DepositionStatus status, DepositionCommand command) => (status, command) switch
    {
        (DepositionStatus.Draft, DepositionCommand.Edit) => DepositionStatus.Draft,
        // What a source brought is nobody's draft, and goes back into validation as it is.
        (DepositionStatus.Draft or DepositionStatus.Rejected or DepositionStatus.Failed, DepositionCommand.Submit) => DepositionStatus.InValidation,
        (DepositionStatus.InValidation, DepositionCommand.EnterReview) => DepositionStatus.InReview,
        (DepositionStatus.InValidation or DepositionStatus.InReview, DepositionCommand.Publish) => DepositionStatus.Accepted,
        (DepositionStatus.InValidation or DepositionStatus.InReview, DepositionCommand.ReturnToDraft) => DepositionStatus.Draft,
        (DepositionStatus.InValidation or DepositionStatus.InReview, DepositionCommand.Reject) => DepositionStatus.Rejected,
        (DepositionStatus.InValidation or DepositionStatus.InReview, DepositionCommand.Fail) => DepositionStatus.Failed,
        (DepositionStatus.InValidation or DepositionStatus.InReview, DepositionCommand.Supersede) => DepositionStatus.Superseded,
        (DepositionStatus.Draft or DepositionStatus.InValidation or DepositionStatus.InReview, DepositionCommand.Withdraw) => DepositionStatus.Withdrawn,
        _ => null,
    };

    public static bool Allows(DepositionStatus status, DepositionCommand command) => Next(status, command) is not null;
}
