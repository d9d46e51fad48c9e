using Osa.Domain.Access;
using Osa.Domain.Conventions;
using Osa.Domain.Depositions;
using Osa.Domain.Errors;
using Osa.Domain.Hooks;
using Osa.Grains.Hosts;
using Osa.Storage.Conventions;
using Osa.Storage.Depositions;
using Osa.Storage.Validation;

namespace Osa.Grains.Validation;

/// <summary>Tries a hook out: a run of one hook, from another image, over a deposition as it is. It publishes nothing and changes nothing.</summary>
public sealed class HookTrial(DepositionStore depositions, ConventionStore conventions, RunCommands runs, ImagePins pins, NodeLimits limits, IGrainFactory grains)
{
    /// <param name="hook">A hook of the deposition's convention; empty where it has only one.</param>
    /// <param name="digest">Empty to take what the image means now.</param>
    /// <returns>The run.</returns>
    /// <exception cref="OsaException">NotFound; InvalidArgument: hook, image or digest; Unavailable: no engine; FailedPrecondition: the image cannot be had.</exception>
    public async Task<Guid> StartAsync(Caller caller, Guid depositionId, string hook, string image, string digest, CancellationToken cancellation)
    {
        Deposition deposition = await depositions.GetAsync(caller, depositionId, cancellation);
        ConventionDocument document = (await conventions.FindAsync(deposition.ConventionId, deposition.ConventionVersion, cancellation))!.Document;
        string names = string.Join(", ", document.Hooks.Select(h => h.Name));
        HookDefinition known = (hook.Length == 0 && document.Hooks.Count == 1 ? document.Hooks[0] : document.Hooks.FirstOrDefault(h => h.Name == hook))
            ?? throw OsaException.Invalid("hook", "hook", document.Hooks.Count == 0 ? "the deposition's convention has no hooks" : $"the deposition's convention has the hooks {names}: name one of them");
        // Read back, so that image and digest are held to the rules of a registration.
        ConventionDocument judged = ConventionDocumentReader.Read(
            ConventionDocumentWriter.Canonical(document with { Hooks = [known with { Image = image, Digest = digest.Length == 0 ? null : digest }] }), limits);
        HookDefinition pinned = await pins.PinAsync(judged.Hooks[0], _ => { }, cancellation);
        Guid run = await runs.TryAsync(deposition, ConventionDocumentWriter.Canonical(judged with { Hooks = [pinned] }), cancellation);
        await grains.ValidationRun(run).Wake();
        return run;
    }
}
