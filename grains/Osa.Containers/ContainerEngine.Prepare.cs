using System.Net;
using Docker.DotNet;
using Docker.DotNet.Models;
using Osa.Containers.Engine;
using Osa.Containers.Scratch;
using Osa.Domain.Errors;

namespace Osa.Containers;

public sealed partial class ContainerEngine
{
    /// <summary>
    /// Stages the inputs and creates the container of an attempt from its digest; or finds what an earlier call for the same attempt left,
    /// and says how far it had come. Nothing is started.
    /// </summary>
    /// <exception cref="OsaException">NotFound: the engine does not have the image. InvalidArgument: a name that cannot be. Unavailable: engine or scratch.</exception>
    public async Task<Preparation> PrepareAsync(ContainerJob job, CancellationToken cancellationToken)
    {
        job.Check();
        string scratch = _scratch.HostPath(_scratch.PathOf(job.Name));
        LocalImage image = await FindImageAsync(ImageReference.Parse(job.Image), job.ImageDigest, cancellationToken) ?? throw ImageMissing(job);
        // Copying files may take long and blocks.
        (StagedMarker marker, bool fresh) = await Task.Run(() => _scratch.Stage(job), cancellationToken);
        Dictionary<string, string> labels = Hardening.Labels(_options.ClusterId, job.Labels, scratch, marker.Token);
        CreateContainerParameters parameters = await ParametersAsync(job, image, labels, _scratch, cancellationToken);
        if (await CreateAsync(parameters, job, cancellationToken) is not { } id)
            return await AdoptAsync(job, image, labels, marker, cancellationToken);
        if (fresh || _scratch.OutputIsEmpty(job.Name))
            return new PreparedContainer(job, id, image.Id, PreparedState.Created) { Area = _scratch };
        // A container ran over this directory and somebody took it away: another one would read what it wrote as its own.
        await _api.RemoveAsync(id, cancellationToken);
        return Refuse(job, null, "its scratch directory was used by a container that is gone");
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

    private async Task<Preparation> AdoptAsync(ContainerJob job, LocalImage image, Dictionary<string, string> labels, StagedMarker marker, CancellationToken cancellationToken)
    {
        ContainerInspectResponse found = await _api.InspectAsync(job.Name, cancellationToken)
            ?? throw OsaException.Unavailable($"the container engine says that '{job.Name}' exists and that it does not: it is being removed");
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
            "created" => PreparedState.Created,
            "running" => PreparedState.Running,
            "exited" when ParseTime(found.State.StartedAt) is not null => PreparedState.Exited,
            _ => null,
        };
        if (state is null)
            return Refuse(job, found, $"its state is {found.State.Status}");
        LogAdopted(job.Name, found.ID, state.Value);
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
