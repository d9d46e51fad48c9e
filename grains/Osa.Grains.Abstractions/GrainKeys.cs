using System.Globalization;
using Osa.Grains.Conventions;
using Osa.Grains.Depositions;
using Osa.Grains.Features;
using Osa.Grains.Hosts;
using Osa.Grains.Validation;

namespace Osa.Grains;

/// <summary>
/// The one place that makes grain keys. Each has a prefix with a colon: the ADO.NET storage provider would read a key that parses
/// as hexadecimal as a number, and two such keys could share a row.
/// </summary>
public static class GrainKeys
{
    public static IConventionGrain Convention(this IGrainFactory grains, string id) => grains.GetGrain<IConventionGrain>("conv:" + id);

    public static IFeatureTableGrain FeatureTable(this IGrainFactory grains, string name) => grains.GetGrain<IFeatureTableGrain>("table:" + name);

    public static IDepositionGrain Deposition(this IGrainFactory grains, Guid id) => grains.GetGrain<IDepositionGrain>("dep:" + id.ToString("D", CultureInfo.InvariantCulture));

    public static IValidationRunGrain ValidationRun(this IGrainFactory grains, Guid id) => grains.GetGrain<IValidationRunGrain>("run:" + id.ToString("D", CultureInfo.InvariantCulture));

    public static IContainerHostGrain ContainerHost(this IGrainFactory grains, string engineId) => grains.GetGrain<IContainerHostGrain>("host:" + engineId);

    /// <summary>What the key names, without its prefix.</summary>
    public static string Subject(string key) => key[(key.IndexOf(':', StringComparison.Ordinal) + 1)..];
}
