using System.Runtime.InteropServices;

namespace Osa.Domain.Faults;

/// <summary>
/// Named points on the way of a run, a review or a registration at which a test can stop or kill this process from outside: a file of the point's
/// name in the directory <c>OSA_FAULTS</c> holds <c>stop</c> (SIGSTOP), <c>kill</c> (SIGKILL) or <c>wait</c> (this thread alone, until the test removes
/// the file, renamed to end in <c>.fired</c>) and is used up by the first to get there. Without the variable a point costs one branch.
/// </summary>
public static partial class FaultPoint
{
    private const int SigKill = 9;
    private const int SigStop = 19;

    private static readonly string? Directory = Environment.GetEnvironmentVariable("OSA_FAULTS");
    private static readonly bool IsArmed = !string.IsNullOrEmpty(Directory);

    public static void Reached(string point)
    {
        if (IsArmed)
        {
            Fire(Path.Combine(Directory!, point));
        }
    }

    private static void Fire(string path)
    {
        string claimed = path + ".fired";
        try
        {
            File.Move(path, claimed, overwrite: true);
        }
        catch (IOException)
        {
            return;
        }

        string action = File.ReadAllText(claimed).Trim();
        if (action == "wait")
        {
            SpinWait.SpinUntil(() => !File.Exists(claimed));
            return;
        }

        // A signal and not an exception: finally blocks must not run. To this thread: one to the process may stop the others first, and this one gets past the point.
        _ = Raise(action == "kill" ? SigKill : SigStop);
    }

    [LibraryImport("libc", EntryPoint = "raise")]
    private static partial int Raise(int signal);
}
