using System.Text.Json.Nodes;
using Osa.Testing;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>Sources that want to harm the node, its neighbours or the data: each costs its own records at most, and whoever comes next notices nothing.</summary>
public sealed class HostileSourceTests(HostileNode hostile, SharedNode shared) : IClassFixture<HostileNode>
{
    private const int TimeoutSeconds = 5;

    // What writes one line, perhaps with files, and what the reason says.
    private static readonly (string Name, string Script, string Reason)[] Lines =
    [
        ("traversal in the id", Line("../../etc"), "source_id: has a '/'"),
        ("a path for an id", Line("a/b"), "source_id: has a '/'"),
        ("an absolute id", Line("/etc/passwd"), "source_id: has a '/'"),
        ("the directory itself", Line("."), "source_id: stands for a directory"),
        ("the directory above", Line(".."), "source_id: stands for a directory"),
        ("an empty id", Line(""), "source_id: is empty"),
        ("NUL in the id", Line("a\\u0000b"), "source_id: has a NUL character"),
        ("control characters in the id", Line("a\\u001b[2Jb"), "source_id: must not hold control characters"),
        ("half a character in the id", Line("\\ud800"), "source_id: has a lone surrogate"),
        ("a long id", Line(new string('x', 300)), "source_id: is longer than 200 bytes"),
        ("a path of 900 KB", "printf '{\"source_id\":\"p0\",\"files\":[{\"name\":\"a\",\"relative_path\":\"'; head -c 900000 /dev/zero | tr '\\0' y; echo '\"}]}'", "files[0].relative_path: 'yyyy"),
        ("no id", "echo '{\"metadata\":{\"title\":\"a\"}}'", "source_id: must be a text"),
        ("a number for an id", "echo '{\"source_id\":5}'", "source_id: must be a text"),
        ("traversal in a file's name", Line("n1", "\"name\":\"../../../etc/passwd\""), "files[0].name: '../../../etc/passwd' cannot be a file's name"),
        ("NUL in a file's name", Line("n2", "\"name\":\"a\\u0000\""), "files[0].name: has a NUL character"),
        ("traversal in a path", Line("p1", "\"name\":\"a\",\"relative_path\":\"../../../etc/passwd\""), "'../../../etc/passwd' is not a path inside"),
        ("traversal further down a path", Line("p2", "\"name\":\"a\",\"relative_path\":\"p2/../../in/config.json\""), "is not a path inside"),
        ("an absolute path", Line("p3", "\"name\":\"a\",\"relative_path\":\"/etc/passwd\""), "'/etc/passwd' is not a path inside"),
        ("a link to a file of the host", $"mkdir $OSA_FILES/l1; ln -s /etc/passwd $OSA_FILES/l1/a; {Line("l1", "\"name\":\"a\"")}", "l1/a is a symbolic link"),
        ("a link that is not named", $"mkdir $OSA_FILES/l2; ln -s ../../in/config.json $OSA_FILES/l2/a; {Line("l2")}", "l2/a is a symbolic link"),
        ("a link for a directory", $"ln -s / $OSA_FILES/l3; {Line("l3", "\"name\":\"passwd\",\"relative_path\":\"l3/etc/passwd\"")}", "l3"),
        ("a fifo", $"mkdir $OSA_FILES/fifo; mkfifo $OSA_FILES/fifo/a; {Line("fifo", "\"name\":\"a\"")}", "fifo/a is a"),
        ("a directory for a file", $"mkdir -p $OSA_FILES/dir/a; {Line("dir", "\"name\":\"a\"")}", "dir/a is a directory"),
        ("a directory that is not named", $"mkdir -p $OSA_FILES/dir2/a; {Line("dir2")}", "dir2/a is a directory"),
        ("a file that nobody may read", $"mkdir $OSA_FILES/dark; echo a > $OSA_FILES/dark/a; chmod 0 $OSA_FILES/dark/a; {Line("dark", "\"name\":\"a\"")}", "dark/a cannot be read"),
        ("a name that is no text", $"mkdir $OSA_FILES/bytes; echo a > $OSA_FILES/bytes/$(printf '\\377'); {Line("bytes")}", "files: "),
        ("a missing file", Line("missing", "\"name\":\"a\""), "files: 'missing/a' is missing"),
        ("a file beyond the convention's limit", $"mkdir $OSA_FILES/big; truncate -s 2M $OSA_FILES/big/a; {Line("big", "\"name\":\"a\"")}", "big/a has 2097152 bytes"),
        ("one file by many names", $"mkdir $OSA_FILES/many; echo a > $OSA_FILES/many/a; {Line("many", string.Join("},{", Enumerable.Range(0, 11).Select(i => $"\"name\":\"a{i}\",\"relative_path\":\"many/a\"")))}", "files: are more than the 10"),
        ("more files than are named", $"mkdir $OSA_FILES/more; for i in $(seq 20); do echo a > $OSA_FILES/more/$i; done; {Line("more")}", "files: are more than the 10"),
        ("a name twice", Line("twice", "\"name\":\"a\"},{\"name\":\"a\""), "files[1]: 'a' names an earlier file too"),
        ("a name for two files", $"mkdir $OSA_FILES/two $OSA_FILES/other; echo a > $OSA_FILES/two/a; echo b > $OSA_FILES/other/b; {Line("two", "\"name\":\"a\",\"relative_path\":\"other/b\"")}", "files: 'a' is named for another file"),
        ("files that are no list", "echo '{\"source_id\":\"f1\",\"files\":{\"name\":\"a\"}}'", "files: must be a list"),
        ("metadata that is no object", "echo '{\"source_id\":\"m1\",\"metadata\":[]}'", "metadata: must be an object"),
        ("metadata of a wrong type", "echo '{\"source_id\":\"m2\",\"metadata\":{\"title\":5}}'", "metadata.title: "),
        ("metadata that is not in the schema", "echo '{\"source_id\":\"m3\",\"metadata\":{\"title\":\"a\",\"colour\":\"red\"}}'", "metadata.colour: "),
        ("metadata with NUL", "echo '{\"source_id\":\"m4\",\"metadata\":{\"title\":\"a\\u0000\"}}'", "metadata.title: has a NUL character"),
        ("no JSON", "echo 'P01308;insulin'", "is not valid JSON"),
        ("half a line", "echo '{\"source_id\":\"h1\",\"meta'", "is not valid JSON"),
        ("NaN", "echo '{\"source_id\":\"h2\",\"metadata\":{\"title\":NaN}}'", "is not valid JSON"),
        ("a list", "echo '[]'", "must be a JSON object"),
        ("a member twice", "echo '{\"source_id\":\"h3\",\"source_id\":\"h4\"}'", "source_id: stands twice"),
        ("not UTF-8", "printf '{\"source_id\":\"\\377\\376\"}\\n'", "the line is not valid UTF-8"),
        ("deeply nested", "printf '{\"source_id\":\"d1\",\"metadata\":{\"title\":'; yes '[' | head -n 200000 | tr -d '\\n'; echo", "nested deeper than"),
        ("a line beyond the limit", $"head -c {HostileNode.MaxLineBytes + 1} /dev/zero | tr '\\0' x; echo", $"longer than {HostileNode.MaxLineBytes} bytes"),
    ];

    // What its container does, how the pull ends, what its summary says, and how many records are published.
    private static readonly (string Name, string Script, PullStatus Status, string Summary, int Published)[] Containers =
    [
        ("a link for its records", "ln -s /etc/passwd records.jsonl", PullStatus.Failed, "records.jsonl is a symbolic link", 0),
        ("a fifo for its records", "mkfifo records.jsonl", PullStatus.Failed, "records.jsonl is a", 0),
        ("a directory for its records", "mkdir records.jsonl", PullStatus.Failed, "records.jsonl is a directory", 0),
        ("a hard link for its records", "good a > other; ln other records.jsonl", PullStatus.Completed, "1 records", 1),
        ("10 GB of records", "dd if=/dev/zero of=records.jsonl bs=1M count=10240", PullStatus.Failed, "", 0),
        ("10 GB of files", "i=0; while :; do dd if=/dev/zero of=$OSA_FILES/$i bs=1M count=1 2> /dev/null; i=$((i+1)); done", PullStatus.Failed, "wrote more output than is allowed", 0),
        ("too many files", "i=0; while :; do mkdir $OSA_FILES/$i; i=$((i+1)); done", PullStatus.Failed, "wrote more output than is allowed", 0),
        ("a malformed session", "good a > records.jsonl; echo '{' > session.json", PullStatus.Failed, "session: is not valid JSON", 0),
        ("the same session for ever", "good a > records.jsonl; echo '{\"next\":1}' > session.json", PullStatus.Failed, "left the same session", 1),
        ("new sessions for ever", "good a b > records.jsonl; echo \"{\\\"next\\\":\\\"$(cat /proc/sys/kernel/random/uuid)\\\"}\" > session.json", PullStatus.Failed, "no id that the pull had not met", 2),
        ("a session without records", "echo '{\"next\":1}' > session.json", PullStatus.Completed, "0 records", 0),
        ("nothing at all", ":", PullStatus.Completed, "0 records", 0),
        ("half of its records", "good a b > records.jsonl; echo upstream hung up >&2; exit 1", PullStatus.Failed, "upstream hung up", 0),
        ("half of its chunks", "if [ -e $OSA_IN/session.json ]; then exit 3; fi; good a > records.jsonl; echo '{\"next\":2}' > session.json", PullStatus.Failed, "in chunk 2; the last time: The source exited with code 3", 1),
        ("too much memory", "x=$(yes | head -c 300000000)", PullStatus.Failed, "its limit of 128 MiB", 0),
        ("a fork bomb, until its time is over", "bomb() { bomb | bomb & }; bomb & exec sleep 1000", PullStatus.Failed, $"timed out after {TimeoutSeconds} s", 0),
        ("a million log lines", "yes 'a line of a log that nobody reads' | head -n 1000000; good a > records.jsonl", PullStatus.Completed, "1 records", 1),
    ];

    private Archive Archive => hostile.Archive;

    [Fact]
    public async Task Each_bad_line_is_kept_aside_with_its_reason_and_the_lines_between_are_published()
    {
        string id = Documents.NewId("lines");
        string script = string.Concat(Lines.Select((line, i) => $"good g{i}\n{line.Script}\n"));

        Pull pull = await RegisterAndPullAsync(id, $"{{ {script} }} > records.jsonl");

        Assert.True(pull.Status == PullStatus.Completed, pull.ToString());
        List<QuarantinedRecord> kept = await Archive.QuarantineAsync(id);
        string[] wrong =
        [
            .. Lines.Select((line, i) => (line.Name, line.Reason, Kept: kept.Find(k => k.Line == 2 * (i + 1))))
                .Where(x => x.Kept is null || !x.Kept.Reason.Contains(x.Reason, StringComparison.Ordinal) || x.Kept.Reason.Length > 5_000)
                .Select(x => $"{x.Name}: expected {x.Reason}, got {x.Kept?.Reason}"),
        ];
        Assert.True(wrong.Length == 0, string.Join('\n', wrong));
        Assert.Equal((2 * Lines.Length, Lines.Length, Lines.Length), (pull.Counts.Pulled, pull.Counts.Quarantined, pull.Counts.Published));
        Assert.Equal(Lines.Length, kept.Count);
        await IsUnharmedAsync(pull);
    }

    [Fact]
    public async Task Each_container_ends_its_own_pull_with_a_reason_and_nothing_is_left_of_it()
    {
        // In the short form some of them: each container has a network and a gate of its own, which costs the engine seconds.
        var containers = TestLength.IsLong ? Containers : [.. Containers.Where((c, i) => i % 4 == 1 || c.Name == "half of its records")];
        Pull[] pulls = await Expect.AllAsync(containers.Select(async c => await RegisterAndPullAsync(
            Documents.NewId("container"), c.Script, c.Summary.Contains($"{TimeoutSeconds} s", StringComparison.Ordinal) ? TimeoutSeconds : 240)));

        string[] wrong =
        [
            .. containers.Zip(pulls)
                .Where(x => x.Second.Status != x.First.Status || !x.Second.Summary.Contains(x.First.Summary, StringComparison.Ordinal) || x.Second.Counts.Published != x.First.Published || x.Second.Counts.Taken != x.First.Published)
                .Select(x => $"{x.First.Name}: expected {x.First.Status} ({x.First.Summary}) and {x.First.Published} published, got {x.Second.Status} ({x.Second.Summary}) and {x.Second.Counts}"),
        ];
        Assert.True(wrong.Length == 0, string.Join('\n', wrong));
        // Each is tried again from the beginning of its chunk, and not for ever.
        IReadOnlyList<PullContainer> half = await Archive.Admin.Sources.ContainersAsync(pulls[Array.FindIndex(containers, c => c.Name == "half of its records")].Id);
        Assert.Equal([(1, 3, "failed"), (1, 2, "failed"), (1, 1, "failed")], half.Select(c => (c.Chunk, c.Attempt, c.State)));
        await IsUnharmedAsync(pulls);
    }

    [Fact]
    public async Task One_file_that_many_lines_name_is_stored_no_more_often_than_a_container_could_have_left_it()
    {
        string id = Documents.NewId("copies");
        const string Line = """{"source_id":"c%s","metadata":{"title":"a"},"files":[{"name":"a","relative_path":"one"}]}""";
        string script = $"head -c 1000000 /dev/zero > $OSA_FILES/one; for i in $(seq 60); do printf '{Line}\\n' $i; done > records.jsonl";

        Pull pull = await RegisterAndPullAsync(id, script);

        // Of 32 MiB.
        Assert.Equal((PullStatus.Completed, 60, 33, 27), (pull.Status, pull.Counts.Pulled, pull.Counts.Published, pull.Counts.Quarantined));
        Assert.All(await Archive.QuarantineAsync(id), k => Expect.Says("files: with those of the records before it, they are more than the 33554432 bytes", k.Reason));
        await IsUnharmedAsync(pull);
    }

    [Fact]
    public async Task A_line_of_a_gigabyte_costs_one_record()
    {
        string id = Documents.NewId("gigabyte");
        string script = "{ good a; } > records.jsonl; truncate -s 1000000000 records.jsonl; { echo; good b; } >> records.jsonl";
        // The default limits.
        await shared.Archive.RegisterAsync(Pulls.Convention(id, "1.0.0", Pulls.Script(hostile.Image, script)));

        Pull pull = await shared.Archive.PullAsync(id);

        Assert.True(pull is { Status: PullStatus.Completed, Counts: { Published: 2, Quarantined: 1 } }, pull.ToString());
        QuarantinedRecord kept = Assert.Single(await shared.Archive.QuarantineAsync(id));
        Assert.Equal((2, true, 64 << 10), (kept.Line, kept.IsCut, kept.Size));
        Expect.Says("longer than 4194304 bytes", kept.Reason);
        await Pulls.AreGoneAsync(shared.Archive, pull);
    }

    [Fact]
    public async Task An_id_twice_in_one_pull_is_passed_over_with_the_same_content_and_a_new_version_with_another()
    {
        string id = Documents.NewId("twice");

        Pull pull = await RegisterAndPullAsync(id, "{ good a b a; echo '{\"source_id\":\"a\",\"metadata\":{\"title\":\"changed\"}}'; good b; } > records.jsonl");

        Assert.True(pull.Status == PullStatus.Completed, pull.ToString());
        Assert.Equal((5, 3, 2, 3), (pull.Counts.Pulled, pull.Counts.Taken, pull.Counts.Unchanged, pull.Counts.Published + pull.Counts.Superseded));
        Record[] records = await Archive.Admin.Records.ListAsync(id).ToArrayAsync();
        Assert.Equal(["b", "changed"], records.Select(r => (string?)JsonNode.Parse(r.MetadataJson)!["title"]).Order());
        await IsUnharmedAsync(pull);
    }

    [Fact]
    public async Task Files_of_a_record_are_those_it_names_and_those_that_lie_in_its_directory()
    {
        string id = Documents.NewId("files");
        string script = $"mkdir $OSA_FILES/a $OSA_FILES/else; echo 1 > $OSA_FILES/a/unnamed; echo 22 > $OSA_FILES/else/b; ln $OSA_FILES/else/b $OSA_FILES/a/hard; {{ {Line("a", "\"name\":\"named\",\"relative_path\":\"else/b\"")}; good without; }} > records.jsonl";

        Pull pull = await RegisterAndPullAsync(id, script);

        Assert.True(pull is { Status: PullStatus.Completed, Counts: { Published: 2, Quarantined: 0 } }, $"{pull} {(await Archive.QuarantineAsync(id)).FirstOrDefault()?.Reason}");
        Record[] records = await Archive.Admin.Records.ListAsync(id).ToArrayAsync();
        List<RecordFile> files = [.. (await Task.WhenAll(records.Select(r => Archive.Admin.Records.GetAsync(r.Srn)))).SelectMany(r => r.Files)];
        Assert.Equal([("hard", 3), ("named", 3), ("unnamed", 2)], files.Select(f => (f.Name, f.Size)).Order());
    }

    [Fact]
    public async Task More_than_the_limit_in_quarantine_are_only_counted()
    {
        string id = Documents.NewId("counted");

        Pull pull = await RegisterAndPullAsync(id, $"{{ yes nonsense | head -n {HostileNode.MaxQuarantined + 40}; good a; }} > records.jsonl");

        Assert.True(pull.Status == PullStatus.Completed, pull.ToString());
        Assert.Equal((HostileNode.MaxQuarantined + 40, 1), (pull.Counts.Quarantined, pull.Counts.Published));
        List<QuarantinedRecord> kept = await Archive.QuarantineAsync(id);
        Assert.Equal((HostileNode.MaxQuarantined, HostileNode.MaxQuarantined), (kept.Count, kept[^1].Line));
    }

    private static string Line(string id, string? file = null) =>
        $"printf '%s\\n' '{$$"""{"source_id":"{{id}}","metadata":{"title":"x"},"files":[{{(file is null ? "" : $"{{{file}}}")}}]}"""}'";

    private async Task<Pull> RegisterAndPullAsync(string id, string script, int timeoutSeconds = 240)
    {
        await Archive.RegisterAsync(Pulls.Convention(id, "1.0.0", Pulls.Script(hostile.Image, script, timeoutSeconds)));
        return await Archive.PullAsync(id);
    }

    /// <summary>The node is well, nothing is left of the pulls, and the next one is normal.</summary>
    private async Task IsUnharmedAsync(params Pull[] pulls)
    {
        Pull next = await RegisterAndPullAsync(Documents.NewId("next"), "good a > records.jsonl");
        Assert.True(next is { Status: PullStatus.Completed, Counts.Published: 1 }, next.ToString());
        Assert.Equal("healthy", (await Archive.Admin.Node.StatusAsync()).Health);
        await Pulls.AreGoneAsync(Archive, [.. pulls, next]);
    }
}
