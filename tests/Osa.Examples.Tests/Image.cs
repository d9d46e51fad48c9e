using System.Diagnostics;
using System.Text.Json;
using Osa.Examples.Tests;

[assembly: AssemblyFixture(typeof(Image))]

namespace Osa.Examples.Tests;

/// <summary>The example's image, built by its own script, and run the way a node runs hooks.</summary>
public sealed class Image : IAsyncLifetime
{
    private const UnixFileMode EverybodyWrites = (UnixFileMode)0b111_111_111;
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(10);

    public string Id { get; private set; } = "";

    public async ValueTask InitializeAsync()
    {
        var (exitCode, output) = await RunProcess(Path.Combine(Example.Folder, "build"), []);
        Assert.True(exitCode == 0, $"sdk/examples/proteins/build failed:\n{output}");
        Id = output.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)[^1];
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>One hook over one FASTA file and metadata, hardened as DESIGN.md section 6 demands.</summary>
    internal async Task<Outcome> Run(string hook, string fasta, string metadata, string? config = null)
    {
        var work = Directory.CreateTempSubdirectory("osa-example-");
        try
        {
            var input = work.CreateSubdirectory("in");
            var output = work.CreateSubdirectory("out");
            File.SetUnixFileMode(output.FullName, EverybodyWrites);
            var files = input.CreateSubdirectory("files");
            await File.WriteAllTextAsync(Path.Combine(input.FullName, "record.json"), $$"""{"srn":"urn:osa:localhost:dep:example-0001","metadata":{{metadata}}}""");
            await File.WriteAllTextAsync(Path.Combine(files.FullName, "protein.fasta"), fasta);
            if (config is not null)
                await File.WriteAllTextAsync(Path.Combine(input.FullName, "config.json"), config);

            var (exitCode, log) = await RunProcess("docker",
            [
                "run", "--rm", "--network", "none", "--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
                "--user", "65534:65534", "--pids-limit", "256", "--memory", "128m", "--memory-swap", "128m", "--cpus", "1",
                "--tmpfs", "/tmp:rw,noexec,nosuid,size=16m",
                "--mount", $"type=bind,source={input.FullName},target=/osa/in,readonly",
                "--mount", $"type=bind,source={output.FullName},target=/osa/out",
                "--env", "OSA_IN=/osa/in", "--env", "OSA_OUT=/osa/out", "--env", $"OSA_HOOK_NAME={hook}",
                Id,
            ]);
            return new Outcome(exitCode, log, await Features(output.FullName), await Progress(output.FullName));
        }
        finally
        {
            work.Delete(recursive: true);
        }
    }

    private static async Task<JsonElement?> Features(string folder)
    {
        var path = Path.Combine(folder, "features.json");
        return File.Exists(path) ? JsonElement.Parse(await File.ReadAllTextAsync(path)) : null;
    }

    private static async Task<IReadOnlyList<JsonElement>> Progress(string folder)
    {
        var path = Path.Combine(folder, "progress.jsonl");
        return File.Exists(path) ? [.. (await File.ReadAllLinesAsync(path)).Select(line => JsonElement.Parse(line))] : [];
    }

    internal static async Task<(int ExitCode, string Output)> RunProcess(string program, string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardOutput = true, RedirectStandardError = true })!;
        using var deadline = new CancellationTokenSource(Deadline);
        var output = process.StandardOutput.ReadToEndAsync(deadline.Token);
        var error = process.StandardError.ReadToEndAsync(deadline.Token);
        await process.WaitForExitAsync(deadline.Token);
        return (process.ExitCode, await error + await output);
    }
}

/// <summary>What a hook's container left behind.</summary>
internal sealed record Outcome(int ExitCode, string Log, JsonElement? Features, IReadOnlyList<JsonElement> Progress)
{
    /// <summary>The message of the rejection, or null.</summary>
    public string? Rejection => Progress
        .Where(line => line.GetProperty("status").GetString() == "rejected")
        .Select(line => line.GetProperty("message").GetString())
        .SingleOrDefault();

    public JsonElement Row => Assert.NotNull(Features);

    public IReadOnlyList<JsonElement> Rows => [.. Row.EnumerateArray()];
}
