using Osa.Domain.Conventions;
using Osa.Domain.Sources;
using Osa.Domain.Tests.Conventions;

namespace Osa.Domain.Tests.Sources;

public class SourceReaderTests
{
    private static readonly NodeLimits Limits = new();

    [Fact]
    public void Everything_that_a_document_says_of_its_source_arrives()
    {
        SourceDefinition source = Read("""
            {"image": "ghcr.io/group/source:1", "runner": "oci", "config": {"url": "https://example.org"}, "limits": {"timeout_seconds": 60, "memory": "1g", "cpu": 0.5, "pids": 20},
             "schedule": {"cron": "0 3 * * *", "limit": 500}, "initial_run": {"limit": 10}, "batch_size": 100}
            """);

        Assert.Equal(("ghcr.io/group/source:1", null, """{"url":"https://example.org"}"""), (source.Image, source.Digest, source.Config!.ToJsonString()));
        Assert.Equal((60, 1L << 30, 0.5, 20), (source.Limits.TimeoutSeconds, source.Limits.MemoryBytes, source.Limits.Cpu, source.Limits.Pids));
        Assert.Equal((new SourceSchedule("0 3 * * *", 500), new InitialRun(10), 100), (source.Schedule, source.InitialRun, source.BatchSize));
    }

    [Fact]
    public void A_source_needs_no_more_than_an_image()
    {
        SourceDefinition source = Read("""{"image": "a"}""");

        Assert.Equal((SourceDefinition.DefaultLimits, null, null, null, null), (source.Limits, source.Config, source.Schedule, source.InitialRun, source.BatchSize));
        Assert.Null(Read("""{"image": "a", "schedule": {"cron": "* * * * *"}, "initial_run": {}}""").InitialRun!.Limit);
    }

    [Fact]
    public void Everything_that_is_wrong_is_told_at_once_by_its_path() => Assert.Equal(
        [
            "source.config type", "source.limits.memory memory_format", "source.schedule.cron cron", "source.schedule.limit minimum", "source.initial_run.limit type", "source.batch_size maximum",
            "source.colour unknown_member",
        ],
        Broken.By(() => Read("""
            {"image": "a", "config": 1, "limits": {"memory": "much"}, "schedule": {"cron": "daily", "limit": -1}, "initial_run": {"limit": true}, "batch_size": 100000, "colour": "red"}
            """)).Rules());

    [Fact]
    public void Its_limits_are_held_against_the_nodes() => Assert.Equal(
        ["source.limits.timeout_seconds maximum", "source.limits.memory maximum"],
        Broken.By(() => ConventionDocumentReader.Read(
            Documents.With("source", """{"image": "a"}"""), new NodeLimits { MaxHookTimeoutSeconds = 600, MaxHookMemoryBytes = 3L << 30 })).Rules());

    private static SourceDefinition Read(string source) => ConventionDocumentReader.Read(Documents.With("source", source), Limits).Source!;
}
