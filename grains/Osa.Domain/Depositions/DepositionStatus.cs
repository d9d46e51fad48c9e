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
    Withdraw,
}

/// <summary>The deposition's state machine: state x command to state.</summary>
public static class DepositionLifecycle
{
    /// <summary>The state after <paramref name="command"/>, or null where it is not allowed.</summary>
    public static DepositionStatus? Next(DepositionStatus status, DepositionCommand command) => (status, command) switch
    {
        (DepositionStatus.Draft, DepositionCommand.Edit) => DepositionStatus.Draft,
        (DepositionStatus.Draft, DepositionCommand.Submit) => DepositionStatus.InValidation,
        (DepositionStatus.InValidation, DepositionCommand.EnterReview) => DepositionStatus.InReview,
        (DepositionStatus.InValidation or DepositionStatus.InReview, DepositionCommand.Publish) => DepositionStatus.Accepted,
        (DepositionStatus.InValidation or DepositionStatus.InReview, DepositionCommand.ReturnToDraft) => DepositionStatus.Draft,
        (DepositionStatus.InValidation or DepositionStatus.InReview, DepositionCommand.Reject) => DepositionStatus.Rejected,
        (DepositionStatus.Draft or DepositionStatus.InValidation or DepositionStatus.InReview, DepositionCommand.Withdraw) => DepositionStatus.Withdrawn,
        _ => null,
    };

    public static bool Allows(DepositionStatus status, DepositionCommand command) => Next(status, command) is not null;
}
