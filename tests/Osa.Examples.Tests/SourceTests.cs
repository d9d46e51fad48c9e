using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;
using CsCheck;
using Microsoft.AspNetCore.Http;
using Osa.Examples.ProteinCatalogue;
using Osa.Examples.ProteinSource;

namespace Osa.Examples.Tests;

/// <summary>The source against the catalogue, over HTTP on loopback.</summary>
public sealed partial class SourceTests
{
    private static readonly IPEndPoint Loopback = new(IPAddress.Loopback, 0);

    [Fact]
    public async Task Every_entry_becomes_one_record_with_its_file()
    {
        await using var catalogue = await CatalogueServer.StartAsync(Loopback);
        var before = TimeProvider.System.GetUtcNow();

        var chunk = (await Source.RunAsync(SourceCall.To(catalogue.Address))).Complete;

        Assert.Null(chunk.Session);
        Assert.Equal(catalogue.Catalogue.Entries.Select(entry => entry.Protein.Id), chunk.Ids);
        foreach (var record in chunk.Records)
        {
            var protein = catalogue.Catalogue.Find(record.SourceId)!;
            Assert.Equal([new PulledFile($"{protein.Id}.fasta", $"{protein.Id}/{protein.Id}.fasta", protein.Sha256)], record.Files);
            Assert.InRange(record.FetchedAt, before, TimeProvider.System.GetUtcNow());
        }
    }

    [Fact]
    public async Task Metadata_fit_the_schema_of_the_convention()
    {
        var schema = Example.Convention.GetProperty("schema").EnumerateArray().ToDictionary(field => field.GetProperty("name").GetString()!);
        var required = schema.Where(field => field.Value.GetProperty("required").GetBoolean()).Select(field => field.Key).ToList();
        await using var catalogue = await CatalogueServer.StartAsync(Loopback);

        foreach (var record in (await Source.RunAsync(SourceCall.To(catalogue.Address))).Complete.Records)
        {
            var given = record.Metadata.EnumerateObject().ToDictionary(field => field.Name, field => field.Value.GetString()!);
            Assert.Superset(required.ToHashSet(), given.Keys.ToHashSet());
            Assert.Subset(schema.Keys.ToHashSet(), given.Keys.ToHashSet());
            Assert.Matches(schema["organism"].GetProperty("constraints").GetProperty("pattern").GetString()!, given["organism"]);
            Assert.Matches(Curie(), given["accession"]);
            Assert.Matches(Curie(), given["taxon"]);
        }
    }

    [Fact]
    public async Task Only_what_changed_since_is_pulled_and_in_its_new_form()
    {
        await using var catalogue = await CatalogueServer.StartAsync(Loopback);
        var since = TimeProvider.System.GetUtcNow().ToString("O");
        Assert.Empty((await Source.RunAsync(SourceCall.To(catalogue.Address) with { Since = since })).Complete.Records);
        Assert.True(catalogue.Catalogue.Advance());

        var chunk = (await Source.RunAsync(SourceCall.To(catalogue.Address) with { Since = since })).Complete;

        var changed = Protein.All.Where(protein => protein.Revision == 2).OrderBy(protein => protein.Id, StringComparer.Ordinal).ToList();
        Assert.Equal(changed.Select(protein => protein.Id), chunk.Ids);
        Assert.Equal(changed.Select(protein => protein.Sha256), chunk.Records.Select(record => record.Files.Single().Sha256));
        Assert.Equal("Cytochrome c", chunk.Records.Single(record => record.SourceId == "cytochrome-c-horse").Metadata.GetProperty("protein_name").GetString());
    }

    [Fact]
    public async Task A_limit_ends_the_chunk_and_its_session_goes_on_from_there()
    {
        await using var catalogue = await CatalogueServer.StartAsync(Loopback);
        var all = catalogue.Catalogue.Entries.Select(entry => entry.Protein.Id).ToList();

        var first = (await Source.RunAsync(SourceCall.To(catalogue.Address) with { Limit = 5 })).Complete;
        var rest = (await Source.RunAsync(SourceCall.To(catalogue.Address) with { Session = first.Session, Offset = 5 })).Complete;

        Assert.Equal(all[..5], first.Ids);
        Assert.Equal(all[5..], rest.Ids);
        Assert.Null(rest.Session);
    }

    [Fact]
    public async Task Without_a_session_the_offset_says_what_was_taken_before()
    {
        await using var catalogue = await CatalogueServer.StartAsync(Loopback);
        var all = catalogue.Catalogue.Entries.Select(entry => entry.Protein.Id).ToList();

        var chunk = (await Source.RunAsync(SourceCall.To(catalogue.Address, pageLimit: 10) with { Offset = 30 })).Complete;

        Assert.Equal(all[30..40], chunk.Ids);
        Assert.NotNull(chunk.Session);
    }

    [Fact]
    public Task Chunks_of_any_size_give_the_same_records() =>
        Gen.Int[1, 60].SampleAsync(
            async size =>
            {
                await using var catalogue = await CatalogueServer.StartAsync(Loopback);

                var chunks = await Source.PullAsync(SourceCall.To(catalogue.Address, pageLimit: size));

                Assert.All(chunks, chunk => Assert.InRange(chunk.Records.Count, 1, size));
                Assert.Equal(catalogue.Catalogue.Entries.Select(entry => entry.Protein.Id), chunks.SelectMany(chunk => chunk.Ids));
            },
            iter: 15);

    [Fact]
    public Task A_catalogue_that_changes_during_the_pull_is_read_to_its_newest_state() =>
        Gen.Select(Gen.Int[1, 20], Gen.Int[1, 2]).SampleAsync(
            async (size, when) =>
            {
                await using var catalogue = await CatalogueServer.StartAsync(Loopback);

                var chunks = await Source.PullAsync(SourceCall.To(catalogue.Address, pageLimit: size), chunk =>
                {
                    if (chunk == when)
                        catalogue.Catalogue.Advance();
                });

                Assert.Equal(2, catalogue.Catalogue.Revision);
                var newest = chunks.SelectMany(chunk => chunk.Records).GroupBy(record => record.SourceId).ToDictionary(id => id.Key, id => id.Last().Files.Single().Sha256);
                Assert.Equal(
                    catalogue.Catalogue.Entries.ToDictionary(entry => entry.Protein.Id, entry => entry.Protein.Sha256),
                    newest);
            },
            iter: 10);

    [Fact]
    public async Task Refusals_and_failures_in_passing_are_outlived()
    {
        await using var catalogue = await CatalogueServer.StartAsync(Loopback, failEvery: 3, rate: 2);

        var chunk = (await Source.RunAsync(SourceCall.To(catalogue.Address, pageLimit: 4, attempts: 7))).Complete;

        Assert.Equal(4, chunk.Records.Count);
        Assert.InRange(catalogue.Troubles.Failed, 1, int.MaxValue);
        Assert.InRange(catalogue.Troubles.Refused, 1, int.MaxValue);
        Assert.Contains("was answered 429 Too Many Requests; again in 1.0 s", chunk.Log, StringComparison.Ordinal);
        Assert.Contains("was answered 503 Service Unavailable; again in", chunk.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_upstream_that_stays_away_fails_the_chunk()
    {
        var catalogue = await CatalogueServer.StartAsync(Loopback);
        await catalogue.DisposeAsync();

        var chunk = await Source.RunAsync(SourceCall.To(catalogue.Address));

        Assert.Equal(1, chunk.ExitCode);
        Assert.Null(chunk.Session);
        Assert.EndsWith($"{catalogue.Address}entries?limit=50: Connection refused ({catalogue.Address.Authority})\n", chunk.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_upstream_that_goes_away_during_the_chunk_fails_it()
    {
        var catalogue = await CatalogueServer.StartAsync(Loopback);
        var requests = 0;
        await using var upstream = await ScriptedCatalogue.StartAsync(async context =>
        {
            if (Interlocked.Increment(ref requests) > 10)
            {
                context.Abort();
                return;
            }

            using var http = new HttpClient();
            await context.Response.WriteAsync(await http.GetStringAsync(new Uri(catalogue.Address, context.Request.Path + context.Request.QueryString)));
        });

        var chunk = await Source.RunAsync(SourceCall.To(upstream.Address));

        await catalogue.DisposeAsync();
        Assert.Equal(1, chunk.ExitCode);
        Assert.Equal(9, chunk.Records.Count);
        Assert.Null(chunk.Session);
    }

    [Fact]
    public async Task An_upstream_that_refuses_is_not_asked_again()
    {
        var requests = 0;
        await using var upstream = await ScriptedCatalogue.StartAsync(context =>
        {
            requests++;
            context.Response.StatusCode = StatusCodes.Status401Unauthorized;
            return Task.CompletedTask;
        });

        var chunk = await Source.RunAsync(SourceCall.To(upstream.Address, attempts: 7));

        Assert.Equal((1, 1), (chunk.ExitCode, requests));
        Assert.Contains("was answered 401 Unauthorized", chunk.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_upstream_that_asks_for_more_patience_than_a_chunk_has_fails_it_at_once()
    {
        await using var upstream = await ScriptedCatalogue.StartAsync(context =>
        {
            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            context.Response.Headers.RetryAfter = "3600";
            return Task.CompletedTask;
        });

        var chunk = await Source.RunAsync(SourceCall.To(upstream.Address, attempts: 7));

        Assert.Equal(1, chunk.ExitCode);
        Assert.DoesNotContain("again in", chunk.Log, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("<html>", "answered something else than a page of the catalogue")]
    [InlineData("null", "answered something else than a page of the catalogue")]
    [InlineData("""{"entries":[{"id":"a"}]}""", "answered something else than a page of the catalogue")]
    [InlineData("""{"entries":[],"next":"7-a"}""", "names the page of cursor 7-a as its own next one")]
    public async Task A_listing_that_is_none_fails_the_chunk(string page, string message)
    {
        await using var upstream = await ScriptedCatalogue.WithAsync(page);

        var chunk = await Source.RunAsync(SourceCall.To(upstream.Address));

        Assert.Equal(1, chunk.ExitCode);
        Assert.Contains(message, chunk.Log, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("..", "a.fasta", "/a", "'../a.fasta' cannot be the name of a file")]
    [InlineData("a/b", "a.fasta", "/a", "'a/b/a.fasta' cannot be the name of a file")]
    [InlineData("a", "../a.fasta", "/a", "'a/../a.fasta' cannot be the name of a file")]
    [InlineData("a", "a.fasta", "file:///etc/passwd", "'file:///etc/passwd' is no address of a file on HTTP")]
    public async Task A_name_or_address_that_leads_elsewhere_fails_the_chunk(string id, string name, string url, string message)
    {
        await using var upstream = await ScriptedCatalogue.WithAsync(Page(id, name, url, "M"), "M");

        var chunk = await Source.RunAsync(SourceCall.To(upstream.Address));

        Assert.Equal(1, chunk.ExitCode);
        Assert.Contains(message, chunk.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_arrives_otherwise_than_listed_fails_the_chunk()
    {
        await using var upstream = await ScriptedCatalogue.WithAsync(Page("a", "a.fasta", "/a", "MK"), "MR");

        var chunk = await Source.RunAsync(SourceCall.To(upstream.Address));

        Assert.Equal(1, chunk.ExitCode);
        Assert.Contains("its SHA-256 is", chunk.Log, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_larger_than_the_convention_takes_fails_the_chunk()
    {
        var large = new string('M', Upstream.MaxFileBytes + 1);
        await using var upstream = await ScriptedCatalogue.WithAsync(Page("a", "a.fasta", "/a", large), large);

        var chunk = await Source.RunAsync(SourceCall.To(upstream.Address));

        Assert.Equal(1, chunk.ExitCode);
        Assert.Contains("a.fasta has more than 1048576 bytes", chunk.Log, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{}", "config.json: url: expected the catalogue's address such as http://172.17.0.1:7410, got none")]
    [InlineData("""{"url":"file:///etc"}""", "config.json: url: expected the catalogue's address such as http://172.17.0.1:7410, got 'file:///etc'")]
    [InlineData("""{"url":"http://localhost","page_limit":501}""", "config.json: page_limit: expected an integer from 1 to 500, got 501")]
    [InlineData("""{"url":"http://localhost","attempts":"many"}""", "config.json: attempts: expected an integer from 2 to 20, got \"many\"")]
    public async Task A_wrong_configuration_is_named(string config, string message)
    {
        var chunk = await Source.RunAsync(new SourceCall(config));

        Assert.Equal((1, message + "\n"), (chunk.ExitCode, chunk.Log));
    }

    [Fact]
    public async Task A_wrong_time_is_named()
    {
        var chunk = await Source.RunAsync(new SourceCall("""{"url":"http://localhost"}""", Since: "yesterday"));

        Assert.Equal((1, "OSA_SINCE: expected a time such as 2026-01-05T00:00:00Z, got 'yesterday'\n"), (chunk.ExitCode, chunk.Log));
    }

    [Fact]
    public async Task A_chunk_that_is_stopped_counts_for_nothing()
    {
        await using var catalogue = await CatalogueServer.StartAsync(Loopback);

        var chunk = await Source.RunAsync(SourceCall.To(catalogue.Address), new CancellationToken(canceled: true));

        Assert.Equal((1, "stopped before the chunk was complete\n"), (chunk.ExitCode, chunk.Log));
    }

    private static string Page(string id, string name, string url, string content) => $$"""
        {"entries":[{"id":"{{id}}","title":"A","organism":"Homo sapiens","accession":"P1","files":[{"name":"{{name}}","url":"{{url}}",
        "sha256":"{{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(content)))}}"}]}]}
        """;

    [GeneratedRegex("^[A-Za-z]+:[A-Z0-9]+$", RegexOptions.NonBacktracking)]
    private static partial Regex Curie();
}
