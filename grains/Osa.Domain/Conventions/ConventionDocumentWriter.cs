using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Osa.Domain.Hooks;
using Osa.Domain.Json;
using Osa.Domain.Names;
using Osa.Domain.Schemas;
using Osa.Domain.Sources;

namespace Osa.Domain.Conventions;

/// <summary>Writes conventions as the registration document that <see cref="ConventionDocumentReader"/> reads.</summary>
public static class ConventionDocumentWriter
{
    /// <summary>
    /// The one text of a convention: fixed order, defaults written out, what is absent left out, configuration with sorted members.
    /// Two conventions are the same if their texts are.
    /// </summary>
    public static string Canonical(ConventionDocument document) => Write(writer =>
    {
        writer.WriteStartObject();
        writer.WriteString("id", document.Id);
        writer.WriteString("title", document.Title);
        writer.WriteString("version", document.Version);
        WriteOptional(writer, "description", document.Description);
        writer.WriteStartArray("schema");
        foreach (FieldDefinition field in document.Schema)
        {
            WriteField(writer, field);
        }

        writer.WriteEndArray();
        WriteFileRequirements(writer, document.FileRequirements);
        writer.WriteStartArray("hooks");
        foreach (HookDefinition hook in document.Hooks)
        {
            WriteHook(writer, hook);
        }

        writer.WriteEndArray();
        // Left out where they are the default: versions that were registered before these members existed keep their text.
        if (document.Curation != Curation.Automatic)
        {
            writer.WriteString("curation", WireName.Of(document.Curation));
        }

        if (document.Share)
        {
            writer.WriteBoolean("share", true);
        }

        if (document.Source is { } source)
        {
            WriteSource(writer, source);
        }

        writer.WriteEndObject();
    });

    /// <summary>SHA-256 of the canonical text, 64 lower-case hex digits. Hash what was registered, before digests are resolved.</summary>
    public static string ContentHash(ConventionDocument document) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(Canonical(document))));

    /// <summary>One field's constraints as they stand in the document, or an empty text for none.</summary>
    public static string ConstraintsJson(FieldConstraints? constraints) =>
        constraints is null ? "" : Write(writer => WriteConstraints(writer, constraints));

    private static string Write(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(buffer, CanonicalJson.Options))
        {
            write(writer);
        }

        return Encoding.UTF8.GetString(buffer.WrittenSpan);
    }

    private static void WriteField(Utf8JsonWriter writer, FieldDefinition field)
    {
        writer.WriteStartObject();
        writer.WriteString("name", field.Name);
        writer.WriteString("type", WireName.Of(field.Type));
        writer.WriteBoolean("required", field.Required);
        writer.WriteString("cardinality", WireName.Of(field.Cardinality));
        WriteOptional(writer, "description", field.Description);
        if (field.Constraints is { } constraints)
        {
            writer.WritePropertyName("constraints");
            WriteConstraints(writer, constraints);
        }

        writer.WriteEndObject();
    }

    private static void WriteConstraints(Utf8JsonWriter writer, FieldConstraints constraints)
    {
        writer.WriteStartObject();
        switch (constraints)
        {
            case TextConstraints text:
                writer.WriteString("type", "text");
                WriteOptional(writer, "min_length", text.MinLength);
                WriteOptional(writer, "max_length", text.MaxLength);
                WriteOptional(writer, "pattern", text.Pattern);
                break;
            case NumberConstraints number:
                writer.WriteString("type", "number");
                WriteOptional(writer, "min_value", number.MinValue);
                WriteOptional(writer, "max_value", number.MaxValue);
                writer.WriteBoolean("integer_only", number.IntegerOnly);
                break;
            case TermConstraints term:
                writer.WriteString("type", "term");
                WriteList(writer, "allowed_terms", term.AllowedTerms);
                break;
            case UrlConstraints url:
                writer.WriteString("type", "url");
                WriteOptional(writer, "pattern", url.Pattern);
                break;
            default:
                writer.WriteString("type", WireName.Of(constraints is DateConstraints ? FieldType.Date : FieldType.Boolean));
                break;
        }

        WriteOptional(writer, "unit", constraints.Unit);
        writer.WriteEndObject();
    }

    private static void WriteFileRequirements(Utf8JsonWriter writer, FileRequirements files)
    {
        writer.WriteStartObject("file_requirements");
        WriteList(writer, "accepted_types", files.AcceptedTypes);
        writer.WriteNumber("min_count", files.MinCount);
        writer.WriteNumber("max_count", files.MaxCount);
        writer.WriteNumber("max_file_size", files.MaxFileSize);
        writer.WriteEndObject();
    }

    private static void WriteHook(Utf8JsonWriter writer, HookDefinition hook)
    {
        writer.WriteStartObject();
        WriteContainer(writer, hook.Image, hook.Digest, hook.Config, hook.Limits);
        WriteManifest(writer, hook.Manifest);
        writer.WriteEndObject();
    }

    private static void WriteContainer(Utf8JsonWriter writer, string image, string? digest, JsonObject? config, HookLimits limits)
    {
        writer.WriteString("image", image);
        WriteOptional(writer, "digest", digest);
        if (config is not null)
        {
            writer.WritePropertyName("config");
            CanonicalJson.Write(writer, config);
        }

        writer.WriteStartObject("limits");
        writer.WriteNumber("timeout_seconds", limits.TimeoutSeconds);
        writer.WriteString("memory", limits.MemoryBytes.ToString(CultureInfo.InvariantCulture));
        writer.WriteString("cpu", ExactNumber.Of(limits.Cpu).ToPlainText());
        writer.WriteNumber("pids", limits.Pids);
        if (limits.BatchSize != HookLimits.MaxBatchSize)
        {
            writer.WriteNumber("batch_size", limits.BatchSize);
        }

        writer.WriteEndObject();
    }

    private static void WriteSource(Utf8JsonWriter writer, SourceDefinition source)
    {
        writer.WriteStartObject("source");
        WriteContainer(writer, source.Image, source.Digest, source.Config, source.Limits);
        if (source.Schedule is { } schedule)
        {
            writer.WriteStartObject("schedule");
            writer.WriteString("cron", schedule.Cron);
            WriteOptional(writer, "limit", schedule.Limit);
            writer.WriteEndObject();
        }

        if (source.InitialRun is { } initial)
        {
            writer.WriteStartObject("initial_run");
            WriteOptional(writer, "limit", initial.Limit);
            writer.WriteEndObject();
        }

        WriteOptional(writer, "batch_size", source.BatchSize);
        writer.WriteEndObject();
    }

    private static void WriteManifest(Utf8JsonWriter writer, HookManifest manifest)
    {
        writer.WriteStartObject("manifest");
        writer.WriteString("name", manifest.Name);
        writer.WriteString("record_schema", manifest.RecordSchema);
        writer.WriteString("contract", WireName.Of(manifest.Contract));
        writer.WriteString("cardinality", WireName.Of(manifest.Cardinality));
        writer.WriteStartObject("feature_schema");
        writer.WriteStartArray("columns");
        foreach (ColumnDefinition column in manifest.Columns)
        {
            writer.WriteStartObject();
            writer.WriteString("name", column.Name);
            writer.WriteString("json_type", WireName.Of(column.Type));
            WriteOptional(writer, "format", column.Format);
            writer.WriteBoolean("required", column.Required);
            if (!column.Index)
            {
                writer.WriteBoolean("index", false);
            }

            writer.WriteEndObject();
        }

        writer.WriteEndArray();
        writer.WriteEndObject();
        writer.WriteEndObject();
    }

    private static void WriteOptional(Utf8JsonWriter writer, string name, string? value)
    {
        if (value is not null)
        {
            writer.WriteString(name, value);
        }
    }

    private static void WriteOptional(Utf8JsonWriter writer, string name, double? value)
    {
        if (value is { } number)
        {
            writer.WriteNumber(name, number);
        }
    }

    private static void WriteList(Utf8JsonWriter writer, string name, IReadOnlyList<string>? values)
    {
        if (values is null)
        {
            return;
        }

        writer.WriteStartArray(name);
        foreach (string value in values)
        {
            writer.WriteStringValue(value);
        }

        writer.WriteEndArray();
    }
}
