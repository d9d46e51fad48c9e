using System.Globalization;
using Osa.Grains.Conventions;
using Osa.Grains.Depositions;
using Osa.Grains.Features;
using Osa.Grains.Hosts;
using Osa.Grains.Sources;
using Osa.Grains.Validation;

namespace Osa.Grains;

/// <summary>
/// The one place that makes grain keys. Each has a prefix with a colon: the ADO.NET storage provider would read a key that parses
/// as hexadecimal as a number, and two such keys could share a row.
/// </summary>
public static class GrainKeys
{
    public static IConventionGrain Convention(this IGrainFactory grains, string id) => Get<IConventionGrain>(grains, "conv:" + id);

    public static IFeatureTableGrain FeatureTable(this IGrainFactory grains, string name) => Get<IFeatureTableGrain>(grains, "table:" + name);

    public static IDepositionGrain Deposition(this IGrainFactory grains, Guid id) => Get<IDepositionGrain>(grains, "dep:" + id.ToString("D", CultureInfo.InvariantCulture));

    public static IValidationRunGrain ValidationRun(this IGrainFactory grains, Guid id) => Get<IValidationRunGrain>(grains, "run:" + id.ToString("D", CultureInfo.InvariantCulture));

    public static ISourceGrain Source(this IGrainFactory grains, string conventionId) => Get<ISourceGrain>(grains, "source:" + conventionId);

    public static IContainerHostGrain ContainerHost(this IGrainFactory grains, string engineId) => Get<IContainerHostGrain>(grains, "host:" + engineId);

    // GetGrain reads the attributes of the interface every time, which took a fifteenth of the silo's time under short calls.
    private static T Get<T>(IGrainFactory grains, string key)
        where T : class, IGrainWithStringKey
    {
        if (Known<T>.Type is not { } known)
        {
            T first = grains.GetGrain<T>(key);
            Known<T>.Type = Tuple.Create(first.GetGrainId().Type, ((GrainReference)(IAddressable)first).InterfaceType);
            return first;
        }

        return (T)grains.GetGrain(GrainId.Create(known.Item1, key), known.Item2);
    }

    /// <summary>What the key names, without its prefix.</summary>
    public static string Subject(string key) => key[(key.IndexOf(':', StringComparison.Ordinal) + 1)..];

    private static class Known<T>
    {
        public static volatile Tuple<GrainType, GrainInterfaceType>? Type;
    }
}
