using System.Text;
using System.Text.Json.Nodes;
using CsCheck;
using Osa.Domain.Conventions;
using Osa.Domain.Depositions;
using Osa.Domain.Sources;
using Osa.Domain.Tests.Conventions;

namespace Osa.Domain.Tests.Sources;

public class SourceLineTests
{
    private static readonly NodeLimits Limits = new();

    private static readonly Gen<(string Name, string Sha256)[]> Files =
        Gen.Select(Gen.OneOf("a.txt", "b.txt", "ä.fasta", "A.txt", "data", "z"), Gen.OneOf(new string('0', 64), new string('f', 64))).Array[0, 5].Select(files => files.DistinctBy(f => f.Item1).ToArray());

    [Fact]
    public void A_line_is_an_id_metadata_and_files_and_what_else_it_says_is_passed_over()
    {
        SourceLine line = Taken("""
            {"fetched_at": "2027-01-31T00:00:00Z", "source_id": "P01308", "metadata": {"title": "insulin", "mass": 5.8e3},
             "files": [{"name": "a.fasta", "relative_path": "else/where.fasta", "size_mb": 0.1}, {"name": "b.fasta"}], "extra": [1]}
            """);

        Assert.Equal(("P01308", """{"mass":5800,"title":"insulin"}"""), (line.SourceId, line.MetadataJson));
        Assert.Equal([new SourceFile("a.fasta", "else/where.fasta"), new SourceFile("b.fasta", "P01308/b.fasta")], line.Files);
    }

    [Theory]
    [InlineData("""{"source_id": "a"}""")]
    [InlineData("""{"source_id": "a", "metadata": null, "files": null}""")]
    [InlineData("""{"source_id": "a", "metadata": {}, "files": []}""")]
    public void Metadata_and_files_may_be_left_out(string json)
    {
        SourceLine line = Taken(json);
        Assert.Equal(("a", "{}", 0), (line.SourceId, line.MetadataJson, line.Files.Count));
    }

    [Theory]
    [InlineData("", "JSON")]
    [InlineData("[]", "must be a JSON object")]
    [InlineData("\"a\"", "must be a JSON object")]
    [InlineData("""{"source_id": "a"} {}""", "is not valid JSON")]
    [InlineData("""{"source_id": "a",}""", "is not valid JSON")]
    [InlineData("""{"source_id": "a", "source_id": "b"}""", "source_id: stands twice")]
    [InlineData("{}", "source_id: must be a text")]
    [InlineData("""{"source_id": 5}""", "source_id: must be a text")]
    [InlineData("""{"source_id": "a\u0000b"}""", "source_id: has a NUL")]
    [InlineData("""{"source_id": "\ud800"}""", "source_id: has a lone surrogate")]
    [InlineData("""{"source_id": "a", "metadata": []}""", "metadata: must be an object")]
    [InlineData("""{"source_id": "a", "metadata": {"x": {"y": "\u0000"}}}""", "metadata.x.y: has a NUL")]
    [InlineData("""{"source_id": "a", "metadata": {"x": 1e999}}""", "metadata.x: has more than 350 digits")]
    [InlineData("""{"source_id": "a", "files": {}}""", "files: must be a list")]
    [InlineData("""{"source_id": "a", "files": ["a.txt"]}""", "files[0]: must be an object with a name")]
    [InlineData("""{"source_id": "a", "files": [{"name": "b"}, {"name": 1}]}""", "files[1]: must be an object with a name")]
    [InlineData("""{"source_id": "a", "files": [{"name": "b"}, {"name": "b"}]}""", "files[1]: 'b' names an earlier file too")]
    [InlineData("""{"source_id": "a", "files": [{"name": "../b"}]}""", "files[0].name: '../b' cannot be a file's name")]
    [InlineData("""{"source_id": "a", "files": [{"name": "b", "relative_path": ""}]}""", "files[0].relative_path: '' must not be empty")]
    [InlineData("""{"source_id": "a", "files": [{"name": "b", "relative_path": "a\nb"}]}""", "files[0].relative_path: ")]
    public void What_cannot_be_taken_is_told_by_its_path(string json, string said)
    {
        (SourceLine? line, _, string? problem) = SourceLine.Read(Encoding.UTF8.GetBytes(json), Limits);
        Assert.Null(line);
        Assert.Contains(said, problem, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_no_text_too_long_or_too_deep_is_told()
    {
        Assert.Equal("the line is not valid UTF-8", Problem([.. "{\"source_id\": \""u8, 0xff, .. "\"}"u8], Limits));
        Assert.Contains("larger than 20 bytes", Problem("""{"source_id": "abcdefgh"}"""u8, new NodeLimits { MaxSourceLineBytes = 20 }), StringComparison.Ordinal);
        Assert.Contains("deeper than", Problem(Encoding.UTF8.GetBytes($"{{\"source_id\": \"a\", \"metadata\": {{\"x\": {new string('[', 100)}{new string(']', 100)}}}}}"), Limits), StringComparison.Ordinal);
        Assert.Contains("deeper than", Problem(Encoding.UTF8.GetBytes($"{{\"source_id\": {new string('[', 200_000)}"), Limits), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("P01308")]
    [InlineData("1ABC_2")]
    [InlineData("10.5281-zenodo.1234")]
    [InlineData("a b")]
    [InlineData("...")]
    [InlineData(".hidden")]
    [InlineData("C:\\temp")]
    [InlineData("蛋白质")]
    public void An_id_may_be_what_upstream_likes(string id) => Assert.Null(SourceLine.IdProblem(id));

    [Theory]
    [InlineData("", "empty")]
    [InlineData(".", "directory")]
    [InlineData("..", "directory")]
    [InlineData("../../etc", "'/'")]
    [InlineData("/etc/passwd", "'/'")]
    [InlineData("a/b", "'/'")]
    [InlineData("a\0", "control")]
    [InlineData("a\nb", "control")]
    [InlineData("\u001b[31m", "control")]
    [InlineData("\u202Egpj.exe", "direction")]
    [InlineData(" a", "blank")]
    [InlineData("a ", "blank")]
    public void An_id_that_names_no_directory_of_its_own_or_is_not_seen_is_refused(string id, string because) => Assert.Contains(because, SourceLine.IdProblem(id), StringComparison.Ordinal);

    [Fact]
    public void Length_of_an_id_counts_in_bytes_of_UTF8()
    {
        Assert.Null(SourceLine.IdProblem(new string('ä', SourceLine.MaxIdBytes / 2)));
        Assert.Contains("200 bytes", SourceLine.IdProblem(new string('ä', (SourceLine.MaxIdBytes / 2) + 1)), StringComparison.Ordinal);
    }

    [Fact]
    public void Any_text_is_refused_or_names_a_directory_below_the_files() => Gen.OneOf(Gen.String, Gen.String[Gen.Char["./\\a\0"], 0, 6]).Sample(id =>
    {
        if (SourceLine.IdProblem(id) is null)
        {
            Assert.Equal($"/osa/files/{id}", Path.GetFullPath(Path.Combine("/osa/files", id)));
        }
    });

    [Fact]
    public void A_line_of_any_bytes_is_taken_or_told_in_few_words() =>
        Gen.Select(Gen.Byte.Array[0, 40], Gen.Int[0, 60]).Sample(x =>
        {
            byte[] good = [.. """{"source_id": "P01308", "metadata": {"title": "insulin"}, "files": [{"name": "a"}]}"""u8];
            byte[] line = [.. good.Take(x.Item2), .. x.Item1, .. good.Skip(x.Item2 + x.Item1.Length)];
            (SourceLine? taken, string? id, string? problem) = SourceLine.Read(line, Limits);
            Assert.Equal(taken is null, problem is not null);
            Assert.DoesNotContain(problem ?? "", char.IsControl);
            Assert.DoesNotContain(id ?? "", char.IsControl);
        });

    [Fact]
    public void What_is_said_of_a_line_is_short_however_long_its_id_and_its_paths_are()
    {
        string endless = new('x', 1_000_000);
        (_, string? id, string? problem) = SourceLine.Read(Encoding.UTF8.GetBytes($$"""{"source_id": "{{endless}}"}"""), Limits);
        Assert.InRange(id!.Length, 1, 300);
        Assert.InRange(problem!.Length, 1, 300);
        Assert.InRange(Problem(Encoding.UTF8.GetBytes($$"""{"source_id": "a", "files": [{"name": "a", "relative_path": "{{endless}}"}]}"""), Limits)!.Length, 1, 300);
        Assert.InRange(Problem(Encoding.UTF8.GetBytes($$"""{"source_id": "a", "files": [{"name": "{{endless}}"}]}"""), Limits)!.Length, 1, 300);
    }

    [Fact]
    public void A_line_names_no_more_files_than_any_convention_may_take()
    {
        string many = string.Join(',', Enumerable.Range(0, 100_000).Select(i => $$"""{"name":"{{i}}","relative_path":"a/a"}"""));
        Assert.Equal("files: are 100000; at most 10000 are accepted", Problem(Encoding.UTF8.GetBytes($$"""{"source_id": "a", "files": [{{many}}]}"""), Limits));
    }

    [Fact]
    public void Content_is_the_same_whatever_the_order_of_members_and_files_the_spelling_of_numbers_and_the_time_of_fetching() =>
        Gen.Select(Gen.Int[-1000, 1000], Gen.Bool, Gen.String[Gen.Char["ab\"\\ü "], 0, 5], Files, Gen.Int[0, 5]).Sample((number, flag, text, files, turn) =>
        {
            var members = new JsonObject { ["n"] = number, ["flag"] = flag, ["text"] = text, ["inner"] = new JsonObject { ["b"] = 1, ["a"] = null } };
            string metadata = members.ToJsonString();
            string turned = new JsonObject(members.Reverse().Select(m => KeyValuePair.Create(m.Key, m.Key == "inner" ? JsonNode.Parse("""{ "a" : null, "b" : 1e0 }""") : m.Value?.DeepClone())))
                .ToJsonString().Replace($"\"n\":{number}", $"\"n\": {number}E+0", StringComparison.Ordinal);

            Assert.Equal(Hash(metadata, files), Hash(turned, [.. files.Skip(turn), .. files.Take(turn)]));
        });

    [Fact]
    public void Numbers_with_and_without_an_exponent_are_the_same_content() =>
        Assert.Equal(Hash("""{"a": 1e2, "b": -0.0}""", []), Hash("""{"b": 0.0, "a": 100}""", []));

    // As PostgreSQL's jsonb does: what upstream wrote as 1.0 is shown as 1.0.
    [Fact]
    public void Zeros_behind_the_point_are_content() => Assert.NotEqual(Hash("""{"a": 1}""", []), Hash("""{"a": 1.0}""", []));

    [Fact]
    public void Content_changes_with_metadata_and_with_a_files_name_or_bytes()
    {
        (string, string)[] files = [("a.txt", new string('0', 64))];
        string hash = Hash("""{"a": 1}""", files);
        Assert.Matches("^[0-9a-f]{64}$", hash);
        Assert.Equal(5, new HashSet<string>(
            [hash, Hash("""{"a": 2}""", files), Hash("""{"a": 1}""", []), Hash("""{"a": 1}""", [("b.txt", new string('0', 64))]), Hash("""{"a": 1}""", [("a.txt", new string('1', 64))])]).Count);
    }

    [Fact]
    public void What_breaks_the_convention_is_told_by_its_path()
    {
        ConventionDocument convention = ConventionDocumentReader.Read(Documents.Valid().ToJsonString(), Limits);
        string? problem = Taken("""{"source_id": "a", "metadata": {"nonsense": 1}}""").Problem(convention, [new SubmittedFile("con", 1)], Limits);
        Assert.Contains("metadata.name: ", problem, StringComparison.Ordinal);
        Assert.Contains("metadata.nonsense: ", problem, StringComparison.Ordinal);
        Assert.Contains("files: 'con' cannot be a file's name", problem, StringComparison.Ordinal);
        Assert.InRange(Taken("""{"source_id": "a"}""").Problem(convention, [.. Enumerable.Range(0, 5_000).Select(i => new SubmittedFile($"{i}.odd", 1))], Limits)!.Length, 100, 3_000);
    }

    private static SourceLine Taken(string json)
    {
        (SourceLine? line, _, string? problem) = SourceLine.Read(Encoding.UTF8.GetBytes(json), Limits);
        Assert.True(line is not null, problem);
        return line;
    }

    private static string? Problem(ReadOnlySpan<byte> line, NodeLimits limits) => SourceLine.Read(line, limits).Problem;

    private static string Hash(string metadata, (string, string)[] files) =>
        SourceLine.ContentHash(Taken($$"""{"source_id": "a", "fetched_at": "{{Guid.NewGuid()}}", "metadata": {{metadata}}}""").MetadataJson, files);
}
