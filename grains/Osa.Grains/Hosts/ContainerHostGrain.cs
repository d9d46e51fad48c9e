using Osa.Containers;
using Osa.Domain.Hooks;
using Osa.Storage.Hosts;
using Osa.Storage.Validation;

namespace Osa.Grains.Hosts;

/// <inheritdoc cref="IContainerHostGrain"/>
/// <remarks>
/// Grants are a cache of the claims in run_units, read at activation and reconciled since: the transaction that saves an attempt
/// checks the capacity again over the rows, so that a forgotten grant can not overcommit memory.
/// </remarks>
[ContainersPlacement]
public sealed class ContainerHostGrain : Grain, IContainerHostGrain
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Reconciliation = TimeSpan.FromSeconds(10);

    private readonly RunSweep _claims;
    private readonly HostDirectory _hosts;
    private readonly ContainerHost _host;
    private readonly TimeProvider _time;
    private readonly TurnQueue _queue;
    private readonly Dictionary<string, Grant> _grants = [];
    private readonly Dictionary<string, Task<string>> _images = [];
    private readonly Dictionary<string, string> _steps = [];

    public ContainerHostGrain(RunSweep claims, HostDirectory hosts, ContainerHost host, TimeProvider time)
    {
        (_claims, _hosts, _host, _time) = (claims, hosts, host, time);
        _queue = new TurnQueue(time, flow => _grants.Values.Count(g => g.Flow == flow));
    }

    private string EngineId => GrainKeys.Subject(this.GetPrimaryKeyString());

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        await ReconcileAsync(cancellationToken);
        this.RegisterGrainTimer(ReconcileAsync, Reconciliation, Reconciliation);
    }

    public async Task<SlotAnswer> Acquire(SlotRequest request, CancellationToken cancellation)
    {
        long deadline = _time.GetTimestamp() + (long)(Patience.TotalSeconds * _time.TimestampFrequency);
        while (true)
        {
            if (_grants.ContainsKey(request.Ticket))
            {
                return new SlotAnswer(true, null, 0);
            }

            var flow = new Flow(request.Convention, request.IsBulk);
            int place = _queue.Place(request.Ticket, flow);
            SiloRow? row = (await _hosts.ReachingAsync(EngineId, cancellation))?.Row;
            string waitingFor;
            if (row is null || !row.IsReady)
            {
                waitingFor = $"a container engine: {row?.EngineState ?? "none is reached"}";
            }
            else if (place > 0)
            {
                waitingFor = $"a slot, {place} before it in the queue";
            }
            else if (Shortage(row, request) is { } shortage)
            {
                waitingFor = $"a slot: {shortage}";
            }
            else
            {
                _grants[request.Ticket] = new Grant(Limits(request.MemoryBytes, request.Cpu), flow, _time.GetTimestamp());
                _queue.Leave(request.Ticket);
                return new SlotAnswer(true, null, 0);
            }

            TimeSpan left = _time.GetElapsedTime(_time.GetTimestamp(), deadline);
            if (left <= TimeSpan.Zero)
            {
                return new SlotAnswer(false, waitingFor, place, row is not { IsReady: true });
            }

            // The first in line also looks by itself: an engine that becomes ready wakes nobody.
            TimeSpan look = place == 0 ? TimeSpan.FromSeconds(1) : Patience;
            await _queue.WaitAsync(request.Ticket, left < look ? left : look, cancellation);
        }
    }

    public Task Release(string ticket)
    {
        _grants.Remove(ticket);
        _queue.Leave(ticket);
        return Task.CompletedTask;
    }

    public async Task<ImageAnswer> ResolveImage(string image, string? digest, CancellationToken cancellation)
    {
        string key = $"{image}\n{digest}";
        if (!_images.TryGetValue(key, out Task<string>? resolving))
        {
            _steps[key] = $"looking for {image}";
            // Not on the grain's scheduler: the engine may take minutes, and progress is only ever replaced whole.
            resolving = _images[key] = Task.Run(() => _host.ResolveImageAsync(image, digest, new Steps(this, key)), CancellationToken.None);
        }

        await Task.WhenAny(resolving, Task.Delay(TimeSpan.FromSeconds(3), _time, cancellation));
        string step;
        lock (_steps)
        {
            step = _steps.GetValueOrDefault(key, "");
        }

        if (!resolving.IsCompleted)
        {
            return new ImageAnswer(null, step);
        }

        // What was resolved is the caller's to keep; the next registration looks again.
        _images.Remove(key);
        return new ImageAnswer(await resolving, step);
    }

    public async Task<List<OrphanContainer>> Orphans(CancellationToken cancellation) => [.. await _host.OrphansAsync(cancellation)];

    private string? Shortage(SiloRow row, SlotRequest request) =>
        new HostCapacity(row.Slots, row.MemoryBytes, row.Cpu).WhyNot([.. _grants.Values.Select(g => g.Limits)], Limits(request.MemoryBytes, request.Cpu));

    private static HookLimits Limits(long memoryBytes, double cpu) => HookLimits.Default with { MemoryBytes = memoryBytes, Cpu = cpu };

    private async Task ReconcileAsync(CancellationToken cancellation)
    {
        Dictionary<string, Claim> claimed = (await _claims.ClaimsAsync(cancellation)).Where(c => c.EngineId == EngineId && c.HoldsSlot).ToDictionary(c => c.ContainerName);
        foreach ((string ticket, Grant grant) in _grants.ToList())
        {
            // A grant whose attempt was never saved, or whose release got lost.
            if (!claimed.ContainsKey(ticket) && _time.GetElapsedTime(grant.At) > Reconciliation)
            {
                _grants.Remove(ticket);
            }
        }

        foreach (Claim claim in claimed.Values)
        {
            _grants.TryAdd(claim.ContainerName, new Grant(Limits(claim.MemoryBytes, claim.Cpu), new Flow(claim.Convention, claim.IsBulk), _time.GetTimestamp()));
        }

        _queue.Move();
    }

    private sealed record Grant(HookLimits Limits, Flow Flow, long At);

    private sealed class Steps(ContainerHostGrain grain, string key) : IProgress<string>
    {
        public void Report(string value)
        {
            lock (grain._steps)
            {
                grain._steps[key] = value;
            }
        }
    }
}
