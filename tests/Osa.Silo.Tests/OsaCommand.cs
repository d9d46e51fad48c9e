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
        using Process osa = Start(archive, role, arguments);
        Task<string> error = osa.StandardError.ReadToEndAsync();
        string output = await osa.StandardOutput.ReadToEndAsync().WaitAsync(Archive.Patience);
        await osa.WaitForExitAsync();
        return new OsaCommand(osa.ExitCode, output, await error);
    }

    /// <summary>One that is killed with -9 when it has written so many lines.</summary>
    public static async Task KilledAsync(Archive archive, string role, int afterLines, params string[] arguments)
    {
        using Process osa = Start(archive, role, arguments);
        Task<string> error = osa.StandardError.ReadToEndAsync();
        for (int line = 0; line < afterLines; line++)
        {
            Assert.True(await osa.StandardOutput.ReadLineAsync().WaitAsync(Archive.Patience) is not null, $"osa {string.Join(' ', arguments)} ended before it could be killed");
        }

        osa.Kill();
        await osa.WaitForExitAsync();
        await error;
    }

    private static Process Start(Archive archive, string? role, string[] arguments)
    {
        string program = Path.Combine(StaticPrograms.SolutionDirectory, "artifacts", "bin", "Osa.Cli", new DirectoryInfo(AppContext.BaseDirectory).Name, "osa");
        var start = new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["OSA_NODE"] = archive.Node.Address.ToString();
        start.Environment["OSA_TOKEN"] = role is null ? "" : NodeProcess.Token(archive.Data, role, NodeProcess.UserId("cleo"));
        start.Environment["XDG_CONFIG_HOME"] = Path.Combine(archive.Data, "no-config");
        Process osa = Process.Start(start)!;
        osa.StandardInput.Close();
        return osa;
    }

    /// <summary>One that has to succeed.</summary>
    public static async Task<OsaCommand> DoneAsync(Archive archive, string? role, params string[] arguments)
    {
        OsaCommand done = await RunAsync(archive, role, arguments);
        Assert.True(done.ExitCode == 0, $"osa {string.Join(' ', arguments)}: {done.ExitCode}\n{done.Output}\n{done.Error}");
        return done;
    }
}
