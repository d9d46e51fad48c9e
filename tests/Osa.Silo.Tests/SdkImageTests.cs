using System.Text.Json.Nodes;
using Osa.Client.Depositions;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>
/// Images that write what those of the Python SDK's two generations write, byte for byte: the older with <c>features.json</c> for one record, the newer
/// with three files of lines for many. They are a shell and a script; what a deposition's title says, they do.
/// </summary>
public sealed class SdkImageTests(SharedNode shared, SdkImageTests.Images images) : IClassFixture<SdkImageTests.Images>
{
    // json.dump(…, indent=2), one file; a rejection is a line appended to progress.jsonl; an exception is a traceback and exit code 1.
    private const string Older = """
        set -eu
        [ -n "$OSA_HOOK_NAME" ] && [ -f "$OSA_IN/config.json" ]
        word=$(sed -n 's/.*"title": *"\([^"]*\)".*/\1/p' "$OSA_IN/record.json")
        grep -q '"srn"' "$OSA_IN/record.json" && grep -q '"metadata"' "$OSA_IN/record.json"
        case $word in
        list) printf '[\n  {\n    "label": "a",\n    "position": 1\n  },\n  {\n    "label": "b",\n    "position": 2\n  }\n]' > "$OSA_OUT/features.json" ;;
        model) printf '{\n  "label": "only",\n  "position": 3\n}' > "$OSA_OUT/features.json" ;;
        file) printf '[\n  {\n    "label": "%s"\n  }\n]' "$(cat "$OSA_IN/files/a b.txt")" > "$OSA_OUT/features.json" ;;
        None) printf 'null' > "$OSA_OUT/features.json" ;;
        empty) printf '[]' > "$OSA_OUT/features.json" ;;
        Reject) printf '{"status": "rejected", "message": "not a protein"}\n' >> "$OSA_OUT/progress.jsonl" ;;
        raise) printf 'Traceback (most recent call last):\nTypeError: Object of type Decimal is not JSON serializable\n' >&2; exit 1 ;;
        esac
        """;

    // json.dumps(…) per line, all three files always there, exit code 0 even when every record failed.
    private const string Newer = """
        set -eu
        [ -n "$OSA_HOOK_NAME" ] && [ -d "$OSA_FILES" ]
        cd "$OSA_OUT"
        : > features.jsonl; : > rejections.jsonl; : > errors.jsonl
        while read -r line; do
          id=$(printf '%s' "$line" | sed 's/.*"id": *"\([^"]*\)".*/\1/')
          word=$(printf '%s' "$line" | sed 's/.*"title": *"\([^"]*\)".*/\1/')
          case $word in
          list) printf '{"id": "%s", "features": [{"label": "a", "position": 1}, {"label": "b", "position": 2}]}\n' "$id" >> features.jsonl ;;
          model) printf '{"id": "%s", "features": [{"label": "only", "position": 3}]}\n' "$id" >> features.jsonl ;;
          file) printf '{"id": "%s", "features": [{"label": "%s"}]}\n' "$id" "$(cat "$OSA_FILES/$id/a b.txt")" >> features.jsonl ;;
          None) printf '{"id": "%s", "features": [null]}\n' "$id" >> features.jsonl ;;
          scalar) printf '{"id": "%s", "features": [3]}\n' "$id" >> features.jsonl ;;
          empty) printf '{"id": "%s", "features": []}\n' "$id" >> features.jsonl ;;
          Reject) printf '{"id": "%s", "reason": "not a protein"}\n' "$id" >> rejections.jsonl ;;
          raise) printf '{"id": "%s", "error": "division by zero", "retryable": false}\n' "$id" >> errors.jsonl ;;
          esac
        done < "$OSA_IN/records.jsonl"
        """;

    private Archive Archive => shared.Archive;

    [Theory]
    [InlineData("list", "passed", "", "a,b")]
    [InlineData("model", "passed", "", "only")]
    [InlineData("file", "passed", "", "hello")]
    [InlineData("None", "passed", "", "")]
    [InlineData("empty", "passed", "", "")]
    [InlineData("Reject", "rejected", "not a protein", "")]
    [InlineData("raise", "failed", "TypeError: Object of type Decimal is not JSON serializable", "")]
    public async Task An_image_of_the_older_generation_is_judged_by_what_it_writes(string title, string status, string reason, string labels)
    {
        (string id, string table) = await RegisterAsync(images.Older, "record");

        ValidationRun run = await Archive.VerdictAsync(await (await DraftAsync(id, title)).SubmitAsync());

        DepositionVerdict verdict = Assert.Single(run.Depositions);
        Assert.True(verdict.Status == status, run.ToString());
        Expect.Says(reason, verdict.Reason);
        Assert.Equal(labels, await LabelsAsync(table, verdict));
    }

    [Fact]
    public async Task An_image_of_the_newer_generation_is_judged_record_by_record()
    {
        (string Title, string Status, string Reason, string Labels)[] cases =
        [
            ("list", "passed", "", "a,b"), ("model", "passed", "", "only"), ("file", "passed", "", "hello"), ("None", "passed", "", ""), ("scalar", "passed", "", ""),
            ("empty", "passed", "", ""), ("Reject", "rejected", "not a protein", ""), ("raise", "failed", "division by zero", ""), ("nothing", "failed", "no outcome", ""),
        ];
        (string id, string table) = await RegisterAsync(images.Newer, "batch");
        DepositionHandle[] drafts = await Expect.AllAsync(cases.Select(c => DraftAsync(id, c.Title)));
        var ada = new Door(Archive, "depositor", "ada");

        ValidationRun run = await Archive.VerdictAsync(Archive.Ada.Runs.Handle((await ada.Depositions.SubmitManyAsync(new SubmitDepositionsRequest { Srns = { drafts.Select(d => d.Srn) } })).RunSrn));

        foreach (((string title, string status, string reason, string labels), DepositionVerdict verdict) in cases.Zip(run.Depositions))
        {
            Assert.True(verdict.Status == status, $"{title}: {verdict}");
            Expect.Says(reason, verdict.Reason);
            Assert.Equal(labels, await LabelsAsync(table, verdict));
        }
    }

    private async Task<string> LabelsAsync(string table, DepositionVerdict verdict) =>
        verdict.RecordSrn.Length == 0 ? "" : string.Join(",", (await Archive.RowsAsync(table, verdict.RecordSrn)).Select(r => r["label"]));

    private async Task<DepositionHandle> DraftAsync(string convention, string title)
    {
        DepositionHandle draft = await Archive.Ada.Depositions.CreateAsync(convention, Documents.Metadata(null, title));
        if (title == "file")
        {
            await Archive.UploadAsync(draft, "a b.txt", "hello");
        }

        return draft;
    }

    private async Task<(string Convention, string Table)> RegisterAsync(string image, string contract)
    {
        (string id, string table) = (Documents.NewId("sdk"), Documents.NewTable("sdk"));
        JsonObject hook = Documents.Hook(
            table, [Documents.Column("label", "string"), Documents.Column("position", "integer")], new JsonObject { ["threshold"] = 0.5 }, contract: contract, image: image);
        hook["digest"] = image;
        await Archive.RegisterAsync(Documents.Convention(id, "1.0.0", hook));
        return (id, table);
    }

    /// <summary>The two images, on this machine's engine for as long as the tests run.</summary>
    public sealed class Images : IAsyncLifetime
    {
        public string Older { get; private set; } = "";

        public string Newer { get; private set; } = "";

        public async ValueTask InitializeAsync() => (Older, Newer) = (await ShellImage.ImportAsync(SdkImageTests.Older), await ShellImage.ImportAsync(SdkImageTests.Newer));

        public async ValueTask DisposeAsync() => await ShellImage.RemoveAsync(Older, Newer);
    }
}
