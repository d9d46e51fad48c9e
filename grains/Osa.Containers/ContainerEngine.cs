using System.Globalization;
using Docker.DotNet.Models;
using Microsoft.Extensions.Logging;
using Osa.Containers.Engine;
using Osa.Containers.Output;
using Osa.Containers.Scratch;
using Osa.Domain.Errors;
using Osa.Domain.Faults;

namespace Osa.Containers;

/// <summary>
/// Runs hardened containers on one Docker engine and comes back with what they did. Connects with its first call. Every method may
/// throw <see cref="OsaException"/> Unavailable: the engine is away, hung or refused; no other exception of the engine leaves.
/// </summary>
public sealed partial class ContainerEngine : IAsyncDisposable
{
    private readonly ContainerHostOptions _options;
    private readonly ILogger<ContainerEngine> _logger;
    private readonly EngineApi _api;
    private readonly ScratchArea _scratch;
    private EngineDescription? _described;

    public ContainerEngine(ContainerHostOptions options, TimeProvider time, ILogger<ContainerEngine> logger)
    {
        _options = options;
        _logger = logger;
        _api = new EngineApi(options.Endpoint, options.RequestTimeout, time);
        _scratch = new ScratchArea(options.ScratchDirectory, options.DataDirectory, options.HostDataDirectory);
    }

    /// <summary>Asks the engine whether it is there.</summary>
    public Task PingAsync(CancellationToken cancellationToken) => _api.CallAsync("answer", (client, token) => client.System.PingAsync(token), cancellationToken);

    /// <summary>Asks the engine what it is; always a request.</summary>
    public async Task<EngineDescription> DescribeAsync(CancellationToken cancellationToken)
    {
        Task<VersionResponse> versionTask = _api.CallAsync("tell its version", (client, token) => client.System.GetVersionAsync(token), cancellationToken);
        SystemInfoResponse info = await _api.CallAsync("describe itself", (client, token) => client.System.GetSystemInfoAsync(token), cancellationToken);
        VersionResponse version = await versionTask;
        return _described = new EngineDescription(
            info.ID,
            version.Version,
            version.APIVersion,
            info.KernelVersion,
            info.OperatingSystem,
            info.Architecture,
            // Engines before cgroup v2 do not say.
            string.IsNullOrEmpty(info.CgroupVersion) ? "1" : info.CgroupVersion,
            (int)info.NCPU,
            info.MemTotal,
            version.Components?.FirstOrDefault(component => component.Name == "runc")?.Version ?? "");
    }

    /// <summary>
    /// This cluster's containers on this engine, in every state; never another cluster's, nor self-tests. A gate is not listed beside the
    /// container that it is for, and where that is gone, under its name.
    /// </summary>
    public async Task<IReadOnlyList<OwnedContainer>> ListOwnedAsync(CancellationToken cancellationToken)
    {
        IList<ContainerListResponse> found = await ListAsync($"{Hardening.ClusterLabel}={_options.ClusterId}", cancellationToken);
        return [.. found.OrderBy(container => container.Labels.ContainsKey(Hardening.GateLabel)).Select(container => new OwnedContainer(
            container.ID,
            container.Labels.TryGetValue(Hardening.GateLabel, out string? attempted) ? attempted : container.Names[0].TrimStart('/'),
            new JobLabels(
                container.Labels.TryGetValue(Hardening.RunLabel, out string? run) ? run : "",
                container.Labels.TryGetValue(Hardening.HookLabel, out string? hook) ? hook : "",
                container.Labels.TryGetValue(Hardening.UnitLabel, out string? unit) ? unit : "",
                container.Labels.TryGetValue(Hardening.AttemptLabel, out string? attempt) && int.TryParse(attempt, out int number) ? number : 0),
            container.State)).DistinctBy(container => container.Name)];
    }

    /// <summary>Names of attempts that have a scratch directory on this machine, complete or not; no request.</summary>
    public IReadOnlyList<string> ListScratch() => _scratch.List();

    /// <summary>A live view of what the named container reports; no request.</summary>
    /// <exception cref="OsaException">InvalidArgument: not a container's name.</exception>
    public ProgressTail FollowProgress(string containerName)
    {
        ContainerJob.CheckName(containerName);
        return new ProgressTail(new OutputDirectory(_scratch.OutputOf(containerName)));
    }

    /// <summary>What the named container writes to <c>/osa/out</c>, for one that has ended; no request.</summary>
    /// <exception cref="OsaException">InvalidArgument: not a container's name.</exception>
    public OutputDirectory OutputOf(string containerName)
    {
        ContainerJob.CheckName(containerName);
        return new OutputDirectory(_scratch.OutputOf(containerName));
    }

    /// <summary>What the named container of a source writes to <c>/osa/files</c>, for one that has ended; no request.</summary>
    /// <exception cref="OsaException">InvalidArgument: not a container's name.</exception>
    public OutputDirectory FilesOf(string containerName)
    {
        ContainerJob.CheckName(containerName);
        return new OutputDirectory(_scratch.FilesOf(containerName));
    }

    /// <summary>What the named container has logged so far: its first 16 KiB and last 48 KiB, as plain text; empty where there is none.</summary>
    public async Task<string> ReadLogAsync(string containerName, CancellationToken cancellationToken)
    {
        ContainerJob.CheckName(containerName);
        return await FindOwnAsync(containerName, cancellationToken) is { } id ? await ContainerLog.ReadAsync(_api, id, cancellationToken) : "";
    }

    /// <summary>
    /// Ends the container of an attempt, and sees to it that one which never started never will. The caller has recorded why.
    /// Returns when the engine has taken the order; <see cref="RunAsync"/> returns when the container has ended.
    /// </summary>
    public async Task KillAsync(string containerName, CancellationToken cancellationToken)
    {
        ContainerJob.CheckName(containerName);
        _scratch.Seal(containerName);
        if (await FindOwnAsync(containerName, cancellationToken) is { } id)
            await _api.KillAsync(id, cancellationToken);
    }

    /// <summary>
    /// Removes the container of an attempt, running or not, its gate and its network, and everything in its scratch directory, whatever modes
    /// the hook left. Does nothing where there is nothing.
    /// </summary>
    /// <param name="containerId">The container to remove; null looks it up by its name and this cluster's label.</param>
    /// <exception cref="OsaException">Unavailable: something is left; the same call can be repeated.</exception>
    public async Task RemoveAsync(string containerName, string? containerId, CancellationToken cancellationToken)
    {
        ContainerJob.CheckName(containerName);
        bool mayHaveGate = _scratch.MayHaveGate(containerName);
        // First of all the directory stops being an attempt's, so that a crash on the way leaves nothing that could be adopted.
        _scratch.Retire(containerName);
        if ((containerId ?? await FindOwnAsync(containerName, cancellationToken)) is { } id)
            await _api.RemoveAsync(id, cancellationToken);
        if (mayHaveGate)
            await RemoveGateAsync(containerName, cancellationToken);
        FaultPoint.Reached("unit.removed");
        await RemoveScratchAsync(_scratch, containerName, cancellationToken);
        FaultPoint.Reached("unit.gone");
    }

    public ValueTask DisposeAsync()
    {
        _api.Dispose();
        _probeGate.Dispose();
        return ValueTask.CompletedTask;
    }

    private async Task<string?> FindOwnAsync(string name, CancellationToken cancellationToken) =>
        await _api.InspectAsync(name, cancellationToken) is { } found && IsOwn(found) ? found.ID : null;

    private bool IsOwn(ContainerInspectResponse container) => IsOwn(container.Config.Labels);

    private bool IsOwn(IDictionary<string, string>? labels) =>
        labels is not null && labels.TryGetValue(Hardening.ClusterLabel, out string? cluster) && cluster == _options.ClusterId;

    private Task<IList<ContainerListResponse>> ListAsync(string label, CancellationToken cancellationToken) => _api.CallAsync(
        "list containers",
        (client, token) => client.Containers.ListContainersAsync(
            new ContainersListParameters
            {
                All = true,
                Filters = new Dictionary<string, IDictionary<string, bool>> { ["label"] = new Dictionary<string, bool> { [label] = true } },
            },
            token),
        cancellationToken);

    private async Task<DateTimeOffset> EngineTimeAsync(CancellationToken cancellationToken)
    {
        SystemInfoResponse info = await _api.CallAsync("tell the time", (client, token) => client.System.GetSystemInfoAsync(token), cancellationToken);
        return ParseTime(info.SystemTime) ?? throw OsaException.Unavailable($"the container engine's time '{info.SystemTime}' cannot be read");
    }

    /// <summary>Null for the engine's zero time: it has not happened.</summary>
    private static DateTimeOffset? ParseTime(string? text) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out DateTimeOffset time) && time.Year > 1 ? time : null;
}
