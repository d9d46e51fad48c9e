using System.Threading.Channels;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Osa.Containers;
using Osa.Domain.Errors;
using Osa.Storage;
using Osa.Storage.Hosts;
using Osa.Storage.Validation;

namespace Osa.Grains.Hosts;

/// <summary>
/// This silo's container engine: connects, tests itself before it offers slots, removes what is done with, and reaps what nobody
/// claims. Only on silos with the containers role.
/// </summary>
public sealed partial class ContainerHost(ContainerEngine engine, ContainerHostOptions options, RunSweep sweep, TimeProvider time, ILogger<ContainerHost> logger)
    : BackgroundService
{
    private const int Removers = 4;
    private static readonly TimeSpan Check = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Description = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Reaping = TimeSpan.FromSeconds(30);

    private readonly Channel<Removal> _removals = Channel.CreateUnbounded<Removal>();
    private volatile HostState _state = new("connecting to the container engine", null, null);

    public ContainerEngine Engine => engine;

    /// <summary>What this silo says of its engine.</summary>
    public HostState State => _state;

    /// <exception cref="OsaException">Unavailable: no slots are offered now; the message says why.</exception>
    public (string EngineId, HostCapacity Capacity) Ready =>
        _state is { Text: SiloRow.Ready, Description: { } description, Capacity: { } capacity }
            ? (description.EngineId, capacity)
            : throw OsaException.Unavailable($"The container engine is not ready: {_state.Text}");

    /// <inheritdoc cref="ContainerEngine.ResolveImageAsync"/>
    public Task<string> ResolveImageAsync(string image, string? digest, IProgress<string> progress) =>
        engine.ResolveImageAsync(image, digest, progress, CancellationToken.None);

    /// <summary>Removes an attempt's container and directory behind the run's back: its result, or that it is lost, is saved.</summary>
    public void RemoveLater(string containerName, string? containerId) => _removals.Writer.TryWrite(new Removal(containerName, containerId));

    /// <summary>Containers, networks and directories of this cluster that no run claims.</summary>
    /// <exception cref="OsaException">Unavailable: the engine is away.</exception>
    public async Task<IEnumerable<OrphanContainer>> OrphansAsync(CancellationToken cancellation)
    {
        // Listed first, and the claims read afterwards: a claim is saved before anything is made for it.
        IReadOnlyList<OwnedContainer> containers = await engine.ListOwnedAsync(cancellation);
        IEnumerable<string> others = (await engine.ListNetworksAsync(cancellation)).Concat(engine.ListScratch());
        HashSet<string> claimed = [.. (await sweep.ClaimsAsync(cancellation)).Select(c => c.ContainerName)];
        return containers.Select(c => new OrphanContainer(c.Name, c.Id)).Concat(others.Select(name => new OrphanContainer(name, null))).DistinctBy(o => o.Name).Where(o => !claimed.Contains(o.Name));
    }

    protected override Task ExecuteAsync(CancellationToken stoppingToken) =>
        Task.WhenAll([ConnectAsync(stoppingToken), ReapAsync(stoppingToken), .. Enumerable.Range(0, Removers).Select(_ => RemoveAsync(stoppingToken))]);

    private async Task ConnectAsync(CancellationToken stopping)
    {
        long describedAt = 0;
        while (!stopping.IsCancellationRequested)
        {
            try
            {
                if (_state.Text == SiloRow.Ready && time.GetElapsedTime(describedAt) < Description)
                {
                    // To describe itself an engine runs other programs, which takes a tenth of what a short hook takes.
                    await engine.PingAsync(stopping);
                }
                else
                {
                    await DescribeAsync(stopping);
                    describedAt = time.GetTimestamp();
                }
            }
            catch (Exception away) when (!stopping.IsCancellationRequested)
            {
                if (_state.Text != away.Message)
                {
                    LogAway(logger, away.Message);
                }

                _state = new HostState(away.Message, _state.Description, null);
            }
            catch (OperationCanceledException)
            {
                return;
            }

            await PauseAsync(Check, stopping);
        }
    }

    private async Task DescribeAsync(CancellationToken stopping)
    {
        EngineDescription description = await engine.DescribeAsync(stopping);
        if (_state.Text != SiloRow.Ready || _state.Description?.EngineId != description.EngineId)
        {
            _state = new HostState("testing whether containers work here", description, null);
            await engine.SelfTestAsync(stopping);
            _state = new HostState(SiloRow.Ready, description, HostCapacity.Of(description, options));
            LogReady(logger, description.EngineId, description.Version, _state.Capacity!.Slots);
        }
        else if (_state.Description != description)
        {
            // It was updated, or has got other resources.
            _state = new HostState(SiloRow.Ready, description, HostCapacity.Of(description, options));
        }
    }

    private async Task ReapAsync(CancellationToken stopping)
    {
        while (!stopping.IsCancellationRequested)
        {
            await PauseAsync(_state.Capacity is null ? TimeSpan.FromSeconds(1) : Reaping, stopping);
            if (_state is not { Capacity: not null })
            {
                continue;
            }

            try
            {
                foreach (OrphanContainer orphan in await OrphansAsync(stopping))
                {
                    NodeTelemetry.Reaped.Add(1);
                    LogReaped(logger, orphan.Name);
                    RemoveLater(orphan.Name, orphan.ContainerId);
                }
            }
            catch (Exception e) when (!stopping.IsCancellationRequested)
            {
                LogNotReaped(logger, e.Message);
            }
            catch (OperationCanceledException)
            {
                return;
            }
        }
    }

    private async Task RemoveAsync(CancellationToken stopping)
    {
        await foreach (Removal removal in _removals.Reader.ReadAllAsync(CancellationToken.None))
        {
            try
            {
                await engine.RemoveAsync(removal.Name, removal.Id, stopping);
            }
            catch (Exception e)
            {
                if (stopping.IsCancellationRequested)
                {
                    return;
                }

                // Unclaimed by now: the reaper comes back to it.
                LogNotRemoved(logger, removal.Name, e.Message);
            }
        }
    }

    public override Task StopAsync(CancellationToken cancellationToken)
    {
        _removals.Writer.TryComplete();
        return base.StopAsync(cancellationToken);
    }

    private async Task PauseAsync(TimeSpan pause, CancellationToken stopping)
    {
        try
        {
            await Task.Delay(pause, time, stopping);
        }
        catch (OperationCanceledException)
        {
            // The loop's condition ends it.
        }
    }

    [LoggerMessage(4001, LogLevel.Information, "Container engine {EngineId} ({Version}) is ready with {Slots} slots")]
    private static partial void LogReady(ILogger logger, string engineId, string version, int slots);

    [LoggerMessage(4002, LogLevel.Warning, "No slots: {Reason}")]
    private static partial void LogAway(ILogger logger, string reason);

    [LoggerMessage(4003, LogLevel.Information, "Removing {Name}, which no run claims")]
    private static partial void LogReaped(ILogger logger, string name);

    [LoggerMessage(4005, LogLevel.Warning, "Could not look for what nobody claims: {Reason}")]
    private static partial void LogNotReaped(ILogger logger, string reason);

    [LoggerMessage(4004, LogLevel.Warning, "Could not remove {Name}: {Reason}")]
    private static partial void LogNotRemoved(ILogger logger, string name, string reason);

    private sealed record Removal(string Name, string? Id);
}

/// <param name="Text"><c>ready</c>, or why no slots are offered.</param>
public sealed record HostState(string Text, EngineDescription? Description, HostCapacity? Capacity);
