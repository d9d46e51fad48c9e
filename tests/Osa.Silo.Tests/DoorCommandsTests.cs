using System.Text.Json.Nodes;
using Osa.Testing;

namespace Osa.Silo.Tests;

/// <summary>What people do around depositing, with nothing but <c>osa</c>.</summary>
public sealed class DoorCommandsTests(SharedNode shared)
{
    private Archive Archive => shared.Archive;

    [Fact]
    public async Task A_curator_looks_at_what_waits_gives_one_back_and_approves_another()
    {
        string id = Documents.NewId("curate");
        string table = Documents.NewTable("curate");
        JsonObject document = Documents.Convention(id, "1.0.0", Documents.Hook(table, Documents.RowColumns));
        document["curation"] = "curator";
        await Archive.RegisterAsync(document);
        string behaviour = $"behaviour={Documents.Steps(Documents.Do("exit", ("code", 0), ("log", "seen by the curator")), Documents.Rows(2)).ToJsonString()}";

        OsaCommand first = await OsaCommand.DoneAsync(Archive, "depositor", "deposit", "--convention", id, "--set", behaviour, "--set", "title=first", "--json");
        OsaCommand second = await OsaCommand.DoneAsync(Archive, "depositor", "deposit", "--convention", id, "--set", behaviour, "--set", "title=second", "--embargo", "until-released");
        string one = (string)first.Lines[0]["deposition_srn"]!;
        OsaCommand queue = await OsaCommand.DoneAsync(Archive, "curator", "curate", "list", "--convention", id, "--json");
        OsaCommand shown = await OsaCommand.DoneAsync(Archive, "curator", "curate", "show", one);
        string two = (string)queue.Lines[1]["deposition_srn"]!;

        Expect.Says("A curator has the next word", second.Error);
        Assert.Equal([one, two], queue.Lines.Select(l => (string?)l["deposition_srn"]));
        foreach (string expected in (string[])["first", "seen by the curator", "label=feature number 1", $"hook {table}: passed, 2 rows"])
        {
            Expect.Says(expected, shown.Output);
        }

        OsaCommand returned = await OsaCommand.DoneAsync(Archive, "curator", "curate", "return", one, "--reason", "say which species");
        OsaCommand approved = await OsaCommand.DoneAsync(Archive, "curator", "curate", "approve", two, "--json");
        OsaCommand again = await OsaCommand.RunAsync(Archive, "curator", "curate", "approve", two);

        Assert.Equal("returned 1\n", returned.Output);
        Assert.Equal(1, (int)approved.Lines[0]["approved"]!);
        Assert.Equal(6, again.ExitCode);
        string record = await Eventually.Value(
            async () => (string?)(await OsaCommand.DoneAsync(Archive, "depositor", "deposition", "show", two, "--json")).Lines[0]["record_srn"], Archive.Patience, () => "a record");
        await OsaCommand.DoneAsync(Archive, "depositor", "record", "release", record);
        OsaCommand draft = await OsaCommand.DoneAsync(Archive, "depositor", "record", "new-version", record);
        OsaCommand given = await OsaCommand.DoneAsync(Archive, "depositor", "deposition", "withdraw", draft.Output.Trim(), "--reason", "not now", "--json");
        OsaCommand taken = await OsaCommand.DoneAsync(Archive, "curator", "record", "withdraw", record, "--reason", "a duplicate");

        Assert.Equal("withdrawn", (string?)given.Lines[0]["status"]);
        Assert.Equal("withdrawn, with 2 rows of features\n", taken.Output);
    }

    [Fact]
    public async Task Many_are_deposited_from_a_directory_and_from_a_table_and_each_gets_its_verdict()
    {
        using var files = new TempDirectory();
        string id = Documents.NewId("many");
        string table = Documents.NewTable("many");
        JsonObject document = Documents.Convention(id, "1.0.0", Documents.Hook(table, Documents.RowColumns, contract: "batch"));
        document["schema"]!.AsArray().Add(Documents.Field("length", "number"));
        document["schema"]!.AsArray().Add(Documents.Field("keywords", "text", cardinality: "zero_or_more"));
        await Archive.RegisterAsync(document);
        foreach ((string name, JsonObject behaviour) in ((string, JsonObject)[])[("one", Documents.Rows(1)), ("two", Documents.Reject("too short")), ("three", Documents.Do("files"))])
        {
            Directory.CreateDirectory(files[name]);
            await File.WriteAllTextAsync(Path.Combine(files[name], "metadata.json"), Documents.Metadata(behaviour).ToJsonString());
        }

        await File.WriteAllTextAsync(Path.Combine(files["three"], "data.txt"), "inside");
        using var beside = new TempDirectory();
        await File.WriteAllTextAsync(beside["a.txt"], "from the table");
        await File.WriteAllTextAsync(
            beside["table.csv"], "title,length,keywords,behaviour,files\n\"a, quoted\",110,insulin; hormone,\"{\"\"do\"\":\"\"files\"\"}\",a.txt\nsecond,,,\"{\"\"do\"\":\"\"rows\"\"}\",\n");
        await File.WriteAllTextAsync(beside["wrong.csv"], "title,length,files\nx,many,\ny,1,nowhere.txt\n");

        OsaCommand directory = await OsaCommand.RunAsync(Archive, "depositor", "deposit", files.Path, "--convention", id);
        OsaCommand csv = await OsaCommand.DoneAsync(Archive, "depositor", "deposit", "--csv", beside["table.csv"], "--convention", id, "--json");
        OsaCommand wrong = await OsaCommand.RunAsync(Archive, "depositor", "deposit", "--csv", beside["wrong.csv"], "--convention", id);

        Assert.True(directory.ExitCode == 1, directory.Output + directory.Error);
        Expect.Says("two: rejected: " + table + ": too short", directory.Output);
        Expect.Says("one: passed as urn:osa:", directory.Output);
        Expect.Says("2 passed, 1 rejected", directory.Error);
        JsonNode[] verdicts = [.. csv.Lines.Where(l => (string?)l["event"] == "verdict")];
        Assert.Equal(["passed", "passed"], verdicts.Select(v => (string?)v["status"]));
        Assert.Equal("a.txt=from the table", (await Archive.RowsAsync(table, (string)verdicts[0]["record_srn"]!))[0]["label"]);
        JsonNode metadata = JsonNode.Parse((await Archive.Admin.Records.GetAsync((string)verdicts[0]["record_srn"]!)).MetadataJson)!;
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse("""{"title":"a, quoted","length":110,"keywords":["insulin","hormone"],"behaviour":"{\"do\":\"files\"}"}"""), metadata), metadata.ToJsonString());
        Assert.Equal(2, wrong.ExitCode);
        Expect.Says("wrong.csv row 1: length is 'many', which is no number", wrong.Error);
        Expect.Says("wrong.csv row 2: there is no file", wrong.Error);
    }

    // Killed among the drafts, at the first submit, and after it; and once more when everything is done.
    [Theory]
    [InlineData(3)]
    [InlineData(12)]
    [InlineData(13)]
    public async Task A_deposit_of_many_that_was_killed_goes_on_when_it_is_called_again_and_makes_nothing_twice(int killedAfterLines)
    {
        const int Depositions = 12;
        using var files = new TempDirectory();
        string id = Documents.NewId("again");
        await Archive.RegisterAsync(Documents.Convention(id, "1.0.0", Documents.Hook(Documents.NewTable("again"), Documents.RowColumns, contract: "batch")));
        for (int i = 0; i < Depositions; i++)
        {
            // Two of each content.
            Directory.CreateDirectory(files[$"{i}"]);
            await File.WriteAllTextAsync(Path.Combine(files[$"{i}"], "metadata.json"), Documents.Metadata(Documents.Do("files"), $"number {i / 2}").ToJsonString());
            await File.WriteAllTextAsync(Path.Combine(files[$"{i}"], "data.txt"), $"inside {i / 2}");
        }

        string[] deposit = ["deposit", files.Path, "--convention", id, "--json"];
        await OsaCommand.KilledAsync(Archive, "depositor", killedAfterLines, deposit);
        OsaCommand second = await OsaCommand.DoneAsync(Archive, "depositor", deposit);
        OsaCommand third = await OsaCommand.DoneAsync(Archive, "depositor", deposit);

        Assert.Equal(Depositions, Records(second).Distinct().Count());
        Assert.Equal(Records(second).Order(), Records(third).Order());
        Assert.DoesNotContain(third.Lines, l => (string?)l["event"] == "submitted");
        Assert.Equal($"{Depositions}", await Archive.ValueAsync("select count(*) from osa.depositions where convention_id = $1", id));

        static IEnumerable<string?> Records(OsaCommand done) => done.Lines.Where(l => (string?)l["event"] == "verdict").Select(l => (string?)l["record_srn"]);
    }

    [Fact]
    public async Task Runs_are_looked_into_cancelled_driven_again_and_tried()
    {
        string id = Documents.NewId("inhand");
        string table = Documents.NewTable("inhand");
        await Archive.RegisterAsync(Documents.Convention(id, "1.0.0", Documents.Hook(table, Documents.RowColumns)));
        OsaCommand draft = await OsaCommand.DoneAsync(
            Archive, "depositor", "deposition", "create", "--convention", id, "--set", "title=x",
            "--set", $"behaviour={Documents.Steps(Documents.Do("exit", ("code", 0), ("log", "it has begun")), Documents.Do("progress", ("count", 1)), Documents.Sleep(100)).ToJsonString()}");
        string deposition = draft.Output.Trim();
        string run = (string)(await OsaCommand.DoneAsync(Archive, "depositor", "deposition", "submit", deposition, "--json")).Lines[^1]["run_srn"]!;
        await Archive.WaitUntilTheHookRunsAsync(Archive.Admin.Runs.Handle(run));

        OsaCommand log = await OsaCommand.DoneAsync(Archive, "depositor", "run", "logs", run);
        OsaCommand cancelled = await OsaCommand.DoneAsync(Archive, "depositor", "run", "cancel", run, "--reason", "wrong file");
        await OsaCommand.DoneAsync(Archive, "depositor", "deposition", "set", deposition, "--set", $"behaviour={Documents.Rows(2).ToJsonString()}");
        OsaCommand redriven = await OsaCommand.DoneAsync(Archive, "depositor", "run", "redrive", run, "--watch");
        OsaCommand tried = await OsaCommand.DoneAsync(Archive, "admin", "run", "try", deposition, "--image", TestHooks.Support.StaticPrograms.TestHooksReference, "--digest", Documents.HooksDigest, "--json");
        string trial = (string)tried.Lines[^1]["srn"]!;
        OsaCommand rows = await OsaCommand.DoneAsync(Archive, "admin", "run", "features", trial, "--hook", table, "--json");
        OsaCommand runs = await OsaCommand.DoneAsync(Archive, "curator", "run", "list", "--convention", id, "--json");
        OsaCommand retired = await OsaCommand.DoneAsync(Archive, "admin", "convention", "retire", id, "--reason", "over");
        OsaCommand refused = await OsaCommand.RunAsync(Archive, "depositor", "deposit", "--convention", id, "--set", "title=x");

        Expect.Says("it has begun", log.Output);
        Expect.Says("cancelled", cancelled.Output);
        Assert.Empty(await Archive.ContainersOfAsync(run));
        Expect.Says("submitted 1, run ", redriven.Output);
        Assert.Equal([true, false, false], runs.Lines.Select(r => (bool)r["trial"]!));
        Assert.Equal(2, rows.Lines.Count);
        Assert.Null((string?)rows.Lines[0]["record_srn"]);
        Expect.Says("retired urn:osa:", retired.Output);
        Assert.Equal(6, refused.ExitCode);
        Expect.Says("takes no new depositions: over", refused.Error);
    }
}
