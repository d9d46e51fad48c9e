using System.Text.Json.Nodes;

namespace Osa.Silo.Tests;

/// <summary><c>osa source</c> against the real node.</summary>
public sealed class SourceCommandTests(SharedNode shared)
{
    private Archive Archive => shared.Archive;

    [Fact]
    public async Task A_pull_from_its_beginning_to_its_records_in_words_and_in_JSON()
    {
        string id = await RegisterAsync(Pulls.Source(total: 4, chunk: 2));

        OsaCommand ran = await DoneAsync("admin", "run", id, "--limit", "3", "--batch-size", "2", "--watch");
        OsaCommand json = await DoneAsync("admin", "run", id, "--since", "2027-01-01", "--move-cursor", "--watch", "--json");
        Expect.Says("completed: 3 records: 3 new or changed, 0 unchanged, 0 in quarantine; 3 pulled, 3 of 3 validated, 3 published", ran.Output);
        Assert.Equal(("completed", 4, 3), ((string?)json.Lines[^1]["status"], (int)json.Lines[^1]["counts"]!["pulled"]!, (int)json.Lines[^1]["counts"]!["unchanged"]!));
        string pull = (string)json.Lines[^1]["id"]!;

        OsaCommand pulls = await DoneAsync("curator", "pulls", id);
        OsaCommand newest = await DoneAsync("curator", "pulls", id, "--limit", "1", "--json");
        OsaCommand logs = await DoneAsync("curator", "logs", id);
        OsaCommand logsJson = await DoneAsync("curator", "logs", id, "--pull", pull, "--json");
        OsaCommand watched = await DoneAsync("curator", "watch", id, "--pull", pull);
        OsaCommand shown = await DoneAsync("curator", "show", id);
        OsaCommand shownJson = await DoneAsync("curator", "show", id, "--json");
        OsaCommand list = await DoneAsync("curator", "list");
        OsaCommand listJson = await DoneAsync("curator", "list", "--json");
        Expect.Says(pull, pulls.Output);
        Assert.Equal([pull], newest.Lines.Select(l => (string)l["id"]!));
        Expect.Says("since 2027-01-01", logs.Output);
        Expect.Says("chunk 2, attempt 1: done", logs.Error);
        Expect.Says("from 2 to 4 of 4", (string)logsJson.Lines[0]["log"]!);
        Expect.Says("completed: 4 records", watched.Output);
        Expect.Says("0 3 1 1 * UTC, at most 7 records", shown.Output);
        Expect.Says("4: 1 taken, 3 unchanged, 0 in quarantine, 0 blocked", shown.Output);
        Assert.Equal(("0 3 1 1 *", 7, pull), ((string?)shownJson.Lines[0]["cron"], (int)shownJson.Lines[0]["schedule_limit"]!, (string?)shownJson.Lines[0]["last_pull"]!["id"]));
        Expect.Says($":conv:{id}@1.0.0", list.Output);
        Assert.Contains(listJson.Lines, l => ((string)l["convention_srn"]!).EndsWith($":conv:{id}@1.0.0", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_source_is_paused_resumed_cancelled_and_reset()
    {
        string id = await RegisterAsync(Pulls.Source(total: 2, seconds: 200));

        OsaCommand paused = await DoneAsync("admin", "pause", id, "--reason", "upstream asks for it");
        Expect.Says("paused: urn:osa:", paused.Output);
        Expect.Says("upstream asks for it", (await DoneAsync("curator", "show", id)).Output);
        Assert.Equal(6, (await RunAsync("admin", "pause", id)).ExitCode);
        Assert.NotNull((await DoneAsync("admin", "resume", id, "--json")).Lines[0]["next_due"]);
        OsaCommand twice = await RunAsync("admin", "resume", id, "--json");
        Assert.Equal((6, "FailedPrecondition"), (twice.ExitCode, (string?)JsonNode.Parse(twice.Error)!["error"]!["code"]));

        OsaCommand begun = await DoneAsync("admin", "run", id);
        string pull = begun.Output.Trim();
        Expect.Says($"osa source watch {id}", begun.Error);
        Assert.Equal(6, (await RunAsync("admin", "run", id)).ExitCode);
        Assert.Equal(6, (await RunAsync("admin", "reset", id)).ExitCode);
        Assert.Equal(pull, (string?)(await DoneAsync("admin", "cancel", id, "--reason", "not today", "--json")).Lines[0]["id"]);
        OsaCommand ended = await RunAsync("curator", "watch", id);
        Assert.Equal(1, ended.ExitCode);
        Expect.Says("cancelled: cancelled: not today", ended.Output);
        Assert.Equal(6, (await RunAsync("admin", "cancel", id)).ExitCode);

        Expect.Says("cursor: 2027-01-31", (await DoneAsync("admin", "reset", id, "--to", "2027-01-31")).Output);
        Assert.Null((await DoneAsync("admin", "reset", id, "--json")).Lines[0]["cursor"]);
        Assert.Equal(2, (await RunAsync("admin", "reset", id, "--to", "yesterday")).ExitCode);
    }

    [Fact]
    public async Task Quarantine_and_what_was_withdrawn()
    {
        JsonObject source = Pulls.Source(total: 1);
        // What it writes is no record.
        source["config"] = Documents.Do("write", ("file", "records.jsonl"), ("text", "P01308;insulin\n"));
        string id = await RegisterAsync(source);

        OsaCommand ran = await DoneAsync("admin", "run", id, "--watch");
        Expect.Says($"osa source quarantine {id} --pull ", ran.Error);
        OsaCommand kept = await DoneAsync("curator", "quarantine", id);
        Expect.Says("is not valid JSON", kept.Output);
        string number = (await DoneAsync("curator", "quarantine", id, "--json")).Lines[0]["id"]!.ToString();
        OsaCommand refused = await RunAsync("admin", "redrive", id, number);
        Assert.Equal(1, refused.ExitCode);
        Expect.Says("0 taken, 0 known already", refused.Output);
        Assert.Equal((3, 3, 2), (
            (await RunAsync("curator", "quarantine", id, "--get", "999999999")).ExitCode, (await RunAsync("admin", "redrive", id, "999999999")).ExitCode, (await RunAsync("admin", "redrive", id)).ExitCode));

        string taken = await RegisterAsync(Pulls.Source(total: 1));
        await DoneAsync("admin", "run", taken, "--watch");
        Assert.Equal(6, (await RunAsync("curator", "unblock", taken, "r0")).ExitCode);
        await Archive.Admin.Curation.WithdrawRecordAsync((await Archive.Admin.Records.ListAsync(taken).SingleAsync()).Srn, "wrong organism");
        Expect.Says("blocked", (await DoneAsync("admin", "run", taken, "--watch")).Output + (await DoneAsync("curator", "show", taken)).Output);
        Expect.Says("r0: what is pulled next", (await DoneAsync("curator", "unblock", taken, "r0")).Output);
        Assert.Equal(1, (int)(await DoneAsync("admin", "run", taken, "--watch", "--json")).Lines[^1]["counts"]!["published"]!);
        await Archive.Admin.Curation.WithdrawRecordAsync((await Archive.Admin.Records.ListAsync(taken).ToListAsync()).Single(r => r.WithdrawnAt is null).Srn, "wrong again");
        Assert.Equal("r0", (string?)(await DoneAsync("curator", "unblock", taken, "r0", "--json")).Lines[0]["source_id"]);
    }

    [Fact]
    public async Task Who_may_not_and_what_is_not_there()
    {
        string id = await RegisterAsync(Pulls.Source(total: 1));

        Assert.Equal((4, 4, 4), ((await RunAsync(null, "list")).ExitCode, (await RunAsync("depositor", "show", id)).ExitCode, (await RunAsync("curator", "run", id)).ExitCode));
        Assert.Equal((3, 3, 2), ((await RunAsync("curator", "show", "no-such-convention")).ExitCode, (await RunAsync("curator", "show", shared.Obedient)).ExitCode, (await RunAsync("curator", "watch", id, "--pull", "nonsense")).ExitCode));
        OsaCommand never = await RunAsync("curator", "logs", id);
        Assert.Equal(2, never.ExitCode);
        Expect.Says($"osa source run {id}", never.Error);
    }

    private async Task<string> RegisterAsync(JsonObject source)
    {
        string id = Documents.NewId("command");
        source["schedule"] = new JsonObject { ["cron"] = "0 3 1 1 *", ["limit"] = 7 };
        await Archive.RegisterAsync(Pulls.Convention(id, "1.0.0", source));
        return id;
    }

    private Task<OsaCommand> RunAsync(string? role, params string[] arguments) => OsaCommand.RunAsync(Archive, role, ["source", .. arguments]);

    private Task<OsaCommand> DoneAsync(string? role, params string[] arguments) => OsaCommand.DoneAsync(Archive, role, ["source", .. arguments]);
}
