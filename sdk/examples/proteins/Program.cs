using System.Text.Json;

namespace Osa.Examples.Proteins;

/// <summary>
/// Entry point of the image: runs the hook named by OSA_HOOK_NAME over OSA_IN and leaves its outcome in OSA_OUT. Exit 0 means that it
/// judged the deposition, rejections included; anything else that it could not.
/// </summary>
internal static class Program
{
    public static int Main()
    {
        var name = Environment.GetEnvironmentVariable("OSA_HOOK_NAME");
        if (Hooks.Find(name) is not { } hook)
        {
            Console.Error.WriteLine($"OSA_HOOK_NAME is '{name}'; this image has sequence_check, protein_properties and tryptic_peptides");
            return 2;
        }

        var output = new HookOutput(Environment.GetEnvironmentVariable("OSA_OUT") ?? "/osa/out");
        try
        {
            hook(HookInput.Read(Environment.GetEnvironmentVariable("OSA_IN") ?? "/osa/in"), output);
            return 0;
        }
        catch (RejectException rejection)
        {
            output.Progress(name!, "rejected", rejection.Message);
            return 0;
        }
        catch (Exception fault) when (fault is IOException or UnauthorizedAccessException or JsonException or InvalidDataException)
        {
            Console.Error.WriteLine($"{name}: {fault.Message}");
            return 1;
        }
    }
}
