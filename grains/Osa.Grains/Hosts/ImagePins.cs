using Osa.Domain.Errors;
using Osa.Domain.Hooks;
using Osa.Domain.Sources;
using Osa.Storage.Hosts;

namespace Osa.Grains.Hosts;

/// <summary>Finds out on a container engine which image a hook or a source means, pulling it where that is possible: what is pinned is what will run.</summary>
public sealed class ImagePins(HostDirectory hosts, IGrainFactory grains)
{
    /// <param name="say">Told what is being done, in words.</param>
    /// <exception cref="OsaException">Unavailable: no engine is ready. FailedPrecondition: the image cannot be had.</exception>
    public async Task<HookDefinition> PinAsync(HookDefinition hook, Action<string> say, CancellationToken cancellation) =>
        hook with { Digest = await PinAsync($"hook {hook.Name}", hook.Image, hook.Digest, say, cancellation) };

    /// <inheritdoc cref="PinAsync(HookDefinition, Action{string}, CancellationToken)"/>
    public async Task<SourceDefinition> PinAsync(SourceDefinition source, Action<string> say, CancellationToken cancellation) =>
        source with { Digest = await PinAsync("the source", source.Image, source.Digest, say, cancellation) };

    private async Task<string> PinAsync(string whose, string image, string? digest, Action<string> say, CancellationToken cancellation)
    {
        LiveSilo host = await hosts.ReadyAsync(cancellation)
            ?? throw OsaException.Unavailable($"No container engine is ready to look at the image of {whose}; `osa node status` says why. Try again when one is");
        ImageAnswer answer;
        do
        {
            answer = await grains.ContainerHost(host.Row.EngineId!).ResolveImage(image, digest, cancellation);
            say($"{whose}: {answer.Step}");
        }
        while (answer.Digest is null);
        return answer.Digest;
    }
}
