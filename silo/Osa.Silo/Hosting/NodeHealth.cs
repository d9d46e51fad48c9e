using Microsoft.Extensions.Diagnostics.HealthChecks;
using Osa.Domain.Errors;
using Osa.Grains;
using Osa.Storage.Hosts;

namespace Osa.Silo.Hosting;

/// <summary>Whether the node can do its work: the database answers, and some silo offers slots for containers.</summary>
public sealed class NodeHealth(SiloTable silos, LocalSilo silo) : IHealthCheck
{
    /// <summary>Healthy; degraded where depositions are taken but runs are held back; unhealthy without the database.</summary>
    public async Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        try
        {
            IReadOnlyList<string> problems = Problems(await silos.LiveAsync(silo.ClusterId, cancellationToken));
            return problems.Count == 0 ? HealthCheckResult.Healthy() : HealthCheckResult.Degraded(string.Join("; ", problems));
        }
        catch (OsaException away)
        {
            return HealthCheckResult.Unhealthy(away.Message, away);
        }
    }

    /// <summary>What keeps the node from doing its work, in words.</summary>
    public IReadOnlyList<string> Problems(IReadOnlyList<LiveSilo> live)
    {
        var problems = new List<string>();
        if (!live.Any(s => s.Row.RunsContainers))
        {
            problems.Add("no silo has the containers role: runs are held back");
        }
        else if (!live.Any(s => s.Row is { RunsContainers: true, IsReady: true }))
        {
            problems.Add("no container engine is ready: runs are held back until one is");
        }

        problems.AddRange(live.Where(s => s.Row is { RunsContainers: true, IsReady: false }).Select(s => $"{s.Row.Name}: {s.Row.EngineState}"));
        return problems;
    }
}
