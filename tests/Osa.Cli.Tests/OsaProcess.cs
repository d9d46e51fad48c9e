using System.Diagnostics;
using System.Text.Json.Nodes;

namespace Osa.Cli.Tests;

/// <summary>The real <c>osa</c>, as a process with pipes.</summary>
public sealed class OsaProcess : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    private readonly Process process;
    private readonly Task<string> error;

    private OsaProcess(Process process)
    {
        this.process = process;
        error = process.StandardError.ReadToEndAsync();
    }

    public StreamReader Output => process.StandardOutput;

    /// <summary>Everything on stderr; after the end of the process.</summary>
    public Task<string> ErrorAsync() => error;

    public static OsaProcess Start(Uri? node, IReadOnlyDictionary<string, string>? environment, params string[] arguments) =>
        Start(Path.Combine(AppContext.BaseDirectory, "osa"), node, environment, arguments);

    /// <summary>On a terminal, as <c>script</c> gives one.</summary>
    public static OsaProcess StartOnATerminal(Uri node, string arguments) =>
        Start(
            "script",
            node,
            new Dictionary<string, string> { ["TERM"] = "xterm-256color", ["COLUMNS"] = "200" },
            "-qefc",
            $"stty cols 200; {Path.Combine(AppContext.BaseDirectory, "osa")} {arguments}",
            "/dev/null");

    /// <summary>Runs to the end.</summary>
    public static async Task<Finished> RunAsync(Uri? node, params string[] arguments) => await RunAsync(node, null, arguments);

    public static async Task<Finished> RunAsync(Uri? node, IReadOnlyDictionary<string, string>? environment, params string[] arguments)
    {
        using var osa = Start(node, environment, arguments);
        return await osa.FinishAsync();
    }

    public async Task<Finished> FinishAsync()
    {
        var output = await process.StandardOutput.ReadToEndAsync().WaitAsync(Patience);
        await process.WaitForExitAsync().WaitAsync(Patience);
        return new Finished(process.ExitCode, output, await error);
    }

    public void Signal(string name)
    {
        using var kill = Process.Start("kill", [$"-{name}", process.Id.ToString()]);
        kill.WaitForExit();
    }

    /// <summary>Waits for a line of stdout that contains <paramref name="text"/>.</summary>
    public async Task<string> LineAsync(string text)
    {
        using var late = new CancellationTokenSource(Patience);
        while (await process.StandardOutput.ReadLineAsync(late.Token) is { } line)
        {
            if (line.Contains(text, StringComparison.Ordinal))
            {
                return line;
            }
        }

        throw new InvalidOperationException($"osa ended without saying '{text}'; it said on stderr: {await error}");
    }

    public void Dispose()
    {
        if (!process.HasExited)
        {
            process.Kill(entireProcessTree: true);
        }

        process.Dispose();
    }

    private static OsaProcess Start(string program, Uri? node, IReadOnlyDictionary<string, string>? environment, params string[] arguments)
    {
        // Whoever runs the tests in the background has SIGINT ignored, which is inherited.
        var start = new ProcessStartInfo("env", ["--default-signal=INT", program, .. arguments])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
        };
        foreach (var name in start.Environment.Keys.Where(static name => name.StartsWith("OSA_", StringComparison.Ordinal)).ToList())
        {
            start.Environment.Remove(name);
        }

        start.Environment["XDG_CONFIG_HOME"] = Path.Combine(Path.GetTempPath(), "osa-cli-tests-no-config");
        if (node is not null)
        {
            start.Environment["OSA_NODE"] = node.ToString();
        }

        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        var started = Process.Start(start)!;
        started.StandardInput.Close();
        return new OsaProcess(started);
    }
}

/// <summary>What a process left.</summary>
public sealed record Finished(int ExitCode, string Output, string Error)
{
    public IReadOnlyList<string> Lines => Output.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    public IReadOnlyList<JsonNode> JsonLines => [.. Lines.Select(static line => JsonNode.Parse(line)!)];
}

/// <summary>A directory that goes with its test.</summary>
public sealed class TemporaryDirectory : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("osa-cli-").FullName;

    public string File(string name, string content)
    {
        var path = System.IO.Path.Combine(Path, name);
        System.IO.File.WriteAllText(path, content);
        return path;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
