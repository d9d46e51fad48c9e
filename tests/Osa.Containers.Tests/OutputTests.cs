using System.Text;
using Osa.Containers.Output;
using Osa.Containers.Scratch;
using Osa.Domain.Validation;

namespace Osa.Containers.Tests;

/// <summary>Output that is made to hurt its reader.</summary>
public sealed class OutputTests(EngineFixture host)
{
    [Theory]
    [InlineData("link", "features.json is a symbolic link, not a file")]
    [InlineData("fifo", "features.json is a named pipe, not a file")]
    [InlineData("directory", "features.json is a directory, not a file")]
    [InlineData("unreadable", "features.json cannot be read: its mode is 0; leave it readable to all (644)")]
    [InlineData("huge", "features.json has 1048576 bytes; at most 1000 are accepted")]
    public async Task What_is_not_a_readable_file_is_refused_by_its_name_and_removed(string kind, string problem)
    {
        ContainerJob job = host.Job($$"""{"do":"output","kind":"{{kind}}"}""", maxOutputBytes: 10 << 20);

        ContainerOutcome outcome = await host.RunAsync(job);

        Assert.Equal(problem, Assert.IsType<OutputFile.Refused>(outcome.Output.Open("features.json", 1000)).Problem);
        await host.Engine.RemoveAsync(job.Name, outcome.ContainerId, default);
        Assert.DoesNotContain(job.Name, host.Engine.ListScratch());
    }

    [Theory]
    [InlineData("""{"do":"output","kind":"locked-directory"}""")]
    [InlineData("""{"do":"output","kind":"deep","count":3000}""")]
    [InlineData("""{"do":"output","kind":"bad-name"}""")]
    public async Task Whatever_a_hook_leaves_is_removed_completely(string config)
    {
        ContainerJob job = host.Job(config, maxOutputFiles: 10_000);

        ContainerOutcome outcome = await host.RunAsync(job);
        Assert.True(outcome.ExitCode == 0, outcome.Log);
        await host.Engine.RemoveAsync(job.Name, outcome.ContainerId, default);

        Assert.DoesNotContain(job.Name, host.Engine.ListScratch());
    }

    [Fact]
    public async Task A_progress_file_that_is_a_pipe_is_malformed_output_and_blocks_nobody()
    {
        HookVerdict verdict = await host.JudgeAsync(host.Job("""{"do":"output","kind":"fifo","file":"progress.jsonl"}"""));

        Assert.Equal(
            new HookVerdict.Final(HookStatus.Failed, "The hook's output is malformed: progress.jsonl is a named pipe, not a file"),
            verdict);
    }

    [Theory]
    [InlineData("../staged")]
    [InlineData("/etc/passwd")]
    [InlineData("a/../../b")]
    [InlineData("")]
    public void A_name_never_leaves_the_directory(string name)
    {
        using Scenario scenario = new();

        Assert.IsType<OutputFile.Refused>(scenario.Output.Open(name, 1000));
    }

    [Fact]
    public void A_link_in_the_middle_of_a_path_is_not_followed()
    {
        using Scenario scenario = new();
        Directory.CreateDirectory(Path.Combine(scenario.Path, "real"));
        File.WriteAllText(Path.Combine(scenario.Path, "real", "file"), "x");
        Directory.CreateSymbolicLink(Path.Combine(scenario.Path, "link"), Path.Combine(scenario.Path, "real"));

        using Stream content = Assert.IsType<OutputFile.Readable>(scenario.Output.Open("real/file", 10)).Content;
        Assert.IsType<OutputFile.Refused>(scenario.Output.Open("link/file", 10));
        Assert.IsType<OutputFile.Absent>(scenario.Output.Open("nowhere/file", 10));
    }

    [Fact]
    public void A_directory_is_listed_up_to_one_more_than_is_accepted()
    {
        using Scenario scenario = new();
        Directory.CreateDirectory(Path.Combine(scenario.Path, "real", "inner"));
        for (int i = 0; i < 20; i++)
            File.WriteAllText(Path.Combine(scenario.Path, "real", $"f{i}"), "");
        Directory.CreateSymbolicLink(Path.Combine(scenario.Path, "link"), Path.Combine(scenario.Path, "real"));

        Assert.Equal(["link", "real"], scenario.Output.List("", 10)!.Order());
        Assert.Equal(21, scenario.Output.List("real", 21)!.Count);
        Assert.Equal(11, scenario.Output.List("real", 10)!.Count);
        Assert.Equal([], scenario.Output.List("real/inner", 10));
        Assert.All(["link", "link/inner", "real/f1", "nowhere", "..", "real/..", "/etc", "a\0b", "real/"], name => Assert.Null(scenario.Output.List(name, 10)));
    }

    [Fact]
    public async Task A_name_that_is_not_UTF_8_is_told_apart()
    {
        ContainerJob job = host.Job("""{"do":"output","kind":"bad-name"}""");

        ContainerOutcome outcome = await host.RunAsync(job);

        string name = Assert.Single(outcome.Output.List("", 10)!);
        Assert.Equal("\0fffe0a", name);
        Assert.IsType<OutputFile.Refused>(outcome.Output.Open(name, 10));
        await host.Engine.RemoveAsync(job.Name, outcome.ContainerId, default);
    }

    [Fact]
    public void A_file_that_grows_while_it_is_read_ends_at_the_limit()
    {
        using Scenario scenario = new();
        string file = Path.Combine(scenario.Path, "features.json");
        File.WriteAllText(file, "12345");
        using Stream content = Assert.IsType<OutputFile.Readable>(scenario.Output.Open("features.json", 5)).Content;
        File.AppendAllText(file, new string('6', 100_000));

        Assert.Throws<IOException>(() => content.CopyTo(Stream.Null));
    }

    [Fact]
    public void Progress_keeps_its_ends_and_the_last_rejection_between()
    {
        StringBuilder text = new();
        for (int i = 0; i < 5000; i++)
            text.Append(i is 2000 or 2001 ? $$"""{"status":"rejected","message":"at {{i}}"}""" : $$"""{"status":"running","step":"{{i}}"}""").Append('\n');
        text.Append(new string('x', 200_000)).Append("\n\n{\"status\":\"done\"}");

        IReadOnlyList<ProgressLine> lines = ProgressLog.Parse(new MemoryStream(Encoding.UTF8.GetBytes(text.ToString())));

        Assert.Equal((2 * ProgressLog.KeptLines) + 1, lines.Count);
        Assert.Equal("0", lines[0].Step);
        Assert.Equal(new ProgressLine("rejected", null, "at 2001"), lines[ProgressLog.KeptLines]);
        Assert.Equal("done", lines[^1].Status);
    }

    [Theory]
    [InlineData("""{"message":"m"}""", "unknown", null, "m")]
    [InlineData("""{"status":7,"step":["x"]}""", "unknown", null, null)]
    [InlineData("""{"status":"rejected","message":" ","reason":"legacy"}""", "rejected", null, "legacy")]
    [InlineData("""{"status":"a","message":"\u0000tab\there\ud800"}""", "a", null, null)]
    [InlineData("""  {"status":"a","step":"s"}  """, "a", "s", null)]
    public void A_progress_line_says_what_it_can(string line, string status, string? step, string? message) =>
        Assert.Equal(new ProgressLine(status, step, message), ProgressLog.ParseLine(Encoding.UTF8.GetBytes(line)));

    [Theory]
    [InlineData("")]
    [InlineData("[]")]
    [InlineData("\"text\"")]
    [InlineData("""{"status":"a"} trailing""")]
    [InlineData("""{"status":"a" """)]
    public void A_line_that_is_no_object_is_skipped(string line) => Assert.Null(ProgressLog.ParseLine(Encoding.UTF8.GetBytes(line)));

    [Fact]
    public void Measuring_stops_at_the_limit()
    {
        using Scenario scenario = new();
        for (int i = 0; i < 100; i++)
            File.WriteAllText(Path.Combine(scenario.Path, $"f{i}"), "x");

        Assert.Equal(11, UnixTree.Measure(scenario.Path, long.MaxValue, 10).Entries);
        Assert.Equal(100, UnixTree.Measure(scenario.Path, long.MaxValue, 1000).Entries);
    }

    private sealed class Scenario : IDisposable
    {
        public string Path { get; } = Directory.CreateTempSubdirectory("osa-output-").FullName;

        public OutputDirectory Output => new(Path);

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
