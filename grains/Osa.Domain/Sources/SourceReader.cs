using System.Text.Json;
using System.Text.Json.Nodes;
using Osa.Domain.Conventions;
using Osa.Domain.Errors;
using Osa.Domain.Hooks;
using Osa.Domain.Json;

namespace Osa.Domain.Sources;

/// <summary>Reads the member <c>source</c> of a registration document.</summary>
internal static class SourceReader
{
    public static SourceDefinition Read(ObjectReader source, NodeLimits limits, ViolationList violations)
    {
        (string image, string? digest) = HookReader.ReadImage(source);
        JsonObject? config = source.Object("config", required: false) is null ? null : JsonObject.Create(source.Optional("config")!.Value);
        HookLimits granted = source.Optional("limits") is { } given && ObjectReader.Open(given, source.PathOf("limits"), violations) is null
            ? SourceDefinition.DefaultLimits
            : HookReader.ReadLimits(source.Object("limits", required: false) ?? ObjectReader.Empty(source.PathOf("limits"), violations), limits, SourceDefinition.DefaultLimits, isHook: false);
        SourceSchedule? schedule = source.Object("schedule", required: false) is { } times ? ReadSchedule(times) : null;
        InitialRun? initial = source.Object("initial_run", required: false) is { } first ? ReadInitial(first) : null;
        long? batch = source.Integer("batch_size", required: false, 1, SourceDefinition.MaxBatchSize, "records");
        source.Close();
        return new SourceDefinition(image, digest, config, granted) { Schedule = schedule, InitialRun = initial, BatchSize = (int?)batch };
    }

    private static SourceSchedule ReadSchedule(ObjectReader schedule)
    {
        string cron = schedule.Text("cron", required: true) ?? "";
        if (schedule.Optional("cron") is { ValueKind: JsonValueKind.String } && CronTime.Problem(cron) is { } problem)
        {
            schedule.Report("cron", "cron", $"{Shown.Quote(cron)} {problem}");
        }

        long? limit = Limit(schedule);
        schedule.Close();
        return new SourceSchedule(cron, limit);
    }

    private static InitialRun ReadInitial(ObjectReader initial)
    {
        long? limit = Limit(initial);
        initial.Close();
        return new InitialRun(limit);
    }

    private static long? Limit(ObjectReader reader) => reader.Integer("limit", required: false, 1, int.MaxValue, "records");
}
