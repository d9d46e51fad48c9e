using System.Diagnostics;
using System.Text.Json.Nodes;
using Osa.TestHooks.Support;
using Osa.Testing;

namespace Osa.Silo.Tests;

/// <summary>The real <c>osa</c> against the real node.</summary>
public sealed class CommandLineTests(SharedNode shared)
{
    private Archive Archive => shared.Archive;

    [Fact]
    public async Task From_registration_to_rows_with_nothing_but_osa()
    {
        using var files = new TempDirectory();
        string id = Documents.NewId("cli");
        string table = Documents.NewTable("cli");
        await File.WriteAllTextAsync(files["convention.json"], Documents.Convention(id, "1.0.0", Documents.Hook(table, Documents.RowColumns)).ToJsonString());
        await File.WriteAllTextAsync(files["metadata.json"], Documents.Metadata(Documents.Rows(3)).ToJsonString());
        await File.WriteAllTextAsync(files["data.txt"], "some data");

        Finished registered = await OsaAsync("admin", "convention", "register", files["convention.json"], "--json");
        Finished deposited = await OsaAsync("depositor", "deposit", files["data.txt"], "--convention", id, "--metadata", files["metadata.json"], "--json");
        Assert.Equal((0, 0), (registered.ExitCode, deposited.ExitCode));
        Assert.True((bool)registered.Lines[^1]["created"]!);
        Assert.Equal("passed", (string?)deposited.Lines[^1]["run"]!["status"]);
        string record = (string)deposited.Lines[^1]["run"]!["record_srn"]!;

        Finished shown = await OsaAsync(null, "record", "show", record, "--json");
        Finished rows = await OsaAsync(null, "features", "query", table, "--record", record, "--json");
        Finished words = await OsaAsync(null, "features", "query", table);
        Finished convention = await OsaAsync(null, "convention", "show", id, "--json");
        Finished tables = await OsaAsync(null, "features", "list");
        Finished download = await OsaAsync(null, "record", "download", record, "--to", files["out"]);

        Assert.Equal((0, record), (shown.ExitCode, (string?)shown.Lines[0]["srn"]));
        Assert.Equal([0L, 1L, 2L], rows.Lines.Select(r => (long)r["position"]!));
        Assert.Equal("feature number 1", (string?)rows.Lines[1]["label"]);
        Expect.Says("feature number 2", words.Output);
        Assert.True(convention.ExitCode == 0, convention.Error);
        Expect.Says($":conv:{id}@1.0.0", convention.Output);
        Assert.True(tables.ExitCode == 0, tables.Error);
        Expect.Says(table, tables.Output);
        Assert.True(download.ExitCode == 0, download.Error);
        Assert.Equal("some data", await File.ReadAllTextAsync(Path.Combine(files["out"], "data.txt")));
    }

    [Fact]
    public async Task A_rejected_deposit_exits_with_1_and_the_reason()
    {
        Finished rejected = await OsaAsync(
            "depositor", "deposit", "--convention", shared.Obedient, "--set", $"behaviour={Documents.Reject("too short for a protein").ToJsonString()}");

        Assert.True(rejected.ExitCode == 1, rejected.Output + rejected.Error);
        Expect.Says("too short for a protein", rejected.Output);
        Expect.Says("osa run show", rejected.Error);
    }

    [Fact]
    public async Task Errors_say_what_to_do_and_have_their_own_exit_codes()
    {
        Finished noToken = await OsaAsync(null, "deposition", "list");
        Finished smallRole = await OsaAsync("depositor", "node", "status");
        Finished notFound = await OsaAsync("depositor", "record", "show", "urn:osa:localhost:rec:00000000-0000-4000-8000-000000000000@1");
        Finished invalid = await OsaAsync("depositor", "record", "show", "nonsense");
        Finished unknownConvention = await OsaAsync("depositor", "deposit", "--convention", "no-such-convention");
        Finished json = await OsaAsync("depositor", "record", "show", "nonsense", "--json");

        Assert.Equal((4, 4, 3, 2, 3), (noToken.ExitCode, smallRole.ExitCode, notFound.ExitCode, invalid.ExitCode, unknownConvention.ExitCode));
        Expect.Says("osa node token", noToken.Error);
        Expect.Says("admin", smallRole.Error);
        Expect.Says("no-such-convention", unknownConvention.Error);
        Assert.Equal("InvalidArgument", (string?)JsonNode.Parse(json.Error)!["error"]!["code"]);
        Assert.Equal("", json.Output);
    }

    [Fact]
    public async Task The_node_tells_its_state_and_its_limits()
    {
        Finished status = await OsaAsync("admin", "node", "status", "--json");
        Finished limits = await OsaAsync(null, "node", "limits", "--json");

        Assert.Equal((0, "healthy"), (status.ExitCode, (string?)status.Lines[0]["health"]));
        Assert.Equal("ready", (string?)status.Lines[0]["container_hosts"]![0]!["state"]);
        Expect.Says("MaxHookMemoryBytes", limits.Output);
    }

    [Fact]
    public async Task A_token_that_osa_issues_is_good()
    {
        Finished issued = await OsaAsync(null, "node", "token", "--data", Archive.Data, "--role", "admin", "--user", "tester");
        Assert.True(issued.ExitCode == 0, issued.Error);

        Finished status = await OsaAsync(null, "node", "status", "--token", issued.Output.Trim(), "--json");

        Assert.True(status.ExitCode == 0, status.Error);
    }

    private async Task<Finished> OsaAsync(string? role, params string[] arguments)
    {
        string program = Path.Combine(StaticPrograms.SolutionDirectory, "artifacts", "bin", "Osa.Cli", new DirectoryInfo(AppContext.BaseDirectory).Name, "osa");
        var start = new ProcessStartInfo(program, arguments) { UseShellExecute = false, RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["OSA_NODE"] = Archive.Node.Address.ToString();
        start.Environment["OSA_TOKEN"] = role is null ? "" : NodeProcess.Token(Archive.Data, role, NodeProcess.UserId("cleo"));
        start.Environment["XDG_CONFIG_HOME"] = Path.Combine(Archive.Data, "no-config");
        using Process osa = Process.Start(start)!;
        osa.StandardInput.Close();
        Task<string> error = osa.StandardError.ReadToEndAsync();
        string output = await osa.StandardOutput.ReadToEndAsync().WaitAsync(Archive.Patience);
        await osa.WaitForExitAsync();
        return new Finished(osa.ExitCode, output, await error);
    }

    private sealed record Finished(int ExitCode, string Output, string Error)
    {
        /// <summary>What <c>--json</c> wrote, line by line.</summary>
        public IReadOnlyList<JsonNode> Lines => [.. Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonNode.Parse(l)!)];
    }
}
