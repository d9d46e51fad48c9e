using System.Diagnostics;
using System.Text.Json.Nodes;
using Osa.TestHooks.Support;
using Osa.Testing;

namespace Osa.Silo.Tests;

/// <summary>One call of the real <c>osa</c>, as it ended.</summary>
internal sealed record OsaCommand(int ExitCode, string Output, string Error)
{
    /// <summary>What <c>--json</c> wrote, line by line.</summary>
    public IReadOnlyList<JsonNode> Lines => [.. Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonNode.Parse(l)!)];

    /// <param name="role">The role of the token, which is Cleo's; null for no token.</param>
    public static async Task<OsaCommand> RunAsync(Archive archive, string? role, params string[] arguments)
    {
        string program = Path.Combine(StaticPrograms.SolutionDirectory, "artifacts", "bin", "Osa.Cli", new DirectoryInfo(AppContext.BaseDirectory).Name, "osa");
        var start = new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["OSA_NODE"] = archive.Node.Address.ToString();
        start.Environment["OSA_TOKEN"] = role is null ? "" : NodeProcess.Token(archive.Data, role, NodeProcess.UserId("cleo"));
        start.Environment["XDG_CONFIG_HOME"] = Path.Combine(archive.Data, "no-config");
        using Process osa = Process.Start(start)!;
        osa.StandardInput.Close();
        Task<string> error = osa.StandardError.ReadToEndAsync();
        string output = await osa.StandardOutput.ReadToEndAsync().WaitAsync(Archive.Patience);
        await osa.WaitForExitAsync();
        return new OsaCommand(osa.ExitCode, output, await error);
    }

    /// <summary>One that has to succeed.</summary>
    public static async Task<OsaCommand> DoneAsync(Archive archive, string? role, params string[] arguments)
    {
        OsaCommand done = await RunAsync(archive, role, arguments);
        Assert.True(done.ExitCode == 0, $"osa {string.Join(' ', arguments)}: {done.ExitCode}\n{done.Output}\n{done.Error}");
        return done;
    }
}
