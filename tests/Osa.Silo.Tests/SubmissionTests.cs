using System.Text.Json.Nodes;
using Grpc.Core;
using Osa.Client;
using Osa.Client.Depositions;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>What may be submitted.</summary>
public sealed class SubmissionTests(SharedNode shared)
{
    private Archive Archive => shared.Archive;

    [Fact]
    public async Task Validate_reports_every_violation_at_once_and_submit_refuses_with_the_same()
    {
        string id = await RegisterAsync();
        DepositionHandle draft = await Archive.Ada.Depositions.CreateAsync(id, new JsonObject
        {
            ["length"] = 0.5,
            ["taxon"] = "nonsense",
            ["seen_on"] = "31.01.2026",
            ["tags"] = new JsonArray("ok", 5),
            ["link"] = "ftp://example.org",
            ["stranger"] = true,
        });

        IReadOnlyList<RuleViolation> said = await draft.ValidateAsync();
        OsaClientException refusal = await Expect.RefusedAsync(StatusCode.InvalidArgument, () => draft.SubmitAsync());

        string[] fields = [.. said.Select(v => v.Field)];
        Assert.Equal(
            ["files", "metadata.length", "metadata.link", "metadata.organism", "metadata.seen_on", "metadata.stranger", "metadata.tags[1]", "metadata.taxon"],
            fields.Distinct().Order(StringComparer.Ordinal));
        Assert.Contains(said, v => v is { Field: "metadata.organism", Rule: "required" });
        Assert.Contains(said, v => v is { Field: "metadata.length", Rule: "integer_only" });
        Assert.Contains(said, v => v is { Field: "metadata.length", Rule: "min_value" });
        Assert.Contains(said, v => v is { Field: "files", Rule: "min_count" });
        Assert.Equal(said.Select(v => new FieldViolation(v.Field, v.Rule, v.Message)), refusal.Violations);
        Assert.Equal(DepositionStatus.Draft, (await draft.GetAsync()).Status);
        Assert.Empty(await Archive.Ada.Runs.ListAsync(draft.Srn));
    }

    [Fact]
    public async Task A_refusal_fits_into_the_headers_that_any_client_reads()
    {
        string id = await RegisterAsync();
        DepositionHandle draft = await Archive.Ada.Depositions.CreateAsync(id, new JsonObject(Enumerable.Range(0, 200).Select(i => KeyValuePair.Create<string, JsonNode?>($"{i} {new string('x', 150)}", i))));

        OsaClientException many = await Expect.RefusedAsync(StatusCode.InvalidArgument, () => draft.SubmitAsync());
        OsaClientException longName = await Expect.RefusedAsync(StatusCode.NotFound, () => draft.DeleteFileAsync(new string('[', 100_000)));

        Assert.True(many.Violations.Count > 30, $"{many.Violations.Count} violations");
        Assert.Equal(("too_many", ""), (many.Violations[^1].Rule, many.Violations[^1].Field));
        Assert.True(longName.Message.Length < 2_000, longName.Message);
        // gRPC's C core, which Python's clients are made of, takes 16 KiB.
        var inner = Assert.IsType<RpcException>(many.InnerException);
        Assert.True(inner.Trailers.Sum(t => t.Key.Length + (t.IsBinary ? t.ValueBytes.Length * 4 / 3 : t.Value.Length) + 32) < 16 << 10);
    }

    [Fact]
    public async Task What_Validate_finds_nothing_in_can_be_submitted()
    {
        string id = await RegisterAsync();
        DepositionHandle draft = await Archive.Ada.Depositions.CreateAsync(id, new JsonObject
        {
            ["organism"] = "Homo sapiens",
            ["length"] = 110,
            ["taxon"] = "NCBITaxon:9606",
            ["seen_on"] = "2026-01-31",
            ["tags"] = new JsonArray("a", "b"),
            ["link"] = "https://example.org/x",
        });
        await Archive.UploadAsync(draft, "a.fasta", ">a");

        Assert.Empty(await draft.ValidateAsync());
        ValidationRun run = await Archive.VerdictAsync(await draft.SubmitAsync());

        Assert.Equal(RunStatus.Passed, run.Status);
    }

    [Theory]
    [InlineData("[]")]
    [InlineData("5")]
    [InlineData("{")]
    [InlineData("""{"a":1,"a":2}""")]
    [InlineData("""{"a":"\u0000"}""")]
    public async Task Metadata_that_is_no_proper_JSON_object_is_refused_when_it_is_set(string metadata)
    {
        DepositionHandle draft = await Archive.DraftAsync(shared.Obedient);
        var client = new Depositions.DepositionsClient(Archive.Channel);

        RpcException refusal = await Assert.ThrowsAsync<RpcException>(
            async () => await client.SetMetadataAsync(new SetMetadataRequest { Srn = draft.Srn, MetadataJson = metadata }, Archive.Headers("depositor", "ada")));

        Assert.Equal(StatusCode.InvalidArgument, refusal.StatusCode);
        Expect.Says("metadata", refusal.Status.Detail);
    }

    [Fact]
    public async Task Own_depositions_are_listed_newest_first_page_by_page()
    {
        string id = Documents.NewId("listed");
        await Archive.RegisterAsync(Documents.Convention(id, "1.0.0"));
        var made = new List<string>();
        for (int i = 0; i < 5; i++)
        {
            made.Add((await Archive.DraftAsync(id)).Srn);
        }

        await Archive.Node.Client("depositor", "eve").Depositions.CreateAsync(id);
        await Archive.VerdictAsync(await Archive.Ada.Depositions.Handle(made[0]).SubmitAsync());

        List<Deposition> own = await Archive.Ada.Depositions.ListAsync(convention: id, pageSize: 2).ToListAsync();
        List<Deposition> drafts = await Archive.Ada.Depositions.ListAsync(convention: id, status: DepositionStatus.Draft).ToListAsync();
        List<Deposition> all = await Archive.Node.Client("curator", "carl").Depositions.ListAsync(everybody: true, convention: id, pageSize: 4).ToListAsync();

        Assert.Equal(made.AsEnumerable().Reverse(), own.Select(d => d.Srn));
        Assert.Equal(4, drafts.Count);
        Assert.Equal(6, all.Count);
        await Expect.RefusedAsync(StatusCode.PermissionDenied, async () => await Archive.Ada.Depositions.ListAsync(everybody: true).ToListAsync());
    }

    private async Task<string> RegisterAsync()
    {
        string id = Documents.NewId("rules");
        JsonObject document = Documents.Convention(id, "1.0.0");
        document["schema"] = new JsonArray(
            Documents.Field("organism", "text", required: true, new JsonObject { ["type"] = "text", ["min_length"] = 3 }),
            Documents.Field("length", "number", constraints: new JsonObject { ["type"] = "number", ["integer_only"] = true, ["min_value"] = 1 }),
            Documents.Field("taxon", "term"),
            Documents.Field("seen_on", "date"),
            Documents.Field("tags", "text", cardinality: "zero_or_more"),
            Documents.Field("link", "url"));
        document["file_requirements"]!["min_count"] = 1;
        await Archive.RegisterAsync(document);
        return id;
    }
}
