using Orleans.Placement;
using Orleans.Runtime.Placement;
using Osa.Domain.Errors;
using Osa.Storage.Hosts;

namespace Osa.Grains.Hosts;

/// <summary>The grain lives on a silo with the containers role: best one that reaches the engine it was at, then one whose engine works and has room.</summary>
[AttributeUsage(AttributeTargets.Class)]
public sealed class ContainersPlacementAttribute() : PlacementAttribute(new ContainersPlacement());

/// <inheritdoc cref="ContainersPlacementAttribute"/>
[GenerateSerializer]
[Immutable]
[Alias("osa.containers-placement")]
public sealed class ContainersPlacement : PlacementStrategy
{
    /// <summary>Key in the request context of the engine id that a run's container may be on.</summary>
    public const string EngineHint = "osa.engine";
}

/// <summary>Ranks by the silos' rows; a filter could only select.</summary>
public sealed class ContainersPlacementDirector(HostDirectory hosts) : IPlacementDirector
{
    /// <exception cref="OsaException">Unavailable: no silo with the containers role is up.</exception>
    public async Task<SiloAddress> OnAddActivation(PlacementStrategy strategy, PlacementTarget target, IPlacementContext context)
    {
        string key = target.GrainIdentity.Key.ToString()!;
        string? engine = key.StartsWith("host:", StringComparison.Ordinal)
            ? GrainKeys.Subject(key)
            : target.RequestContextData?.GetValueOrDefault(ContainersPlacement.EngineHint) as string;
        Dictionary<string, SiloAddress> compatible = context.GetCompatibleSilos(target).ToDictionary(LocalSilo.AddressOf);
        LiveSilo? best = (await hosts.LiveAsync(CancellationToken.None))
            .Where(s => s.Row.RunsContainers && compatible.ContainsKey(s.Row.Silo))
            .OrderByDescending(s => engine is not null && s.Row.EngineId == engine)
            .ThenByDescending(s => s.Row.IsReady)
            .ThenByDescending(s => s.Row.Slots - s.SlotsUsed)
            .ThenBy(_ => Random.Shared.Next())
            .FirstOrDefault();
        return best is null
            ? throw OsaException.Unavailable("No silo with the containers role is up; runs are held back until one starts")
            : compatible[best.Row.Silo];
    }
}
