using System.Collections.Concurrent;
using Docker.DotNet.Models;
using Osa.Containers.Engine;
using Osa.Domain.Errors;

namespace Osa.Containers;

public sealed partial class ContainerEngine
{
    // What a digest names never changes; that the engine still has it shows when a container is created.
    private readonly ConcurrentDictionary<string, LocalImage> _images = new(StringComparer.Ordinal);

    /// <summary>Whether this engine could run the digest without a pull.</summary>
    /// <param name="image">Reference whose repository a repository digest belongs to.</param>
    public async Task<bool> HasImageAsync(string image, string digest, CancellationToken cancellationToken)
    {
        _images.TryRemove(digest, out _);
        return await FindImageAsync(ImageReference.Parse(image), digest, cancellationToken) is not null;
    }

    /// <summary>
    /// Decides what a registration pins, and makes sure that this engine has it. With a digest: a local image of that id, or the
    /// repository's image of that digest, pulled by digest when it is missing. Without: the tag as it is here, pulled when it is missing.
    /// </summary>
    /// <param name="digest">A local image id or repository digest, or null.</param>
    /// <param name="progress">What happens, for people.</param>
    /// <returns>The given digest; else the repository digest where there is one, so that other hosts can pull it; else the local image id.</returns>
    /// <exception cref="OsaException">
    /// InvalidArgument: not a reference or digest. NotFound: neither here nor to be had. FailedPrecondition: what was pulled is another.
    /// DeadlineExceeded: the pull took longer than <see cref="ContainerHostOptions.PullTimeout"/>.
    /// </exception>
    public async Task<string> ResolveImageAsync(string image, string? digest, IProgress<string> progress, CancellationToken cancellationToken)
    {
        ImageReference reference = ImageReference.Parse(image);
        if (reference.Digest is { } named)
        {
            if (digest is not null && digest != named)
                throw OsaException.Invalid("digest", "image_digest", $"'{image}' names another digest than '{digest}': give one of them");
            digest = named;
        }

        if (digest is not null)
        {
            ImageReference.CheckDigest(digest);
            if (await FindImageAsync(reference, digest, cancellationToken) is not null)
                return digest;
            await PullAsync(reference, digest, progress, cancellationToken);
            return await FindImageAsync(reference, digest, cancellationToken) is not null
                ? digest
                : throw OsaException.Precondition($"pulling {reference.At(digest)} brought an image that the engine does not know by that digest");
        }

        string tagged = $"{reference.Repository}:{reference.Tag}";
        ImageInspectResponse? found = await _api.InspectImageAsync(tagged, cancellationToken);
        if (found is null)
        {
            await PullAsync(reference, reference.Tag, progress, cancellationToken);
            found = await _api.InspectImageAsync(tagged, cancellationToken)
                ?? throw OsaException.Precondition($"{tagged} was pulled and is not there");
        }

        string prefix = reference.FamiliarRepository() + "@";
        string? repositoryDigest = found.RepoDigests?.FirstOrDefault(other => other.StartsWith(prefix, StringComparison.Ordinal));
        return repositoryDigest is null ? found.ID : repositoryDigest[prefix.Length..];
    }

    /// <summary>The image of the digest, or null when the engine does not have it. Tags are not looked at.</summary>
    private async Task<LocalImage?> FindImageAsync(ImageReference reference, string digest, CancellationToken cancellationToken)
    {
        if (_images.TryGetValue(digest, out LocalImage? known))
            return known;
        ImageReference.CheckDigest(digest);
        ImageInspectResponse? found = await _api.InspectImageAsync(digest, cancellationToken);
        if (found is null || found.ID != digest)
            found = await _api.InspectImageAsync(reference.At(digest), cancellationToken);
        if (found is null || (found.ID != digest && found.RepoDigests?.Any(other => other.EndsWith("@" + digest, StringComparison.Ordinal)) != true))
            return null;
        return _images[digest] = new LocalImage(found.ID, [.. found.Config?.Volumes?.Keys ?? []]);
    }

    private async Task PullAsync(ImageReference reference, string tagOrDigest, IProgress<string> progress, CancellationToken cancellationToken)
    {
        string what = tagOrDigest.StartsWith("sha256:", StringComparison.Ordinal) ? reference.At(tagOrDigest) : $"{reference.Repository}:{tagOrDigest}";
        progress.Report($"pulling {what}");
        PullReport report = new(progress);
        using CancellationTokenSource timer = new(_options.PullTimeout, _api.Time);
        using CancellationTokenSource both = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, cancellationToken);
        try
        {
            await _api.CallAsync(
                $"pull {what}",
                (client, token) => client.Images.CreateImageAsync(new ImagesCreateParameters { FromImage = reference.Repository, Tag = tagOrDigest }, null, report, token),
                both.Token,
                Timeout.InfiniteTimeSpan);
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            throw new OsaException(ErrorCode.DeadlineExceeded, $"pulling {what} took longer than {_options.PullTimeout.TotalMinutes:0.#} min; pull it on the host, then register again");
        }
        catch (OsaException e)
        {
            throw NotToBeHad(what, e.Message);
        }

        if (report.Error is { } error)
            throw NotToBeHad(what, error);
        progress.Report($"pulled {what}");
    }

    private static OsaException NotToBeHad(string what, string error) => new(
        ErrorCode.NotFound,
        $"image {what} is not on the container host and could not be pulled ({error}). Push it to a registry that the host can reach, or put it there with docker load or docker build, then try again");

    /// <summary>Takes the engine's messages as they come, which Progress&lt;T&gt; would put on other threads.</summary>
    private sealed class PullReport(IProgress<string> progress) : IProgress<JSONMessage>
    {
        public string? Error { get; private set; }

        public void Report(JSONMessage value)
        {
            if (value.Error?.Message is { Length: > 0 } error)
                Error = error;
            else if (!string.IsNullOrEmpty(value.ErrorMessage))
                Error = value.ErrorMessage;
            else if (!string.IsNullOrEmpty(value.Status))
                progress.Report($"{(string.IsNullOrEmpty(value.ID) ? "" : value.ID + ": ")}{value.Status}{(string.IsNullOrEmpty(value.ProgressMessage) ? "" : " " + value.ProgressMessage)}");
        }
    }
}
