using System.Text.Json.Nodes;
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

        OsaCommand registered = await OsaCommand.RunAsync(Archive, "admin", "convention", "register", files["convention.json"], "--json");
        OsaCommand deposited = await OsaCommand.RunAsync(Archive, "depositor", "deposit", files["data.txt"], "--convention", id, "--metadata", files["metadata.json"], "--json");
        Assert.Equal((0, 0), (registered.ExitCode, deposited.ExitCode));
        Assert.True((bool)registered.Lines[^1]["created"]!);
        Assert.Equal("passed", (string?)deposited.Lines[^1]["run"]!["status"]);
        string record = (string)deposited.Lines[^1]["run"]!["record_srn"]!;

        OsaCommand shown = await OsaCommand.RunAsync(Archive, null, "record", "show", record, "--json");
        OsaCommand rows = await OsaCommand.RunAsync(Archive, null, "features", "query", table, "--record", record, "--json");
        OsaCommand words = await OsaCommand.RunAsync(Archive, null, "features", "query", table);
        OsaCommand convention = await OsaCommand.RunAsync(Archive, null, "convention", "show", id, "--json");
        OsaCommand tables = await OsaCommand.RunAsync(Archive, null, "features", "list");
        OsaCommand download = await OsaCommand.RunAsync(Archive, null, "record", "download", record, "--to", files["out"]);

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
        OsaCommand rejected = await OsaCommand.RunAsync(Archive,
            "depositor", "deposit", "--convention", shared.Obedient, "--set", $"behaviour={Documents.Reject("too short for a protein").ToJsonString()}");

        Assert.True(rejected.ExitCode == 1, rejected.Output + rejected.Error);
        Expect.Says("too short for a protein", rejected.Output);
        Expect.Says("osa run show", rejected.Error);
    }

    [Fact]
    public async Task Errors_say_what_to_do_and_have_their_own_exit_codes()
    {
        OsaCommand noToken = await OsaCommand.RunAsync(Archive, null, "deposition", "list");
        OsaCommand smallRole = await OsaCommand.RunAsync(Archive, "depositor", "node", "status");
        OsaCommand notFound = await OsaCommand.RunAsync(Archive, "depositor", "record", "show", "urn:osa:localhost:rec:00000000-0000-4000-8000-000000000000@1");
        OsaCommand invalid = await OsaCommand.RunAsync(Archive, "depositor", "record", "show", "nonsense");
        OsaCommand unknownConvention = await OsaCommand.RunAsync(Archive, "depositor", "deposit", "--convention", "no-such-convention");
        OsaCommand json = await OsaCommand.RunAsync(Archive, "depositor", "record", "show", "nonsense", "--json");

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
        OsaCommand status = await OsaCommand.RunAsync(Archive, "admin", "node", "status", "--json");
        OsaCommand limits = await OsaCommand.RunAsync(Archive, null, "node", "limits", "--json");

        Assert.Equal((0, "healthy"), (status.ExitCode, (string?)status.Lines[0]["health"]));
        Assert.Equal("ready", (string?)status.Lines[0]["container_hosts"]![0]!["state"]);
        Expect.Says("MaxHookMemoryBytes", limits.Output);
    }

    [Fact]
    public async Task A_token_that_osa_issues_is_good()
    {
        OsaCommand issued = await OsaCommand.RunAsync(Archive, null, "node", "token", "--data", Archive.Data, "--role", "admin", "--user", "tester");
        Assert.True(issued.ExitCode == 0, issued.Error);

        OsaCommand status = await OsaCommand.RunAsync(Archive, null, "node", "status", "--token", issued.Output.Trim(), "--json");

        Assert.True(status.ExitCode == 0, status.Error);
    }
}
