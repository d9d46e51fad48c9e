using Osa.Domain.Events;
using Osa.Domain.Names;
using Osa.Domain.Validation;

namespace Osa.Domain.Tests.Events;

public class DomainEventsTests
{
    private const string D = "urn:osa:localhost:dep:00000000-0000-0000-0000-000000000001";
    private const string R = "urn:osa:localhost:val:00000000-0000-0000-0000-000000000002";
    private const string C = "urn:osa:localhost:conv:proteins@1.0.0";
    private const string Rec = "urn:osa:localhost:rec:00000000-0000-0000-0000-000000000003@1";

    private static readonly Srn Deposition = Srn.Parse(D, SrnType.Deposition);
    private static readonly Srn Run = Srn.Parse(R, SrnType.ValidationRun);
    private static readonly Srn Convention = Srn.Parse(C, SrnType.Convention);
    private static readonly Srn Record = Srn.Parse(Rec, SrnType.Record);

    private static readonly HookResult Rejection = new(
        "check",
        HookStatus.Rejected,
        "letter 7",
        [new ProgressLine("rejected", null, "letter\0 7 🧬")],
        TimeSpan.FromSeconds(1.5),
        null,
        0,
        "log",
        null,
        0);

    public static TheoryData<DomainEvent, string, string, EventAudience, string> Events => new()
    {
        { DomainEvents.ConventionRegistered(Convention), "ConventionRegistered", C, EventAudience.Public, $$"""{"convention_srn":"{{C}}"}""" },
        {
            DomainEvents.DepositionCreated(Deposition, Convention, Guid.Parse("00000000-0000-0000-0000-00000000000a")),
            "DepositionCreatedEvent", D, EventAudience.Owner,
            $$"""{"deposition_id":"{{D}}","convention_srn":"{{C}}","owner_id":"00000000-0000-0000-0000-00000000000a"}"""
        },
        { DomainEvents.MetadataUpdated(Deposition, """{"a":1}"""), "MetadataUpdatedEvent", D, EventAudience.Owner, $$$"""{"deposition_id":"{{{D}}}","metadata":{"a":1}}""" },
        {
            DomainEvents.FileUploaded(Deposition, "ä \"b\".fasta", 5, "sha256:00"), "FileUploadedEvent", D, EventAudience.Owner,
            $$"""{"deposition_id":"{{D}}","filename":"ä \"b\".fasta","size":5,"checksum":"sha256:00"}"""
        },
        { DomainEvents.FileDeleted(Deposition, "b.fasta"), "FileDeletedEvent", D, EventAudience.Owner, $$"""{"deposition_id":"{{D}}","filename":"b.fasta"}""" },
        {
            DomainEvents.DepositionSubmitted(Deposition, Run), "DepositionSubmittedEvent", D, EventAudience.Owner,
            $$$"""{"deposition_id":"{{{D}}}","validation_run_srn":"{{{R}}}"}"""
        },
        { DomainEvents.ValidationStarted(Run, Deposition), "ValidationStarted", D, EventAudience.Owner, $$"""{"validation_run_srn":"{{R}}","deposition_srn":"{{D}}"}""" },
        {
            DomainEvents.ValidationCompleted(Run, Deposition, Convention, [Rejection with { Status = HookStatus.Passed, Reason = null, Progress = [] }]),
            "ValidationCompleted", D, EventAudience.Owner,
            $$$"""{"validation_run_srn":"{{{R}}}","deposition_srn":"{{{D}}}","convention_srn":"{{{C}}}","status":"completed","hook_results":[{"hook_name":"check","status":"passed","rejection_reason":null,"error_message":null,"progress":[],"duration_seconds":1.5}]}"""
        },
        {
            DomainEvents.ValidationCompleted(Run, Deposition, Convention, [Rejection, Rejection with { Status = HookStatus.Failed }]),
            "ValidationCompleted", D, EventAudience.Owner,
            $$$"""{"validation_run_srn":"{{{R}}}","deposition_srn":"{{{D}}}","convention_srn":"{{{C}}}","status":"completed","hook_results":[{"hook_name":"check","status":"rejected","rejection_reason":"letter 7","error_message":null,"progress":[{"step":null,"status":"rejected","message":"letter{{{'\uFFFD'}}} 7 \uD83E\uDDEC"}],"duration_seconds":1.5},{"hook_name":"check","status":"failed","rejection_reason":null,"error_message":"letter 7","progress":[{"step":null,"status":"rejected","message":"letter{{{'\uFFFD'}}} 7 \uD83E\uDDEC"}],"duration_seconds":1.5}]}"""
        },
        {
            DomainEvents.ValidationFailed(Run, Deposition, Convention, RunStatus.Rejected, ["letter 7"]), "ValidationFailed", D, EventAudience.Owner,
            $$"""{"validation_run_srn":"{{R}}","deposition_srn":"{{D}}","convention_srn":"{{C}}","status":"rejected","reasons":["letter 7"]}"""
        },
        {
            DomainEvents.DepositionApproved(Run, Deposition), "DepositionApproved", D, EventAudience.Owner,
            $$$"""{"validation_run_srn":"{{{R}}}","deposition_srn":"{{{D}}}"}"""
        },
        {
            DomainEvents.RecordPublished(Record, Deposition, Run), "RecordPublished", Rec, EventAudience.Public,
            $$$"""{"record_srn":"{{{Rec}}}","deposition_srn":"{{{D}}}","validation_run_srn":"{{{R}}}"}"""
        },
    };

    [Theory]
    [MemberData(nameof(Events), DisableDiscoveryEnumeration = true)]
    public void An_event_has_its_wire_name_subject_audience_and_payload(DomainEvent happened, string type, string subject, EventAudience audience, string payload)
    {
        Assert.Equal(new DomainEvent(type, subject, audience, payload) { MetadataOf = happened.MetadataOf }, happened);
        Assert.Equal(type is "DepositionSubmittedEvent" or "ValidationCompleted" or "DepositionApproved" or "RecordPublished" ? Guid.Parse(Deposition.Id) : null, happened.MetadataOf);
    }
}
