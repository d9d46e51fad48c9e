using System.Text;
using System.Text.Json.Nodes;
using Grpc.Core;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>Records that could not be taken: seen as they came, and taken once their convention lets them.</summary>
public sealed class QuarantineTests(SharedNode shared) : IAsyncLifetime
{
    // Of a field that version 1.0.0 does not know; with a blank and an escape, so that its bytes are seen to be the source's.
    private const string Strange = """{"source_id":"x",  "metadata":{"title":"x \u00e4","colour":"red"},"files":[{"name":"data.txt"}]}""";
    private const string Late = """{"source_id":"z","metadata":{"title":"z","colour":"old"}}""";
    private const string Hopeless = "P01308;insulin";

    private string _image = "";

    private Archive Archive => shared.Archive;

    public async ValueTask InitializeAsync() => _image = await ShellImage.ImportAsync(Pulls.ObedientSource);

    public async ValueTask DisposeAsync() => await ShellImage.RemoveAsync(_image);

    [Fact]
    public async Task A_record_is_taken_with_its_files_once_its_convention_lets_it_and_each_that_is_not_says_why()
    {
        string id = Documents.NewId("redriven");
        await RegisterAsync(id, "1.0.0", $"mkdir $OSA_FILES/x; echo content > $OSA_FILES/x/data.txt; {{ good a; {Print(Strange)}; {Print(Hopeless)}; {Print(Late)}; }} > records.jsonl");
        Pull pull = await Archive.PullAsync(id);
        Assert.Equal((1, 3), (pull.Counts.Published, pull.Counts.Quarantined));
        QuarantinedRecord[] kept = [.. await Archive.QuarantineAsync(id)];
        Assert.Equal([("x", 2), ("", 3), ("z", 4)], kept.Select(k => (k.SourceId, k.Line)));
        Assert.Equal(["data.txt"], kept[0].Files);
        string[] numbers = [.. kept.Select(k => k.Id.ToString())];

        OsaCommand plain = await OsaCommand.DoneAsync(Archive, "curator", "source", "quarantine", id, "--get", numbers[0]);
        OsaCommand json = await OsaCommand.DoneAsync(Archive, "curator", "source", "quarantine", id, "--get", numbers[0], "--json");
        OsaCommand list = await OsaCommand.DoneAsync(Archive, "curator", "source", "quarantine", id, "--pull", pull.Id, "--json");
        OsaCommand still = await OsaCommand.RunAsync(Archive, "admin", "source", "redrive", id, numbers[0]);
        Assert.Equal(Strange + "\n", plain.Output);
        Assert.Equal(Strange, Encoding.UTF8.GetString(Convert.FromBase64String((string)json.Lines[0]["line"]!)));
        Assert.Equal(numbers, list.Lines.Select(l => l["id"]!.ToString()));
        Assert.Equal(1, still.ExitCode);
        Expect.Says($"{numbers[0]}: metadata.colour: ", still.Output);

        await RegisterAsync(id, "1.1.0", "{ good later; } > records.jsonl; sleep 1000", "colour");
        Pull running = await Archive.Admin.Sources.RunAsync(id);
        Expect.Says(running.Id, (await Expect.RefusedAsync(StatusCode.FailedPrecondition, () => Archive.Admin.Sources.RedriveAsync(id, [kept[0].Id]))).Message);
        await Archive.Admin.Sources.CancelAsync(id);
        await Archive.Admin.Sources.WaitAsync(running.Id).WaitAsync(Archive.Patience);

        OsaCommand redriven = await OsaCommand.RunAsync(Archive, "admin", "source", "redrive", id, numbers[0], numbers[1], "999999999", "--json");
        Assert.Equal((1, 1), (redriven.ExitCode, (int)redriven.Lines[0]["taken"]!));
        Dictionary<string, string> refused = redriven.Lines[0]["refused"]!.AsArray().ToDictionary(r => r!["id"]!.ToString(), r => (string)r!["reason"]!);
        Assert.Equal([numbers[1], "999999999"], refused.Keys.OrderBy(k => k.Length));
        Expect.Says("is not valid JSON", refused[numbers[1]]);
        Expect.Says("not in quarantine", refused["999999999"]);
        ValidationRun run = await Archive.VerdictAsync(Archive.Admin.Runs.Handle((string)redriven.Lines[0]["run_srn"]!));
        Assert.True(run.Status == RunStatus.Passed, run.Summary);
        Record record = (await Archive.Admin.Records.ListAsync(id).ToListAsync()).Single(r => r.MetadataJson.Contains("red", StringComparison.Ordinal));
        RecordFile file = Assert.Single((await Archive.Admin.Records.GetAsync(record.Srn)).Files);
        Assert.Equal(("data.txt", 8), (file.Name, file.Size));
        Assert.NotNull((await Archive.QuarantineAsync(id))[0].RedrivenAt);
        Assert.Equal(3, (await OsaCommand.RunAsync(Archive, "admin", "source", "redrive", id, numbers[0])).ExitCode);

        await RegisterAsync(id, "1.2.0", $"{{ {Print(Late.Replace("old", "new", StringComparison.Ordinal))}; }} > records.jsonl", "colour");
        Assert.Equal(1, (await Archive.PullAsync(id)).Counts.Published);
        RedriveQuarantineResponse old = await Archive.Admin.Sources.RedriveAsync(id, [kept[2].Id]);
        Expect.Says("newer than this line", Assert.Single(old.Refused).Reason);
    }

    [Fact]
    public async Task What_was_withdrawn_comes_back_from_quarantine_no_more_than_from_upstream()
    {
        string id = Documents.NewId("withdrawn");
        await RegisterAsync(id, "1.0.0", "{ good x; " + Print(Late.Replace("\"z\"", "\"x\"", StringComparison.Ordinal)) + "; } > records.jsonl");
        await Archive.PullAsync(id);
        await Archive.Admin.Curation.WithdrawRecordAsync((await Archive.Admin.Records.ListAsync(id).SingleAsync()).Srn, "wrong organism");
        await RegisterAsync(id, "1.1.0", ":", "colour");
        long number = (await Archive.QuarantineAsync(id)).Single().Id;

        RedriveQuarantineResponse refused = await Archive.Admin.Sources.RedriveAsync(id, [number]);
        Expect.Says("withdrawn here", Assert.Single(refused.Refused).Reason);
        await Archive.Admin.Sources.UnblockAsync(id, "x");
        RedriveQuarantineResponse taken = await Archive.Admin.Sources.RedriveAsync(id, [number]);

        Assert.Equal((1, 0), (taken.Taken, taken.Refused.Count));
        await Archive.VerdictAsync(Archive.Admin.Runs.Handle(taken.RunSrn));
        Record record = (await Archive.Admin.Records.ListAsync(id).ToListAsync()).Single(r => r.WithdrawnAt is null);
        Expect.Says("old", record.MetadataJson);
        Expect.Says("@1", record.Srn);
    }

    private static string Print(string line) => $"printf '%s\\n' '{line}'";

    private async Task RegisterAsync(string id, string version, string script, string? field = null)
    {
        JsonObject document = Pulls.Convention(id, version, Pulls.Script(_image, script));
        if (field is not null)
        {
            document["schema"]!.AsArray().Add(Documents.Field(field, "text"));
        }

        await Archive.RegisterAsync(document);
    }
}
