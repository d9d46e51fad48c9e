using System.Diagnostics;

namespace Osa.TestHooks.Support;

/// <summary>The static programs that tests run in containers, built when they are not up to date. Compiled into the projects that need it.</summary>
internal static class StaticPrograms
{
    /// <summary>The directory of the solution.</summary>
    public static string SolutionDirectory { get; } = FindSolution();

    /// <summary>Reference of the image of the test hooks. Pin by <see cref="TestHooksImageAsync"/>: another work tree may build another one.</summary>
    public const string TestHooksReference = "osa-test-hooks:latest";

    /// <summary>Path of the node's probe program.</summary>
    public static Task<string> ProbeBinaryAsync() => RunAsync("tests/publish-static", "grains/Osa.Containers.Probe");

    /// <summary>Image id of the test hooks, which the engine has then.</summary>
    public static Task<string> TestHooksImageAsync() => RunAsync("tests/Osa.TestHooks/build");

    private static async Task<string> RunAsync(string script, params string[] arguments)
    {
        ProcessStartInfo start = new(Path.Combine(SolutionDirectory, script), arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        return process.ExitCode == 0 ? output.Trim() : throw new InvalidOperationException($"{script} exited with {process.ExitCode}: {await errors}");
    }

    private static string FindSolution()
    {
        DirectoryInfo? directory = new(AppContext.BaseDirectory);
        while (directory is not null && !File.Exists(Path.Combine(directory.FullName, "OsaOrleans.sln")))
            directory = directory.Parent;
        return directory?.FullName ?? throw new InvalidOperationException($"no OsaOrleans.sln above {AppContext.BaseDirectory}");
    }
}
