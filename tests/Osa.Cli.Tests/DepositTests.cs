using System.Collections.Concurrent;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Osa.ScriptedNodes;
using Osa.V1;

namespace Osa.Cli.Tests;

public sealed class DepositTests
{
    private const string Dep = "urn:osa:localhost:dep:abc";
    private const string Run = "urn:osa:localhost:val:def";
    private const string Rec = "urn:osa:localhost:rec:ghi@1";

    [Fact]
    public async Task A_deposit_uploads_submits_and_ends_with_its_record()
    {
        using var files = new TemporaryDirectory();
        var script = new Script();
        await using var node = await script.StartAsync();

        var done = await OsaProcess.RunAsync(
            node.Address, "deposit", files.File("insulin.fasta", ">INS\nMALWMRLL"), "--convention", "proteins", "--set", "organism=Homo sapiens", "--set", "length=110");

        Assert.Equal((0, ""), (done.ExitCode, done.Error));
        Assert.Equal(
            [
                $"draft {Dep}",
                "uploaded insulin.fasta (13 bytes)",
                $"submitted, run {Run}",
                "waiting for a slot",
                "check: running",
                "check: parse: 1 sequence",
                "check: passed in 1.5 s, 1 row",
                "all hooks passed",
                $"record\t{Rec}",
            ],
            done.Lines);
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse("""{"organism":"Homo sapiens","length":110}"""), JsonNode.Parse(script.Metadata)));
        Assert.Equal(">INS\nMALWMRLL", script.Uploaded["insulin.fasta"]);
    }

    [Fact]
    public async Task With_json_each_step_is_a_line_and_nothing_else_is_written()
    {
        using var files = new TemporaryDirectory();
        var script = new Script();
        await using var node = await script.StartAsync();

        var done = await OsaProcess.RunAsync(
            node.Address, "deposit", files.File("a.fasta", "A"), "--convention", "proteins", "--metadata", files.File("m.json", """{"n":[1,2]}"""), "--json");

        Assert.Equal((0, ""), (done.ExitCode, done.Error));
        Assert.Equal(["created", "uploaded", "submitted", "run", "run", "run"], done.JsonLines.Select(static line => (string?)line["event"]));
        Assert.Equal(Dep, (string?)done.JsonLines[0]["deposition_srn"]);
        Assert.Equal("a.fasta", (string?)done.JsonLines[1]["file"]!["name"]);
        Assert.Equal(Run, (string?)done.JsonLines[2]["run_srn"]);
        var verdict = done.JsonLines[^1]["run"]!;
        Assert.Equal("passed", (string?)verdict["status"]);
        Assert.Equal(Rec, (string?)verdict["record_srn"]);
        Assert.Equal(1.5, (double?)verdict["hooks"]![0]!["duration_seconds"]);
        Assert.Equal("passed", (string?)verdict["hooks"]![0]!["status"]);
        Assert.True(verdict["completed_at"] is null && verdict.AsObject().ContainsKey("completed_at"));
    }

    [Fact]
    public async Task A_rejected_deposit_exits_with_1_and_its_reason()
    {
        var script = new Script
        {
            Verdict = new ValidationRun
            {
                Srn = Run,
                Status = RunStatus.Rejected,
                Summary = "rejected by check",
                Hooks = { new HookRun { Hook = "check", Status = HookStatus.Rejected, Reason = "position 7: \u001b]0;J\u0007 is no residue [red]" } },
            },
        };
        await using var node = await script.StartAsync();

        var done = await OsaProcess.RunAsync(node.Address, "deposit", "--convention", "proteins");

        Assert.Equal(1, done.ExitCode);
        Assert.Contains("check: rejected: position 7: \uFFFD]0;J\uFFFD is no residue [red]", done.Lines);
        Assert.Contains("rejected by check", done.Lines);
        Assert.Contains($"osa run show {Run} --logs", done.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task On_a_terminal_what_a_hook_writes_neither_moves_the_cursor_nor_is_markup()
    {
        var script = new Script
        {
            Verdict = new ValidationRun
            {
                Srn = Run,
                Status = RunStatus.Rejected,
                Summary = "rejected",
                Hooks = { new HookRun { Hook = "check", Status = HookStatus.Rejected, Reason = "bad \u001b]0;evil\u0007 [bold]letter[/]" } },
            },
        };
        using var files = new TemporaryDirectory();
        await using var node = await script.StartAsync();

        using var osa = OsaProcess.StartOnATerminal(node.Address, $"deposit {files.File("a[b].fasta", "A")} --convention proteins");
        var done = await osa.FinishAsync();

        Assert.Equal(1, done.ExitCode);
        Assert.DoesNotContain("\u001b]0;", done.Output, StringComparison.Ordinal);
        Assert.Contains("bad \uFFFD]0;evil\uFFFD [bold]letter[/]", done.Output, StringComparison.Ordinal);
        Assert.Contains("a[b].fasta", done.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Check_says_what_would_be_refused_and_submits_nothing()
    {
        var script = new Script { Violations = { new RuleViolation { Field = "metadata.organism", Rule = "required", Message = "is missing" } } };
        await using var node = await script.StartAsync();

        var words = await OsaProcess.RunAsync(node.Address, "deposit", "--convention", "proteins", "--check");
        var json = await OsaProcess.RunAsync(node.Address, "deposit", "--convention", "proteins", "--check", "--json");

        Assert.Equal((2, 2), (words.ExitCode, json.ExitCode));
        Assert.Contains("metadata.organism: is missing (required)", words.Lines);
        Assert.Contains($"osa deposition submit {Dep}", words.Error, StringComparison.Ordinal);
        Assert.Equal("checked", (string?)json.JsonLines[^1]["event"]);
        Assert.False((bool?)json.JsonLines[^1]["valid"]);
        Assert.DoesNotContain(node.Calls, static call => call.Operation == "Depositions/Submit");
    }

    [Fact]
    public async Task Ctrl_C_leaves_the_run_alone_and_says_how_to_watch_on()
    {
        var script = new Script { NeverEnds = true };
        await using var node = await script.StartAsync();
        using var osa = OsaProcess.Start(node.Address, null, "deposit", "--convention", "proteins");
        await osa.LineAsync("check: running");

        osa.Signal("INT");
        var stopped = await osa.FinishAsync();

        Assert.Equal(130, stopped.ExitCode);
        Assert.Contains($"osa run watch {Run}", stopped.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_lost_connection_does_not_end_the_deposit()
    {
        var script = new Script { Drops = 2 };
        await using var node = await script.StartAsync();

        var done = await OsaProcess.RunAsync(node.Address, "deposit", "--convention", "proteins");

        Assert.Equal(0, done.ExitCode);
        Assert.Contains("connection lost, trying again", done.Error, StringComparison.Ordinal);
        Assert.Single(done.Lines, static line => line == "check: running");
    }

    [Fact]
    public async Task Setting_fields_writes_over_what_is_there()
    {
        var script = new Script { Metadata = """{"organism":"Mus musculus","length":110}""" };
        await using var node = await script.StartAsync();

        var done = await OsaProcess.RunAsync(node.Address, "deposition", "set", Dep, "--set", "organism=Homo sapiens", "--json");

        Assert.Equal((0, ""), (done.ExitCode, done.Error));
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse("""{"organism":"Homo sapiens","length":110}"""), JsonNode.Parse(script.Metadata)));
        Assert.Equal("Homo sapiens", (string?)done.JsonLines[0]["metadata"]!["organism"]);
    }

    /// <summary>A node that accepts one deposition, as a script.</summary>
    private sealed class Script
    {
        private int watches;

        public string Metadata { get; set; } = "";

        public ConcurrentDictionary<string, string> Uploaded { get; } = new();

        public List<RuleViolation> Violations { get; } = [];

        public bool NeverEnds { get; init; }

        public int Drops { get; init; }

        public ValidationRun Verdict { get; init; } = new()
        {
            Srn = Run,
            Status = RunStatus.Passed,
            Summary = "all hooks passed",
            RecordSrn = Rec,
            Hooks =
            {
                new HookRun
                {
                    Hook = "check",
                    Status = HookStatus.Passed,
                    Duration = Duration.FromTimeSpan(TimeSpan.FromSeconds(1.5)),
                    Rows = 1,
                    Attempt = 1,
                    Progress = { new Progress { Status = "progress", Step = "parse", Message = "1 sequence" } },
                },
            },
        };

        public Task<ScriptedNode> StartAsync() => ScriptedNode.StartAsync(script =>
        {
            script.Unary<CreateDepositionRequest, Deposition>("Depositions/Create", request =>
            {
                Metadata = request.MetadataJson;
                return new Deposition { Srn = Dep };
            });
            script.Unary<GetDepositionRequest, Deposition>("Depositions/Get", _ => new Deposition { Srn = Dep, MetadataJson = Metadata });
            script.Unary<SetMetadataRequest, Deposition>("Depositions/SetMetadata", request =>
            {
                Metadata = request.MetadataJson;
                return new Deposition { Srn = Dep, MetadataJson = Metadata, Status = DepositionStatus.Draft };
            });
            script.Unary<ValidateDepositionRequest, ValidateDepositionResponse>(
                "Depositions/Validate", _ => new ValidateDepositionResponse { Violations = { Violations } });
            script.Unary<SubmitDepositionRequest, Submission>("Depositions/Submit", _ => new Submission { DepositionSrn = Dep, RunSrn = Run });
            script.ClientStream<UploadRequest, DepositionFile>("Depositions/Upload", async stream =>
            {
                var name = "";
                var content = new MemoryStream();
                await foreach (var part in stream.ReadAllAsync())
                {
                    name = part.Header?.Name ?? name;
                    part.Data.WriteTo(content);
                }

                Uploaded[name] = System.Text.Encoding.UTF8.GetString(content.ToArray());
                var checksum = $"sha256:{Convert.ToHexStringLower(SHA256.HashData(content.ToArray()))}";
                return new DepositionFile { Name = name, Size = content.Length, Checksum = checksum };
            });
            script.ServerStream<WatchRunRequest, ValidationRun>("ValidationRuns/Watch", async (_, stream, cancelled) =>
            {
                if (watches == 0)
                {
                    await stream.WriteAsync(new ValidationRun { Srn = Run, Status = RunStatus.Pending, WaitingFor = "a slot" });
                }

                await stream.WriteAsync(new ValidationRun
                {
                    Srn = Run,
                    Status = RunStatus.Running,
                    Hooks = { new HookRun { Hook = "check", Status = HookStatus.Running, Attempt = 1 } },
                });
                if (watches++ < Drops)
                {
                    throw ScriptedNode.Error(StatusCode.Unavailable, "the node is stopping");
                }

                if (NeverEnds)
                {
                    await Task.Delay(Timeout.Infinite, cancelled);
                }

                await stream.WriteAsync(Verdict);
            });
        });
    }
}
