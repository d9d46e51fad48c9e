namespace Osa.Domain.Events;

/// <summary>Who may see an event on the feed.</summary>
public enum EventAudience
{
    Public,

    /// <summary>The owner of the deposition that is the subject, and curators.</summary>
    Owner,
}

/// <summary>Something that happened, as it is written in the transaction that made it happen. Id, time and position are the store's.</summary>
/// <param name="Type">Name on the wire, one of <see cref="EventTypes"/>.</param>
/// <param name="Subject">SRN of the deposition, convention or record that it happened to.</param>
/// <param name="PayloadJson">A JSON object.</param>
public sealed record DomainEvent(string Type, string Subject, EventAudience Audience, string PayloadJson)
{
    /// <summary>
    /// The deposition whose metadata belong into the payload: the store adds the member <c>metadata</c> from the deposition's row, so that
    /// they need not travel once more for each event. Null where the payload is whole.
    /// </summary>
    public Guid? MetadataOf { get; init; }
}

/// <summary>The names of events on the wire.</summary>
public static class EventTypes
{
    public const string ConventionRegistered = "ConventionRegistered";
    public const string DepositionCreated = "DepositionCreatedEvent";
    public const string MetadataUpdated = "MetadataUpdatedEvent";
    public const string FileUploaded = "FileUploadedEvent";
    public const string FileDeleted = "FileDeletedEvent";
    public const string DepositionSubmitted = "DepositionSubmittedEvent";
    public const string ValidationStarted = "ValidationStarted";
    public const string ValidationCompleted = "ValidationCompleted";
    public const string ValidationFailed = "ValidationFailed";
    public const string DepositionApproved = "DepositionApproved";
    public const string RecordPublished = "RecordPublished";
    public const string ReviewRequested = "ReviewRequested";
    public const string DepositionReturned = "DepositionReturned";
    public const string DepositionWithdrawn = "DepositionWithdrawn";
    public const string RecordReleased = "RecordReleased";
    public const string RecordWithdrawn = "RecordWithdrawn";
    public const string ConventionRetired = "ConventionRetired";
    public const string SourceRunCompleted = "SourceRunCompleted";
}
