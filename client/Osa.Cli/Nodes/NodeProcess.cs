using System.Collections;
using System.Runtime.InteropServices;

namespace Osa.Cli.Nodes;

/// <summary>
/// The node's own program. This process becomes it (<c>execve</c>), so that signals, exit code, terminal and process id are the node's without
/// anything in between.
/// </summary>
internal static partial class NodeProcess
{
    /// <summary>Never returns, unless with an error.</summary>
    /// <param name="settings">Environment variables on top of this process' own; null leaves what is there.</param>
    /// <exception cref="UsageException">There is no osa-silo, or it cannot be run.</exception>
    public static int Become(IReadOnlyDictionary<string, string?> settings)
    {
        var program = Find();
        string?[] command = program.EndsWith(".dll", StringComparison.Ordinal) ? [Dotnet(), program, null] : [program, null];
        var environment = Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().ToDictionary(
            static entry => (string)entry.Key, static entry => (string?)entry.Value, StringComparer.Ordinal);
        foreach (var (name, value) in settings)
        {
            environment[name] = value ?? environment.GetValueOrDefault(name);
        }

        string?[] variables = [.. environment.Where(static pair => pair.Value is not null).Select(static pair => $"{pair.Key}={pair.Value}"), null];
        _ = Execute(command[0]!, command, variables);
        throw new UsageException($"{command[0]} cannot be run: {Marshal.GetLastPInvokeErrorMessage()}");
    }

    private static string Find()
    {
        if (Environment.GetEnvironmentVariable("OSA_SILO") is { Length: > 0 } chosen)
        {
            return File.Exists(chosen) ? Path.GetFullPath(chosen) : throw new UsageException($"OSA_SILO: there is no file {chosen}");
        }

        var here = AppContext.BaseDirectory;
        string[] places =
        [
            Path.Combine(here, "osa-silo"),
            Path.Combine(here, "osa-silo.dll"),
            Path.GetFullPath(Path.Combine(here, "../silo/osa-silo")),
            Path.GetFullPath(Path.Combine(here, "../silo/osa-silo.dll")),
        ];
        return places.FirstOrDefault(File.Exists)
            ?? throw new UsageException($"the node's program osa-silo is in none of {string.Join(", ", places)}: say where it is with OSA_SILO");
    }

    private static string Dotnet()
    {
        var places = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(static directory => Path.Combine(directory, "dotnet"))
            .Append(Path.Combine(Environment.GetEnvironmentVariable("DOTNET_ROOT") ?? "/usr/share/dotnet", "dotnet"));
        return places.FirstOrDefault(File.Exists) ?? throw new UsageException("osa-silo.dll needs dotnet, which is not in PATH: install the .NET 10 runtime");
    }

    [LibraryImport("libc", EntryPoint = "execve", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Execute(string path, string?[] arguments, string?[] environment);
}
