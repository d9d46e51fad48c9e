using System.Text.Json;
using System.Text.Json.Nodes;
using Osa.Domain.Conventions;
using Osa.Domain.Errors;
using Osa.Domain.Json;
using Osa.Domain.Names;

namespace Osa.Domain.Hooks;

/// <summary>Reads one hook of a registration document.</summary>
internal static class HookReader
{
    /// <summary>Null, or a hook with stand-ins for what is wrong, after adding the violations.</summary>
    /// <param name="seen">Names of the hooks before it.</param>
    public static HookDefinition? Read(JsonElement element, string path, NodeLimits limits, HashSet<string> seen, ViolationList violations)
    {
        if (ObjectReader.Open(element, path, violations) is not { } hook)
        {
            return null;
        }

        (string image, string? digest) = ReadImage(hook);
        JsonObject? config = hook.Object("config", required: false) is null ? null : JsonObject.Create(hook.Optional("config")!.Value);
        HookLimits hookLimits = hook.Optional("limits") is { } given && ObjectReader.Open(given, hook.PathOf("limits"), violations) is null
            ? HookLimits.Default
            : ReadLimits(hook.Object("limits", required: false) ?? ObjectReader.Empty(hook.PathOf("limits"), violations), limits, HookLimits.Default, isHook: true);
        HookManifest? manifest = hook.Object("manifest", required: true) is { } declared ? ReadManifest(declared, limits, seen, violations) : null;
        hook.Close();
        return manifest is null ? null : new HookDefinition(image, digest, config, hookLimits, manifest);
    }

    /// <summary>What container runs: <c>image</c>, <c>digest</c> and <c>runner</c>.</summary>
    internal static (string Image, string? Digest) ReadImage(ObjectReader reader)
    {
        string? image = reader.Text("image", required: true);
        if (image is not null && !HookGrammar.IsImageReference(image))
        {
            reader.Report("image", "image_reference", $"{Shown.Quote(image)} is not an image reference such as ghcr.io/group/hook:1.2 (lower case, no blanks)");
        }

        string? digest = reader.Text("digest", required: false);
        if (digest is not null && !HookGrammar.IsDigest(digest))
        {
            reader.Report("digest", "digest", $"{Shown.Quote(digest)} is not 'sha256:' and 64 lower-case hex digits; leave it out to have it resolved");
        }

        ReadRunner(reader);
        return (image ?? "", digest);
    }

    private static void ReadRunner(ObjectReader reader)
    {
        if (reader.Text("runner", required: false) is { } runner and not "oci")
        {
            reader.Report("runner", "choice", $"is {Shown.Quote(runner)}; the one runner is 'oci', which may be left out");
        }
    }

    /// <summary>What is left out has its default, and that is held against the node's maxima like any other value.</summary>
    /// <param name="isHook">Only hooks are given a number of depositions.</param>
    internal static HookLimits ReadLimits(ObjectReader reader, NodeLimits limits, HookLimits defaults, bool isHook)
    {
        long timeout = reader.Integer("timeout_seconds", required: false, 1, limits.MaxHookTimeoutSeconds, "seconds; this node's limit", defaults.TimeoutSeconds) ?? 1;
        long pids = reader.Integer("pids", required: false, 1, limits.MaxHookPids, "processes; this node's limit", defaults.Pids) ?? 1;
        long memory = ReadMemory(reader, limits, defaults);
        double cpu = ReadCpu(reader, limits, defaults);
        long batch = isHook ? reader.Integer("batch_size", required: false, 1, HookLimits.MaxBatchSize, "depositions", HookLimits.MaxBatchSize) ?? 1 : HookLimits.MaxBatchSize;
        reader.Close();
        return new HookLimits((int)timeout, memory, cpu, (int)pids) { BatchSize = (int)batch };
    }

    private static long ReadMemory(ObjectReader reader, NodeLimits limits, HookLimits defaults)
    {
        string? text = Scalar(reader, "memory");
        long? bytes = text is null ? defaults.MemoryBytes : HookGrammar.ParseMemory(text);
        if (bytes is null)
        {
            reader.Report("memory", "memory_format", $"{Shown.Quote(text!)} is not an amount of memory such as 512m, 2g, 1.5g or 1048576 (no 'b' at the end)");
        }
        else if (bytes < HookLimits.MinMemoryBytes || bytes > limits.MaxHookMemoryBytes)
        {
            reader.Report(
                "memory",
                bytes < HookLimits.MinMemoryBytes ? "minimum" : "maximum",
                $"is {HookGrammar.FormatBytes(bytes.Value)}; it must be from {HookGrammar.FormatBytes(HookLimits.MinMemoryBytes)} to {HookGrammar.FormatBytes(limits.MaxHookMemoryBytes)} (this node's limit)");
        }

        return bytes ?? defaults.MemoryBytes;
    }

    private static double ReadCpu(ObjectReader reader, NodeLimits limits, HookLimits defaults)
    {
        string? text = Scalar(reader, "cpu");
        double? cores = text is null ? defaults.Cpu : HookGrammar.ParseCpu(text);
        if (cores is null)
        {
            reader.Report("cpu", "cpu_format", $"{Shown.Quote(text!)} is not a number of cores such as 0.5 or 2");
        }
        else if (cores < HookLimits.MinCpu || cores > limits.MaxHookCpu)
        {
            reader.Report(
                "cpu",
                cores < HookLimits.MinCpu ? "minimum" : "maximum",
                $"is {cores:0.#########} cores; it must be from {HookLimits.MinCpu} to {limits.MaxHookCpu} (this node's limit)");
        }

        return cores ?? defaults.Cpu;
    }

    /// <summary>SDKs write these as text, people as numbers.</summary>
    private static string? Scalar(ObjectReader reader, string name)
    {
        switch (reader.Optional(name))
        {
            case null:
                return null;
            case { ValueKind: JsonValueKind.String } text:
                return text.GetString();
            case { ValueKind: JsonValueKind.Number } number:
                return ExactNumber.TryParse(number.GetRawText(), out ExactNumber exact) ? exact.ToPlainText() : number.GetRawText();
            case { } other:
                reader.Report(name, "type", $"must be a text or a number, not {ObjectReader.NounOf(other)}");
                return null;
        }
    }

    private static HookManifest ReadManifest(ObjectReader reader, NodeLimits limits, HashSet<string> seen, ViolationList violations)
    {
        string name = ReadName(reader, "hook", seen);
        string recordSchema = reader.Text("record_schema", required: false, 255) ?? "";
        FeatureCardinality? cardinality = reader.Choice<FeatureCardinality>("cardinality", required: true);
        HookContract contract = reader.Choice<HookContract>("contract", required: false) ?? HookContract.Record;
        ReadRunner(reader);
        List<ColumnDefinition> columns = [];
        if (reader.Object("feature_schema", required: true) is { } schema)
        {
            IReadOnlyList<(JsonElement Value, string Path)> items = schema.List("columns", required: true);
            if (items.Count > limits.MaxColumns)
            {
                schema.Report("columns", "max_items", $"are {items.Count}; this node takes {limits.MaxColumns} per hook");
            }

            var names = new HashSet<string>(StringComparer.Ordinal);
            columns = [.. items.Take(limits.MaxColumns).Select(item => ReadColumn(item.Value, item.Path, names, violations)).OfType<ColumnDefinition>()];
            schema.Close();
        }

        reader.Close();
        return new HookManifest(name, recordSchema, contract, cardinality ?? FeatureCardinality.One, columns);
    }

    private static string ReadName(ObjectReader reader, string noun, HashSet<string> seen)
    {
        string? name = reader.Text("name", required: true);
        if (name is not null && !OsaIdentifier.IsValid(name))
        {
            reader.Report("name", "identifier", $"{Shown.Quote(name)} cannot name a {noun}: {OsaIdentifier.Rule}");
        }
        else if (name is not null && !seen.Add(name))
        {
            reader.Report("name", "duplicate", $"{Shown.Quote(name)} names an earlier {noun} too; names are unique");
        }

        return name ?? "";
    }

    private static ColumnDefinition? ReadColumn(JsonElement element, string path, HashSet<string> seen, ViolationList violations)
    {
        if (ObjectReader.Open(element, path, violations) is not { } column)
        {
            return null;
        }

        string name = ReadName(column, "column", seen);
        if (ColumnDefinition.ReservedNames.Contains(name))
        {
            column.Report("name", "reserved", $"{Shown.Quote(name)} is a column that every table already has; choose another, such as {name}_value");
        }

        JsonType? type = column.Choice<JsonType>("json_type", required: true);
        string? format = column.Text("format", required: false);
        bool required = column.Flag("required", required: true) ?? false;
        bool index = column.Flag("index", required: false) ?? true;
        column.Close();
        return new ColumnDefinition(name, type ?? JsonType.String, type is { } known ? ReadFormat(column, known, format) : null, required) { Index = index };
    }

    /// <summary>
    /// A format that no type of ours corresponds to (<c>email</c>, <c>int64</c>) says nothing and is dropped; one that would have
    /// meant something elsewhere, or nearly does, is refused: the author expects a type that the column would not get.
    /// </summary>
    private static string? ReadFormat(ObjectReader column, JsonType type, string? format)
    {
        if (format is null)
        {
            return null;
        }

        if (ColumnDefinition.Formats.Contains(format))
        {
            if (type == JsonType.String)
            {
                return format;
            }

            column.Report("format", "format_type", $"'{format}' is a format of json_type 'string', not of '{WireName.Of(type)}'");
        }
        else if (format.Length <= 16 && ColumnDefinition.Formats.FirstOrDefault(known => Shown.Distance(known, format) <= 1) is { } meant)
        {
            column.Report("format", "format", $"{Shown.Quote(format)} is not a format; did you mean '{meant}'?");
        }

        return null;
    }
}
