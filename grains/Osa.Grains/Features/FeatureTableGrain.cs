using Osa.Domain.Features;
using Osa.Domain.Hooks;
using Osa.Domain.Names;
using Osa.Storage.Features;

namespace Osa.Grains.Features;

/// <inheritdoc cref="IFeatureTableGrain"/>
/// <remarks>
/// Hundreds of registrants wait here and not on connections. The order is a courtesy: the advisory locks and the unique constraint of
/// the registration's transaction decide, whatever happens to a turn.
/// </remarks>
public sealed class FeatureTableGrain(FeatureTables tables, TimeProvider time) : Grain, IFeatureTableGrain
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(8);
    private static readonly TimeSpan Turn = TimeSpan.FromSeconds(30);

    private readonly TurnQueue _queue = new(time);
    private (string Ticket, long Since)? _turn;

    private string Name => GrainKeys.Subject(this.GetPrimaryKeyString());

    public async Task<TablePlan?> Enter(string ticket, string conventionId, HookManifest manifest, CancellationToken cancellation)
    {
        long asked = time.GetTimestamp();
        while (_turn?.Ticket != ticket)
        {
            int place = _queue.Place(ticket);
            if (place == 0 && (_turn is not { } other || time.GetElapsedTime(other.Since) > Turn))
            {
                _turn = (ticket, time.GetTimestamp());
                _queue.Leave(ticket);
                break;
            }

            TimeSpan left = Patience - time.GetElapsedTime(asked);
            if (left <= TimeSpan.Zero)
            {
                return null;
            }

            // The first in line also looks by itself, for a turn that was never left.
            TimeSpan look = place == 0 ? TimeSpan.FromSeconds(1) : Patience;
            await _queue.WaitAsync(ticket, left < look ? left : look, cancellation);
        }

        try
        {
            FeatureTableDdlPlan plan = await tables.PlanAsync(conventionId, manifest, cancellation);
            return new TablePlan(Name, WireName.Of(plan.Change), [.. plan.AddedColumns.Select(c => c.Name)]);
        }
        catch
        {
            await Leave(ticket);
            throw;
        }
    }

    public Task Leave(string ticket)
    {
        if (_turn?.Ticket == ticket)
        {
            _turn = null;
        }

        _queue.Leave(ticket);
        return Task.CompletedTask;
    }
}
