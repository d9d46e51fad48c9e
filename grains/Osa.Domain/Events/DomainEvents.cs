using System.Buffers;
using System.Text;
using System.Text.Json;
using Osa.Domain.Json;
using Osa.Domain.Names;
using Osa.Domain.Sources;
using Osa.Domain.Validation;

namespace Osa.Domain.Events;

/// <summary>
/// The events with their payloads as the Open Science Archive's feed has them, and the run's name on all that follow from a run.
/// Metadata is passed as the JSON object that was accepted before.
/// </summary>
public static class DomainEvents
{
    public static DomainEvent ConventionRegistered(Srn convention) =>
        Create(EventTypes.ConventionRegistered, convention, EventAudience.Public, writer => writer.WriteString("convention_srn", convention.ToString()));

    public static DomainEvent DepositionCreated(Srn deposition, Srn convention, Guid owner) =>
        OfDeposition(EventTypes.DepositionCreated, deposition, writer =>
        {
            writer.WriteString("convention_srn", convention.ToString());
            writer.WriteString("owner_id", owner);
        });

    public static DomainEvent MetadataUpdated(Srn deposition, string metadataJson) =>
        OfDeposition(EventTypes.MetadataUpdated, deposition, writer => WriteMetadata(writer, metadataJson));

    /// <param name="size">Bytes.</param>
    /// <param name="checksum"><c>sha256:</c> and 64 hex digits.</param>
    public static DomainEvent FileUploaded(Srn deposition, string fileName, long size, string checksum) =>
        OfDeposition(EventTypes.FileUploaded, deposition, writer =>
        {
            writer.WriteString("filename", fileName);
            writer.WriteNumber("size", size);
            writer.WriteString("checksum", checksum);
        });

    public static DomainEvent FileDeleted(Srn deposition, string fileName) =>
        OfDeposition(EventTypes.FileDeleted, deposition, writer => writer.WriteString("filename", fileName));

    public static DomainEvent DepositionSubmitted(Srn deposition, Srn run) =>
        WithMetadata(deposition, OfDeposition(EventTypes.DepositionSubmitted, deposition, writer => writer.WriteString("validation_run_srn", run.ToString())));

    public static DomainEvent ValidationStarted(Srn run, Srn deposition) =>
        OfRun(EventTypes.ValidationStarted, run, deposition, _ => { });

    /// <summary>Every hook has passed; the wire calls that status <c>completed</c>.</summary>
    public static DomainEvent ValidationCompleted(Srn run, Srn deposition, Srn convention, IReadOnlyList<HookResult> results) =>
        WithMetadata(deposition, OfRun(EventTypes.ValidationCompleted, run, deposition, writer =>
        {
            writer.WriteString("convention_srn", convention.ToString());
            writer.WriteString("status", "completed");
            writer.WriteStartArray("hook_results");
            foreach (HookResult result in results)
            {
                WriteResult(writer, result);
            }

            writer.WriteEndArray();
        }));

    /// <param name="status"><see cref="RunStatus.Rejected"/>, <see cref="RunStatus.Failed"/> or <see cref="RunStatus.Cancelled"/>.</param>
    /// <param name="reasons">What the depositor is told, one per hook that said no.</param>
    public static DomainEvent ValidationFailed(Srn run, Srn deposition, Srn convention, RunStatus status, IReadOnlyList<string> reasons) =>
        OfRun(EventTypes.ValidationFailed, run, deposition, writer =>
        {
            writer.WriteString("convention_srn", convention.ToString());
            writer.WriteString("status", WireName.Of(status));
            writer.WriteStartArray("reasons");
            foreach (string reason in reasons)
            {
                writer.WriteStringValue(Storable(reason));
            }

            writer.WriteEndArray();
        });

    public static DomainEvent DepositionApproved(Srn run, Srn deposition) => WithMetadata(deposition, OfRun(EventTypes.DepositionApproved, run, deposition, _ => { }));

    /// <param name="embargoed">It is its owner's and the curators' until it is released.</param>
    public static DomainEvent RecordPublished(Srn record, Srn deposition, Srn run, bool embargoed = false) =>
        WithMetadata(deposition, Create(EventTypes.RecordPublished, record, embargoed ? EventAudience.Owner : EventAudience.Public, writer =>
        {
            writer.WriteString("record_srn", record.ToString());
            writer.WriteString("deposition_srn", deposition.ToString());
            writer.WriteString("validation_run_srn", run.ToString());
        }));

    /// <summary>Its hooks have passed it, and a curator decides.</summary>
    public static DomainEvent ReviewRequested(Srn run, Srn deposition) => OfRun(EventTypes.ReviewRequested, run, deposition, _ => { });

    /// <summary>A curator returned it to its owner.</summary>
    public static DomainEvent DepositionReturned(Srn run, Srn deposition, string reason) =>
        OfRun(EventTypes.DepositionReturned, run, deposition, writer => writer.WriteString("reason", reason));

    public static DomainEvent DepositionWithdrawn(Srn deposition, string? reason) =>
        OfDeposition(EventTypes.DepositionWithdrawn, deposition, writer => writer.WriteString("reason", reason));

    /// <summary>The embargo of a record has ended; readers learn of it as they do of a publication.</summary>
    public static DomainEvent RecordReleased(Srn record, string metadataJson) =>
        Create(EventTypes.RecordReleased, record, EventAudience.Public, writer =>
        {
            writer.WriteString("record_srn", record.ToString());
            WriteMetadata(writer, metadataJson);
        });

    /// <param name="embargoed">Nobody but its owner and curators knew of it.</param>
    public static DomainEvent RecordWithdrawn(Srn record, string reason, bool embargoed) =>
        Create(EventTypes.RecordWithdrawn, record, embargoed ? EventAudience.Owner : EventAudience.Public, writer =>
        {
            writer.WriteString("record_srn", record.ToString());
            writer.WriteString("reason", reason);
        });

    public static DomainEvent ConventionRetired(Srn convention, string reason) =>
        Create(EventTypes.ConventionRetired, convention, EventAudience.Public, writer =>
        {
            writer.WriteString("convention_srn", convention.ToString());
            writer.WriteString("reason", reason);
        });

    /// <summary>A pull has ended; which was the last word of its source, where upstream had no more.</summary>
    /// <param name="records">All that upstream offered.</param>
    public static DomainEvent SourceRunCompleted(Srn convention, Guid pull, PullStatus status, DateTime started, long records, bool isFinal) =>
        Create(EventTypes.SourceRunCompleted, convention, EventAudience.Owner, writer =>
        {
            writer.WriteString("convention_srn", convention.ToString());
            writer.WriteString("pull_id", pull);
            writer.WriteString("status", WireName.Of(status));
            writer.WriteString("started_at", started);
            writer.WriteNumber("record_count", records);
            writer.WriteBoolean("is_final_chunk", isFinal);
        });

    /// <summary>The wire calls a deposition's name <c>deposition_id</c> here, and <c>deposition_srn</c> in events of runs.</summary>
    private static DomainEvent OfDeposition(string type, Srn deposition, Action<Utf8JsonWriter> write) =>
        Create(type, deposition, EventAudience.Owner, writer =>
        {
            writer.WriteString("deposition_id", deposition.ToString());
            write(writer);
        });

    private static DomainEvent OfRun(string type, Srn run, Srn deposition, Action<Utf8JsonWriter> write) =>
        Create(type, deposition, EventAudience.Owner, writer =>
        {
            writer.WriteString("validation_run_srn", run.ToString());
            writer.WriteString("deposition_srn", deposition.ToString());
            write(writer);
        });

    private static DomainEvent WithMetadata(Srn deposition, DomainEvent happened) => happened with { MetadataOf = Guid.Parse(deposition.Id) };

    private static DomainEvent Create(string type, Srn subject, EventAudience audience, Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, CanonicalJson.Options))
        {
            writer.WriteStartObject();
            write(writer);
            writer.WriteEndObject();
        }

        return new DomainEvent(type, subject.ToString(), audience, Encoding.UTF8.GetString(buffer.WrittenSpan));
    }

    private static void WriteMetadata(Utf8JsonWriter writer, string metadataJson)
    {
        writer.WritePropertyName("metadata");
        writer.WriteRawValue(metadataJson, skipInputValidation: true);
    }

    /// <summary>Hooks may say anything; jsonb takes no NUL.</summary>
    private static string? Storable(string? text) => text?.Replace('\0', '\uFFFD');

    private static void WriteResult(Utf8JsonWriter writer, HookResult result)
    {
        writer.WriteStartObject();
        writer.WriteString("hook_name", result.Hook);
        writer.WriteString("status", WireName.Of(result.Status));
        writer.WriteString("rejection_reason", result.Status == HookStatus.Rejected ? Storable(result.Reason) : null);
        writer.WriteString("error_message", result.Status is HookStatus.Failed or HookStatus.Cancelled ? Storable(result.Reason) : null);
        writer.WriteStartArray("progress");
        foreach (ProgressLine line in result.Progress)
        {
            writer.WriteStartObject();
            writer.WriteString("step", Storable(line.Step));
            writer.WriteString("status", Storable(line.Status));
            writer.WriteString("message", Storable(line.Message));
            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteNumber("duration_seconds", result.Duration.TotalSeconds);
        writer.WriteEndObject();
    }
}
