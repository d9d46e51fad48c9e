using Osa.Domain.Errors;
using Osa.Domain.Hooks;
using Osa.Storage.Hosts;

namespace Osa.Grains.Hosts;

/// <summary>Finds out on a container engine which image a hook means, pulling it where that is possible: what is pinned is what will run.</summary>
public sealed class ImagePins(HostDirectory hosts, IGrainFactory grains)
{
    /// <param name="say">Told what is being done, in words.</param>
    /// <exception cref="OsaException">Unavailable: no engine is ready. FailedPrecondition: the image cannot be had.</exception>
    public async Task<HookDefinition> PinAsync(HookDefinition hook, Action<string> say, CancellationToken cancellation)
    {
        LiveSilo host = await hosts.ReadyAsync(cancellation)
            ?? throw OsaException.Unavailable($"Hook '{hook.Name}': no container engine is ready to look at its image; `osa node status` says why. Try again when one is");
        ImageAnswer answer;
        do
        {
            answer = await grains.ContainerHost(host.Row.EngineId!).ResolveImage(hook.Image, hook.Digest, cancellation);
            say($"hook {hook.Name}: {answer.Step}");
        }
        while (answer.Digest is null);
        return hook with { Digest = answer.Digest };
    }
}
