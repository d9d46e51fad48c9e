using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Osa.ScriptedNodes;
using Osa.V1;
using Record = Osa.V1.Record;

namespace Osa.Cli.Tests;

/// <summary>What is read back: conventions, runs, records, feature rows.</summary>
public sealed class ReadingTests
{
    private const string Srn = "urn:osa:localhost:rec:abc@1";

    [Fact]
    public async Task A_record_as_json_has_its_metadata_and_numbers_as_what_they_are()
    {
        await using var node = await ScriptedNode.StartAsync(script => Serve(script, "a.fasta", "MALW"));

        var shown = await OsaProcess.RunAsync(node.Address, "record", "show", Srn, "--json");

        Assert.Equal(0, shown.ExitCode);
        Assert.True(
            JsonNode.DeepEquals(
                JsonNode.Parse(
                    """
                    {
                      "srn": "urn:osa:localhost:rec:abc@1",
                      "metadata": {"organism": "Homo sapiens", "mass": 5807.57},
                      "files": [{"name": "a.fasta", "size": 4, "checksum": "CHECKSUM", "content_type": null}],
                      "provenance": {
                        "convention_srn": "urn:osa:localhost:conv:p@1.0.0", "schema_srn": null, "deposition_srn": null, "run_srn": null,
                        "hooks": [{"hook": "check", "digest": "sha256:00", "rows": 9007199254740993}], "source_id": null
                      },
                      "published_at": "1970-01-01T00:00:00.5Z",
                      "current_srn": null, "embargo": null, "withdrawn_at": null, "withdrawn_because": null
                    }
                    """.Replace("CHECKSUM", Checksum("MALW"), StringComparison.Ordinal)),
                Assert.Single(shown.JsonLines)),
            shown.Output);
    }

    [Fact]
    public async Task Lists_are_lines_with_headers_when_piped_and_an_object_per_line_as_json()
    {
        await using var node = await ScriptedNode.StartAsync(script => script.Unary<ListConventionsRequest, ListConventionsResponse>(
            "Conventions/List",
            request => request.Cursor.Length == 0
                ? new ListConventionsResponse { Conventions = { new Convention { Srn = "c1", Title = "One\tof\n\u001b[2Jmany" } }, NextCursor = "2" }
                : new ListConventionsResponse { Conventions = { new Convention { Srn = "c2", Title = "[red]Two[/]" } } }));

        var words = await OsaProcess.RunAsync(node.Address, "convention", "list");
        var one = await OsaProcess.RunAsync(node.Address, "convention", "list", "--limit", "1");
        var json = await OsaProcess.RunAsync(node.Address, "convention", "list", "--json");
        using var terminal = OsaProcess.StartOnATerminal(node.Address, "convention list");
        var table = await terminal.FinishAsync();

        Assert.Equal(["convention\ttitle\thooks\tregistered", "c1\tOne of \uFFFD[2Jmany\t\t", "c2\t[red]Two[/]\t\t"], words.Lines);
        Assert.Equal(2, one.Lines.Count);
        Assert.Equal(["c1", "c2"], json.JsonLines.Select(static line => (string?)line["srn"]));
        Assert.Equal("One\tof\n\u001b[2Jmany", (string?)json.JsonLines[0]["title"]);
        Assert.DoesNotContain('\u001b', json.Output);
        Assert.Contains("[red]Two[/]", table.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("\u001b[2J", table.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Piped_feature_rows_are_csv_or_an_object_per_row()
    {
        var rows = new QueryPage
        {
            Columns =
            {
                Text("record_srn"), Text("sequence"), new Column { Name = "length", Type = "integer" }, new Column { Name = "mass", Type = "number" }, new Column { Name = "composition", Type = "object" },
                Text("note"), Text("empty"), Text("lines"),
            },
            Values =
            {
                new ColumnValues { Texts = { Srn } }, new ColumnValues { Texts = { "MALW" } }, new ColumnValues { Integers = { long.MaxValue } }, new ColumnValues { Numbers = { 0.1 } },
                new ColumnValues { Texts = { """{"A":1}""" } }, new ColumnValues { Texts = { "" }, Nulls = { 0 } }, new ColumnValues { Texts = { "" } }, new ColumnValues { Texts = { "one,\n\"two\"" } },
            },
        };
        static Column Text(string name) => new() { Name = name, Type = "string" };
        var asked = new List<QueryRequest>();
        await using var node = await ScriptedNode.StartAsync(script => script.Unary<QueryRequest, QueryPage>("Queries/Rows", request =>
        {
            asked.Add(request);
            return rows;
        }));

        var words = await OsaProcess.RunAsync(node.Address, "features", "query", "proteins", "--record", Srn, "--limit", "7");
        var json = await OsaProcess.RunAsync(
            node.Address, "features", "query", "proteins", "--json", "--where", "length >= 100 and not (sequence prefix 'M''A' or mass in (1, -2.5e3)) and note is not null", "--sort", "-length,sequence", "--select", "length");

        Assert.Equal(
            $"record_srn,sequence,length,mass,composition,note,empty,lines\n{Srn},MALW,9223372036854775807,0.1,\"{{\"\"A\"\":1}}\",,\"\",\"one,\n\"\"two\"\"\"\n", words.Output);
        Assert.True(
            JsonNode.DeepEquals(
                JsonNode.Parse($$"""{"record_srn":"{{Srn}}","sequence":"MALW","length":9223372036854775807,"mass":0.1,"composition":{"A":1},"note":null,"empty":"","lines":"one,\n\"two\""}"""),
                Assert.Single(json.JsonLines)),
            json.Output);
        Assert.Equal(("proteins", true, 7, Srn), (asked[0].Source.Table, asked[0].Source.AllVersions, asked[0].PageSize, asked[0].Filter.Compare.Values[0].Text));
        Assert.Equal((5_000, "length"), (asked[1].PageSize, Assert.Single(asked[1].Select)));
        Assert.Equal([("length", true), ("sequence", false)], asked[1].Sort.Select(static key => (key.Column, key.Descending)));
        Assert.Equal(
            JsonNode.Parse("""
                {"all": {"filters": [
                  {"compare": {"column": "length", "op": "OPERATOR_GREATER_OR_EQUAL", "values": [{"integer": "100"}]}},
                  {"not": {"any": {"filters": [
                    {"compare": {"column": "sequence", "op": "OPERATOR_PREFIX", "values": [{"text": "M'A"}]}},
                    {"compare": {"column": "mass", "op": "OPERATOR_IN", "values": [{"integer": "1"}, {"number": -2500}]}}]}}},
                  {"not": {"compare": {"column": "note", "op": "OPERATOR_IS_NULL"}}}]}}
                """)!.ToJsonString(),
            JsonNode.Parse(JsonFormatter.Default.Format(asked[1].Filter))!.ToJsonString());
    }

    [Theory]
    [InlineData("length >", "--where")]
    [InlineData("length = 5 and", "--where")]
    [InlineData("length = 'open", "--where")]
    [InlineData("= 5", "--where")]
    [InlineData("a = 1 b = 2", "--where")]
    public async Task What_is_no_condition_is_refused_with_its_place(string where, string said)
    {
        var refused = await OsaProcess.RunAsync(new Uri("http://127.0.0.1:9"), "features", "query", "proteins", "--where", where);

        Assert.Equal(2, refused.ExitCode);
        Assert.Contains(said, refused.Error, StringComparison.Ordinal);
        Assert.Contains("yntax error", refused.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_download_is_checked_kept_whole_and_never_overwrites()
    {
        using var directory = new TemporaryDirectory();
        await using var node = await ScriptedNode.StartAsync(script => Serve(script, "a.fasta", "MALW"));

        var first = await OsaProcess.RunAsync(node.Address, "record", "download", Srn, "--to", directory.Path, "--json");
        var second = await OsaProcess.RunAsync(node.Address, "record", "download", Srn, "--to", directory.Path);
        var third = await OsaProcess.RunAsync(node.Address, "record", "download", Srn, "a.fasta", "--to", directory.Path, "--force");

        Assert.Equal((0, 2, 0), (first.ExitCode, second.ExitCode, third.ExitCode));
        Assert.Equal(Path.Combine(directory.Path, "a.fasta"), (string?)Assert.Single(first.JsonLines)["path"]);
        Assert.Contains("--force", second.Error, StringComparison.Ordinal);
        Assert.Equal("MALW", await File.ReadAllTextAsync(Path.Combine(directory.Path, "a.fasta")));
        Assert.Single(Directory.GetFiles(directory.Path));
    }

    [Theory]
    [InlineData("../a.fasta", "MALW", "MALW", 2)]
    [InlineData("a.fasta", "MALW", "MALWx", 8)]
    public async Task A_download_with_an_evil_name_or_other_bytes_leaves_nothing(string name, string announced, string sent, int exitCode)
    {
        using var directory = new TemporaryDirectory();
        await using var node = await ScriptedNode.StartAsync(script => Serve(script, name, announced, sent));

        var refused = await OsaProcess.RunAsync(node.Address, "record", "download", Srn, "--to", Path.Combine(directory.Path, "to"));

        Assert.Equal(exitCode, refused.ExitCode);
        Assert.Empty(Directory.GetFiles(directory.Path, "*", SearchOption.AllDirectories));
    }

    [Fact]
    public async Task A_registration_tells_its_steps_on_stderr_and_its_convention_on_stdout()
    {
        using var files = new TemporaryDirectory();
        await using var node = await ScriptedNode.StartAsync(script =>
        {
            script.ServerStream<RegisterConventionRequest, RegistrationProgress>("Conventions/Register", async (_, stream, _) =>
            {
                await stream.WriteAsync(new RegistrationProgress { Step = "resolving example/check:1" });
                await stream.WriteAsync(new RegistrationProgress { Convention = new Convention { Srn = "urn:osa:localhost:conv:p@1.0.0" }, Created = true });
            });
            script.Unary<PlanConventionRequest, ConventionPlan>("Conventions/Plan", _ => new ConventionPlan
            {
                ConventionSrn = "urn:osa:localhost:conv:p@1.0.0",
                Tables = { new FeatureTablePlan { Name = "check", Action = "extend", AddedColumns = { "mass" } } },
            });
        });
        var document = files.File("convention.json", """{"id":"p"}""");

        var words = await OsaProcess.RunAsync(node.Address, "convention", "register", document);
        var json = await OsaProcess.RunAsync(node.Address, "convention", "register", document, "--json");
        var plan = await OsaProcess.RunAsync(node.Address, "convention", "register", document, "--plan");
        var broken = await OsaProcess.RunAsync(node.Address, "convention", "register", files.File("broken.json", "[1]"));

        Assert.Equal("registered urn:osa:localhost:conv:p@1.0.0\n", words.Output);
        Assert.Equal("resolving example/check:1\n", words.Error);
        Assert.True((bool?)Assert.Single(json.JsonLines)["created"]);
        Assert.Equal(["would register urn:osa:localhost:conv:p@1.0.0", "extend feature table check, adding mass"], plan.Lines);
        Assert.Equal(2, broken.ExitCode);
        Assert.Contains("expected one JSON object, found array", broken.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_runs_logs_are_shown_line_by_line_and_harmless()
    {
        await using var node = await ScriptedNode.StartAsync(script => script.Unary<GetRunRequest, ValidationRun>("ValidationRuns/Get", _ => new ValidationRun
        {
            Srn = "v",
            Status = RunStatus.Failed,
            Hooks = { new HookRun { Hook = "check", Status = HookStatus.Failed, Reason = "exit code 0", ExitCode = 0, LogTail = "one\ntwo \u001b[31mred\n" } },
        }));

        var shown = await OsaProcess.RunAsync(node.Address, "run", "show", "v", "--logs");
        var json = await OsaProcess.RunAsync(node.Address, "run", "show", "v", "--json");

        Assert.Contains("hook check: failed (exit code 0): exit code 0\none\ntwo \uFFFD[31mred\n", shown.Output, StringComparison.Ordinal);
        Assert.Equal(0, (long?)json.JsonLines[0]["hooks"]![0]!["exit_code"]);
    }

    private static string Checksum(string content) => $"sha256:{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(content)))}";

    private static void Serve(ScriptedOperations script, string name, string announced, string? sent = null)
    {
        script.Unary<GetRecordRequest, Record>("Records/Get", _ => new Record
        {
            Srn = Srn,
            MetadataJson = """{"organism":"Homo sapiens","mass":5807.57}""",
            Files = { new RecordFile { Name = name, Size = announced.Length, Checksum = Checksum(announced) } },
            Provenance = new Provenance
            {
                ConventionSrn = "urn:osa:localhost:conv:p@1.0.0",
                Hooks = { new HookProvenance { Hook = "check", Digest = "sha256:00", Rows = 9007199254740993 } },
            },
            PublishedAt = Timestamp.FromDateTimeOffset(DateTimeOffset.UnixEpoch.AddSeconds(0.5)),
        });
        script.ServerStream<DownloadRecordFileRequest, FileChunk>(
            "Records/Download", (_, stream, _) => stream.WriteAsync(new FileChunk { Data = ByteString.CopyFromUtf8(sent ?? announced) }));
    }
}
