using System.Net;
using System.Text.Json;
using Docker.DotNet;
using Docker.DotNet.Models;
using Osa.Domain.Errors;
using Polly;
using Polly.Retry;

namespace Osa.Containers.Engine;

/// <summary>
/// The border to the engine: every request has a deadline, and whatever goes wrong leaves as <see cref="OsaException"/>. No version of the
/// API is asked for: the engine's own is spoken.
/// </summary>
internal sealed class EngineApi(Uri endpoint, TimeSpan requestTimeout, TimeProvider time) : IDisposable
{
    // Connects with its first request; deadlines are set per call.
    private readonly DockerClient _client = new DockerClientConfiguration(endpoint, new KeptConnections(endpoint), Timeout.InfiniteTimeSpan).CreateClient();

    // An engine that is busy with itself refuses one call and does the next. Each can be repeated: names are given, ends are looked at.
    private readonly ResiliencePipeline _retry = new ResiliencePipelineBuilder { TimeProvider = time }
        .AddRetry(new RetryStrategyOptions
        {
            MaxRetryAttempts = 3,
            Delay = TimeSpan.FromMilliseconds(50),
            BackoffType = DelayBackoffType.Exponential,
            UseJitter = true,
            ShouldHandle = static args => ValueTask.FromResult(args.Outcome.Exception is DockerApiException { StatusCode: >= HttpStatusCode.InternalServerError }),
        })
        .Build();

    public TimeProvider Time => time;

    public TimeSpan RequestTimeout => requestTimeout;

    /// <param name="what">Completes the sentence <c>the container engine could not …</c>.</param>
    /// <param name="deadline">Null for the usual one; <see cref="Timeout.InfiniteTimeSpan"/> for none.</param>
    /// <exception cref="OsaException">Unavailable: no engine, no answer in time, or its refusal.</exception>
    public async Task<T> CallAsync<T>(string what, Func<DockerClient, CancellationToken, Task<T>> call, CancellationToken cancellationToken, TimeSpan? deadline = null)
    {
        TimeSpan limit = deadline ?? requestTimeout;
        using CancellationTokenSource timer = new(limit, time);
        using CancellationTokenSource both = CancellationTokenSource.CreateLinkedTokenSource(timer.Token, cancellationToken);
        try
        {
            return await _retry.ExecuteAsync(async token => await call(_client, token), both.Token);
        }
        catch (Exception e) when (e is not OsaException)
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (timer.IsCancellationRequested)
                throw OsaException.Unavailable($"the container engine at {endpoint} did not {what} within {limit.TotalSeconds:0.#} s", e);
            throw e is DockerApiException refused
                ? OsaException.Unavailable($"the container engine could not {what}: {Message(refused)}")
                : OsaException.Unavailable($"the container engine at {endpoint} is not reachable ({e.GetBaseException().Message}); it was asked to {what}", e);
        }
    }

    public Task CallAsync(string what, Func<DockerClient, CancellationToken, Task> call, CancellationToken cancellationToken, TimeSpan? deadline = null) =>
        CallAsync(
            what,
            async (client, token) =>
            {
                await call(client, token);
                return true;
            },
            cancellationToken,
            deadline);

    /// <summary>The container, or null when there is none.</summary>
    /// <param name="container">Id or name.</param>
    public Task<ContainerInspectResponse?> InspectAsync(string container, CancellationToken cancellationToken) => CallAsync(
        "inspect a container",
        async (client, token) =>
        {
            try
            {
                return await client.Containers.InspectContainerAsync(container, token);
            }
            catch (DockerContainerNotFoundException)
            {
                return null;
            }
        },
        cancellationToken);

    /// <summary>The image, or null when the engine does not have it.</summary>
    /// <param name="reference">Image id, tag or repository digest.</param>
    public Task<ImageInspectResponse?> InspectImageAsync(string reference, CancellationToken cancellationToken) => CallAsync(
        $"inspect image {reference}",
        async (client, token) =>
        {
            try
            {
                return await client.Images.InspectImageAsync(reference, token);
            }
            catch (DockerApiException e) when (e.StatusCode == HttpStatusCode.NotFound)
            {
                return null;
            }
        },
        cancellationToken);

    /// <summary>Ends a container at once; nothing happens to one that does not run or is gone.</summary>
    public Task KillAsync(string container, CancellationToken cancellationToken) => CallAsync(
        "kill a container",
        async (client, token) =>
        {
            try
            {
                await client.Containers.KillContainerAsync(container, new ContainerKillParameters { Signal = "KILL" }, token);
            }
            catch (DockerApiException e) when (e.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.Conflict)
            {
                // Not running: what was wanted.
            }
        },
        cancellationToken);

    /// <summary>Removes a container with its anonymous volumes, running or not, and returns when its name is free.</summary>
    public Task RemoveAsync(string containerId, CancellationToken cancellationToken) => CallAsync(
        "remove a container",
        async (client, token) =>
        {
            while (true)
            {
                try
                {
                    await client.Containers.RemoveContainerAsync(containerId, new ContainerRemoveParameters { Force = true, RemoveVolumes = true }, token);
                    return;
                }
                catch (DockerContainerNotFoundException)
                {
                    return;
                }
                catch (DockerApiException e) when (e.StatusCode == HttpStatusCode.Conflict)
                {
                    // Somebody else's removal is in progress; the name is taken until it ends.
                    await Task.Delay(TimeSpan.FromMilliseconds(100), time, token);
                }
            }
        },
        cancellationToken);

    /// <summary>Removes a container with its anonymous volumes, unless it runs.</summary>
    /// <returns>False when it runs.</returns>
    public Task<bool> TryRemoveIdleAsync(string containerId, CancellationToken cancellationToken) => CallAsync(
        "remove a container",
        async (client, token) =>
        {
            try
            {
                await client.Containers.RemoveContainerAsync(containerId, new ContainerRemoveParameters { RemoveVolumes = true }, token);
                return true;
            }
            catch (DockerContainerNotFoundException)
            {
                return true;
            }
            catch (DockerApiException e) when (e.StatusCode == HttpStatusCode.Conflict)
            {
                return false;
            }
        },
        cancellationToken);

    /// <summary>All networks of the engine.</summary>
    public Task<IList<NetworkResponse>> ListNetworksAsync(CancellationToken cancellationToken) =>
        CallAsync("list networks", (client, token) => client.Networks.ListNetworksAsync(new NetworksListParameters(), token), cancellationToken);

    /// <summary>Removes a network; nothing happens to one that is gone.</summary>
    /// <returns>False where a container is in it.</returns>
    public Task<bool> RemoveNetworkAsync(string networkId, CancellationToken cancellationToken) => CallAsync(
        "remove a network",
        async (client, token) =>
        {
            try
            {
                await client.Networks.DeleteNetworkAsync(networkId, token);
                return true;
            }
            catch (DockerApiException e) when (e.StatusCode == HttpStatusCode.NotFound)
            {
                return true;
            }
            catch (DockerApiException e) when (Message(e).Contains("active endpoints", StringComparison.Ordinal))
            {
                return false;
            }
        },
        cancellationToken);

    /// <summary>The sentence in the engine's answer.</summary>
    public static string Message(DockerApiException refused)
    {
        try
        {
            using JsonDocument body = JsonDocument.Parse(refused.ResponseBody);
            return body.RootElement.GetProperty("message").GetString()!.Trim();
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or ArgumentNullException)
        {
            return refused.Message;
        }
    }

    public void Dispose() => _client.Dispose();
}
