using System.Text;
using CsCheck;
using Osa.Containers.Output;
using Osa.Domain.Conventions;
using Osa.Domain.Features;
using Osa.Domain.Hooks;

namespace Osa.Containers.Tests;

/// <summary>What a container over many depositions leaves behind.</summary>
public sealed class BatchOutputTests
{
    private static readonly HookManifest Manifest = new(
        "h", "", HookContract.Batch, FeatureCardinality.Many, [new ColumnDefinition("t", JsonType.String, null, false), new ColumnDefinition("n", JsonType.Integer, null, false)]);

    private static readonly string[] Ids = ["a-1", "b-2", "c-3"];

    // Lines that the two generations of the reference's Python SDK write, byte for byte as json.dumps spells them.
    [Theory]
    [InlineData("""{"id": "a-1", "features": [{"t": "x", "n": 5}, {"t": "y", "n": null}]}""", 2)]
    [InlineData("""{"id": "a-1", "features": [{"t": "\u00e9 \ud83d\ude00"}]}""", 1)]
    [InlineData("""{"id": "a-1", "features": [null]}""", 0)]
    [InlineData("""{"id": "a-1", "features": [3]}""", 0)]
    [InlineData("""{"id": "a-1", "features": ["text", 2.5, true]}""", 0)]
    [InlineData("""{"id": "a-1", "features": []}""", 0)]
    [InlineData("""{"id": "a-1", "features": null}""", 0)]
    [InlineData("""{"id": "a-1", "features": {"t": "x"}}""", 1)]
    [InlineData("""{"features": [{"t": "x"}], "more": {"id": "b-2"}, "id": "a-1"}""", 1)]
    public async Task What_the_sdk_writes_passes_with_these_rows(string line, long rows)
    {
        (BatchResult result, byte[] canonical) = await CheckAsync(features: line + "\n");

        Assert.Null(result.Problem);
        BatchOutcome.Passed passed = Assert.IsType<BatchOutcome.Passed>(result.Outcomes["a-1"]);
        Assert.Equal(rows, passed.Rows);
        Assert.Equal(rows, await RowsAsync(canonical, passed));
        Assert.False(result.Outcomes.ContainsKey("b-2"));
    }

    [Theory]
    [InlineData("""{"id": "a-1", "features": [{"n": "five"}]}""", "features[0].n: expected integer, got string")]
    [InlineData("""{"id": "a-1", "features": [{"t": "x"}, 3]}""", "features[1]: expected object, got number")]
    [InlineData("""{"id": "a-1", "features": [[1]]}""", "features[0]: expected object, got array")]
    [InlineData("""{"id": "a-1"}""", "features: required, but missing")]
    [InlineData("""{"id": "a-1", "features": [{"other": 1}]}""", "features[0].other: not a declared column")]
    public async Task What_is_wrong_with_one_is_that_ones_failure(string line, string reason)
    {
        (BatchResult result, byte[] canonical) = await CheckAsync(features: $$"""{"id":"b-2","features":[{"n":1}]}""" + "\n" + line + "\n" + """{"id":"c-3","features":[{"n":2},{"n":3}]}""" + "\n");

        Assert.Null(result.Problem);
        Assert.StartsWith(reason, Assert.IsType<BatchOutcome.Failed>(result.Outcomes["a-1"]).Reason, StringComparison.Ordinal);
        Assert.Equal(1, await RowsAsync(canonical, Assert.IsType<BatchOutcome.Passed>(result.Outcomes["b-2"])));
        Assert.Equal(2, await RowsAsync(canonical, Assert.IsType<BatchOutcome.Passed>(result.Outcomes["c-3"])));
    }

    [Theory]
    [InlineData("""{"id":"nobody","features":[]}""", "is about \"nobody\", which the hook was not given")]
    [InlineData("""{"id":5,"features":[]}""", "line 1 is not a JSON object")]
    [InlineData("""{"features":[]}""", "line 1 is not a JSON object")]
    [InlineData("""["a-1"]""", "line 1 is not a JSON object")]
    [InlineData("""{"id":"a-1","features":[""", "line 1 is not a JSON object")]
    [InlineData("""{"id":"a-1","id":"b-2"}""", "line 1 is not a JSON object")]
    [InlineData("nonsense", "line 1 is not a JSON object")]
    public async Task A_line_that_cannot_be_makes_all_of_it_worthless(string line, string problem)
    {
        (BatchResult result, _) = await CheckAsync(features: line + "\n", rejections: """{"id":"b-2","reason":"no"}""");

        Assert.Contains(problem, result.Problem, StringComparison.Ordinal);
        Assert.Empty(result.Outcomes);
    }

    [Fact]
    public async Task Rejections_and_errors_have_their_words_and_two_outcomes_are_a_failure()
    {
        (BatchResult result, _) = await CheckAsync(
            features: """{"id":"c-3","features":[]}""" + "\n",
            rejections: """{"id": "a-1", "reason": "too\u0000 short\n"}""" + "\n\n" + """{"id":"c-3","reason":"and no"}""",
            errors: """{"id": "b-2", "error": "ValueError: x", "retryable": false}""" + "\n");

        Assert.Equal(new BatchOutcome.Rejected("too short"), Normal(result.Outcomes["a-1"]));
        Assert.Equal(new BatchOutcome.Failed("ValueError: x"), result.Outcomes["b-2"]);
        Assert.Equal(new BatchOutcome.Failed("The hook gave it more than one outcome."), result.Outcomes["c-3"]);
    }

    [Fact]
    public async Task Of_a_container_that_broke_what_was_written_whole_counts_and_a_line_that_was_cut_does_not()
    {
        const string Cut = """
            {"id":"a-1","features":[{"n":1}]}
            {"id":"b-2","features":[{"n":
            """;

        (BatchResult broken, _) = await CheckAsync(features: Cut, isWhole: false);
        (BatchResult whole, _) = await CheckAsync(features: Cut, isWhole: true);

        Assert.Equal(["a-1"], broken.Outcomes.Keys);
        Assert.Null(broken.Problem);
        Assert.NotNull(whole.Problem);
    }

    [Fact]
    public async Task A_line_longer_than_the_limit_is_a_problem()
    {
        (BatchResult result, _) = await CheckAsync(features: $$"""{"id":"a-1","features":[{"t":"{{new string('x', 5000)}}"}]}""" + "\n", limits: new NodeLimits { MaxBatchLineBytes = 1000 });

        Assert.Equal("features.jsonl line 1 is longer than 1,000 bytes, this node's limit", result.Problem);
    }

    // Whatever the bytes are: an answer, never an exception, and no outcome of somebody who was not given.
    [Fact]
    public Task Any_bytes_get_an_answer() => Gen.Select(Mutated, Mutated, Gen.Bool).SampleAsync(
        async (features, rejections, isWhole) =>
        {
            (BatchResult result, byte[] canonical) = await CheckAsync(features, rejections, isWhole: isWhole);
            Assert.True(result.Problem is null || result.Outcomes.Count == 0);
            Assert.All(result.Outcomes.Keys, id => Assert.Contains(id, Ids));
            foreach (BatchOutcome.Passed passed in result.Outcomes.Values.OfType<BatchOutcome.Passed>().Where(p => p.Rows > 0))
            {
                Assert.Equal(passed.Rows, await RowsAsync(canonical, passed));
            }
        },
        iter: Environment.GetEnvironmentVariable("OSA_TESTS_LONG") is null ? 1_500 : 50_000);

    private static readonly Gen<byte[]> Mutated =
        from lines in Gen.OneOf(
            """{"id":"a-1","features":[{"t":"x","n":5}]}""", """{"id":"b-2","features":[null]}""", """{"id":"c-3","reason":"no"}""", """{"id":"a-1","features":[{"t":"\ud83d\ude00"},{"n":1e2}]}""", "", "\r").Array[0, 6]
        from changes in Gen.Select(Gen.Int[0, 400], Gen.Byte).Array[0, 4]
        select Mutate(Encoding.UTF8.GetBytes(string.Join('\n', lines)), changes);

    private static byte[] Mutate(byte[] bytes, (int At, byte Value)[] changes)
    {
        foreach ((int at, byte value) in changes)
        {
            if (at < bytes.Length)
            {
                bytes[at] = value;
            }
        }

        return bytes;
    }

    private static BatchOutcome Normal(BatchOutcome outcome) =>
        outcome is BatchOutcome.Rejected { Reason: { } reason } ? new BatchOutcome.Rejected(string.Concat(reason.Where(c => c is >= ' ' and not '\uFFFD')).Trim()) : outcome;

    private static Task<(BatchResult Result, byte[] Canonical)> CheckAsync(string features = "", string rejections = "", string errors = "", bool isWhole = true, NodeLimits? limits = null) =>
        CheckAsync(Encoding.UTF8.GetBytes(features), Encoding.UTF8.GetBytes(rejections), Encoding.UTF8.GetBytes(errors), isWhole, limits);

    private static async Task<(BatchResult Result, byte[] Canonical)> CheckAsync(byte[] features, byte[] rejections, byte[]? errors = null, bool isWhole = true, NodeLimits? limits = null)
    {
        DirectoryInfo directory = Directory.CreateTempSubdirectory("osa-batch-");
        await File.WriteAllBytesAsync(Path.Combine(directory.FullName, "features.jsonl"), features);
        await File.WriteAllBytesAsync(Path.Combine(directory.FullName, "rejections.jsonl"), rejections);
        await File.WriteAllBytesAsync(Path.Combine(directory.FullName, "errors.jsonl"), errors ?? []);
        using var canonical = new MemoryStream();
        BatchResult result = await BatchOutput.CheckAsync(new OutputDirectory(directory.FullName), Ids, Manifest, limits ?? new NodeLimits(), isWhole, canonical, CancellationToken.None);
        directory.Delete(recursive: true);
        return (result, canonical.ToArray());
    }

    private static async Task<long> RowsAsync(byte[] canonical, BatchOutcome.Passed passed)
    {
        if (passed.Length == 0)
        {
            return 0;
        }

        using CanonicalFeatureReader reader = await CanonicalFeatureReader.OpenAsync(new MemoryStream(canonical, (int)passed.Offset, (int)passed.Length), CancellationToken.None);
        do
        {
            while (reader.TryRead(out _))
            {
            }
        }
        while (await reader.FillAsync(CancellationToken.None));
        return reader.Rows;
    }
}
