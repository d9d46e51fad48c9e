using System.Net;
using Docker.DotNet;
using Docker.DotNet.Models;
using Osa.Containers.Engine;
using Osa.Containers.Scratch;
using Osa.Domain.Errors;
using Osa.Domain.Faults;

namespace Osa.Containers;

public sealed partial class ContainerEngine
{
    // Another container would read what the first one wrote as its own.
    private const string UsedUp = "its scratch directory was used by a container that is gone";

    private static readonly TimeSpan TakenTimeout = TimeSpan.FromSeconds(10);

    /// <summary>
    /// Stages the inputs and creates the container of an attempt from its digest; or finds what an earlier call for the same attempt left,
    /// and says how far it had come. Nothing of the image is started; a job with a network gets its network and the gate that closes it off first.
    /// </summary>
    /// <exception cref="OsaException">NotFound: the engine does not have the image. InvalidArgument: a name that cannot be. Unavailable: engine or scratch.</exception>
    public async Task<Preparation> PrepareAsync(ContainerJob job, CancellationToken cancellationToken)
    {
        job.Check();
        string scratch = _scratch.HostPath(_scratch.PathOf(job.Name));
        LocalImage image = await FindImageAsync(ImageReference.Parse(job.Image), job.ImageDigest, cancellationToken) ?? throw ImageMissing(job);
        // Copying files may take long and blocks.
        (StagedMarker marker, bool fresh) = await Task.Run(() => _scratch.Stage(job), cancellationToken);
        FaultPoint.Reached("unit.staged");
        Dictionary<string, string> labels = Hardening.Labels(_options.ClusterId, job.Labels, scratch, marker.Token);
        if (_scratch.IsSealed(job.Name))
        {
            return await _api.InspectAsync(job.Name, cancellationToken) is { } started
                ? Adopt(started, job, image, labels, marker)
                : Refuse(job, null, UsedUp);
        }

        string? gateId = null;
        if (job.Egress is { } egress)
        {
            ContainerInspectResponse? found = await _api.InspectAsync(job.Name, cancellationToken);
            // What has started stays in its network, whatever became of the gate.
            if (found is not null && (found.State.Status != "created" || !IsOwn(found)))
                return Adopt(found, job, image, labels, marker);
            (gateId, string? refusal) = await EnsureGateAsync(job, egress, cancellationToken);
            if (gateId is null)
                return Refuse(job, found, refusal!);
            if (found is not null && found.HostConfig.NetworkMode != Hardening.Through(gateId) && !await _api.TryRemoveIdleAsync(found.ID, cancellationToken))
                return Adopt(await FindTakenAsync(job.Name, cancellationToken), job, image, labels, marker);
            if (_scratch.IsSealed(job.Name))
                return Refuse(job, found, UsedUp);
        }

        CreateContainerParameters parameters = await ParametersAsync(job, image, labels, _scratch, cancellationToken);
        if (gateId is not null)
            Hardening.OpenThrough(gateId, parameters);
        if (await CreateAsync(parameters, job, cancellationToken) is not { } id)
            return Adopt(await FindTakenAsync(job.Name, cancellationToken), job, image, labels, marker);
        FaultPoint.Reached("unit.created");
        if (fresh || _scratch.OutputIsEmpty(job))
            return new PreparedContainer(job, id, image.Id, PreparedState.Created) { Area = _scratch };
        await _api.RemoveAsync(id, cancellationToken);
        return Refuse(job, null, UsedUp);
    }

    private async Task<CreateContainerParameters> ParametersAsync(
        ContainerJob job, LocalImage image, IDictionary<string, string> labels, ScratchArea area, CancellationToken cancellationToken)
    {
        EngineDescription engine = _described ?? await DescribeAsync(cancellationToken);
        return Hardening.Container(
            job.Name,
            image,
            labels,
            job.Environment,
            job.Limits,
            // One byte more than allowed, so that a file cut off at the limit is seen to exceed it.
            job.MaxOutputBytes + 1,
            [
                Hardening.Bind(area.HostPath(area.InputOf(job.Name)), "/osa/in", readOnly: true),
                Hardening.Bind(area.HostPath(area.OutputOf(job.Name)), "/osa/out", readOnly: false),
                .. job.Records is null && !job.WritableFiles
                    ? (Mount[])[]
                    : [Hardening.Bind(area.HostPath(area.FilesOf(job.Name)), "/osa/files", readOnly: !job.WritableFiles)],
            ],
            engine.Cpus);
    }

    /// <returns>The new container's id, or null when the name is taken.</returns>
    private Task<string?> CreateAsync(CreateContainerParameters parameters, ContainerJob job, CancellationToken cancellationToken) => _api.CallAsync<string?>(
        "create a container",
        async (client, token) =>
        {
            try
            {
                return (await client.Containers.CreateContainerAsync(parameters, token)).ID;
            }
            catch (DockerApiException e) when (e.StatusCode == HttpStatusCode.Conflict)
            {
                return null;
            }
            catch (DockerApiException e) when (e.StatusCode == HttpStatusCode.NotFound)
            {
                _images.TryRemove(job.ImageDigest, out _);
                throw ImageMissing(job);
            }
        },
        cancellationToken);

    /// <summary>The container that has the name. While it is being created or removed, the engine knows the name and not the container.</summary>
    private async Task<ContainerInspectResponse> FindTakenAsync(string name, CancellationToken cancellationToken)
    {
        long started = _api.Time.GetTimestamp();
        while (true)
        {
            if (await _api.InspectAsync(name, cancellationToken) is { } found)
                return found;
            if (_api.Time.GetElapsedTime(started) > TakenTimeout)
                throw OsaException.Unavailable($"the container engine keeps the name '{name}' and has no such container: it is being created or removed");
            await Task.Delay(TimeSpan.FromMilliseconds(20), _api.Time, cancellationToken);
        }
    }

    private Preparation Adopt(ContainerInspectResponse found, ContainerJob job, LocalImage image, Dictionary<string, string> labels, StagedMarker marker)
    {
        foreach ((string label, string expected) in labels)
        {
            string? actual = null;
            found.Config.Labels?.TryGetValue(label, out actual);
            if (actual != expected)
                return Refuse(job, found, $"its label {label} is '{actual ?? "missing"}', not '{expected}'");
        }

        if (found.Image != image.Id)
            return Refuse(job, found, $"it was made from image {found.Image}, not {image.Id}");
        if (!marker.IsOfThisBoot)
            return Refuse(job, found, "the machine was restarted since, so its files may be incomplete");
        PreparedState? state = found.State.Status switch
        {
            "created" when !_scratch.IsSealed(job.Name) => PreparedState.Created,
            "running" => PreparedState.Running,
            "exited" when ParseTime(found.State.StartedAt) is not null => PreparedState.Exited,
            _ => null,
        };
        if (state is null)
            return Refuse(job, found, $"its state is {found.State.Status}{(found.State.Status == "created" ? ", and it was cancelled before it started" : "")}");
        LogAdopted(job.Name, found.ID, state.Value);
        FaultPoint.Reached("unit.adopted");
        return new PreparedContainer(job, found.ID, image.Id, state.Value) { Area = _scratch };
    }

    private NotAdoptable Refuse(ContainerJob job, ContainerInspectResponse? found, string reason)
    {
        LogNotAdoptable(job.Name, reason);
        return new NotAdoptable(job.Name, found?.ID, reason);
    }

    private static OsaException ImageMissing(ContainerJob job) =>
        new(ErrorCode.NotFound, $"the container host does not have image {job.Image} with digest {job.ImageDigest}; pull or load it there");
}
