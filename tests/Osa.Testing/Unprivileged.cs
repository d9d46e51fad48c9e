using System.Diagnostics;

namespace Osa.Testing;

/// <summary>Runs programs as a user without rights, for tests that themselves run as root.</summary>
public static class Unprivileged
{
    /// <summary>The user for it: present on every Linux.</summary>
    public const string Nobody = "nobody";

    /// <summary>Only root can become another user.</summary>
    public static bool IsPossible => Environment.IsPrivilegedProcess;

    /// <summary>The command line that runs <paramref name="program"/> as <paramref name="user"/>, without root's groups.</summary>
    public static async Task<string[]> CommandAsync(string user, IEnumerable<string> program)
    {
        string id = (await RunAsync(["id", "-u", user])).Output.Trim();
        string group = (await RunAsync(["id", "-g", user])).Output.Trim();
        // .NET wants a place of its own to write to, which root's environment names wrongly for others.
        return ["setpriv", $"--reuid={id}", $"--regid={group}", "--clear-groups", "--", "env", "HOME=/tmp", "DOTNET_CLI_HOME=/tmp", .. program];
    }

    /// <summary>Runs a program to its end as <paramref name="user"/>.</summary>
    public static async Task<(int ExitCode, string Output)> RunAsAsync(string user, params string[] program) => await RunAsync(await CommandAsync(user, program));

    /// <summary>Runs a program to its end; its output is what it wrote to both streams.</summary>
    public static async Task<(int ExitCode, string Output)> RunAsync(params string[] program)
    {
        using Process process = Process.Start(new ProcessStartInfo(program[0], program[1..])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = "/",
        })!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        Task<string> error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, await output + await error);
    }
}
