using System.Diagnostics;
using System.Diagnostics.Metrics;

namespace Osa.Storage;

/// <summary>
/// What the node tells of its own work, under names that stay: see TELEMETRY.md. Costs next to nothing while nobody listens.
/// </summary>
public static class NodeTelemetry
{
    /// <summary>The name of the source of traces and of the meter.</summary>
    public const string Name = "osa";

    private static readonly ActivitySource Source = new(Name);
    private static readonly Meter Meter = new(Name);

    public static Counter<long> Submissions { get; } = Meter.CreateCounter<long>("osa.submissions", "{deposition}", "Depositions that went into validation");

    public static Counter<long> Runs { get; } = Meter.CreateCounter<long>("osa.runs", "{run}", "Validation runs that ended, by status");

    public static Counter<long> Depositions { get; } = Meter.CreateCounter<long>("osa.verdicts", "{deposition}", "Depositions that got a verdict, by status");

    public static Counter<long> FeatureRows { get; } = Meter.CreateCounter<long>("osa.feature_rows", "{row}", "Feature rows that were published");

    public static Histogram<double> SlotWait { get; } = Meter.CreateHistogram<double>("osa.slot.wait", "s", "From asking for a container's slot to having it");

    public static Histogram<double> Container { get; } = Meter.CreateHistogram<double>("osa.container.duration", "s", "Wall clock of a hook's container by its engine, by hook");

    public static Histogram<double> Verdict { get; } = Meter.CreateHistogram<double>("osa.verdict.duration", "s", "The transaction that settles a run's depositions");

    public static Counter<long> Setbacks { get; } = Meter.CreateCounter<long>("osa.run.setbacks", "{setback}", "Infrastructure that was away in the middle of a run");

    public static Counter<long> Reaped { get; } = Meter.CreateCounter<long>("osa.reaped", "{container}", "Containers and directories that no run claimed any more");

    public static Counter<long> EventsNumbered { get; } = Meter.CreateCounter<long>("osa.events.numbered", "{event}", "Events that got their position in the feed");

    public static Counter<long> Registrations { get; } = Meter.CreateCounter<long>("osa.registrations", "{convention}", "Convention versions that were registered");

    public static Counter<long> Pulls { get; } = Meter.CreateCounter<long>("osa.pulls", "{pull}", "Pulls of sources that ended, by status");

    public static Counter<long> Pulled { get; } = Meter.CreateCounter<long>("osa.pulled", "{record}", "Records that sources brought, by what became of them");

    /// <summary>A step of a run; null while nobody listens.</summary>
    public static Activity? Step(string name, Guid run) => Source.StartActivity(name)?.SetTag("osa.run", run);
}
