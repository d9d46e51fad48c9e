using System.Security.Cryptography;
using System.Text.Json.Nodes;
using Osa.Client.Conventions;
using Osa.Client.Depositions;
using Osa.Client.Features;
using Osa.Testing;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>From a deposition to a record.</summary>
public sealed class PublicationTests(SharedNode shared)
{
    private Archive Archive => shared.Archive;

    [Fact]
    public async Task A_submitted_deposition_becomes_a_record_with_typed_rows()
    {
        (DepositionHandle deposition, ValidationRun run) = await Archive.JudgeAsync(shared.Obedient, Documents.Rows(3));

        Assert.Equal(RunStatus.Passed, run.Status);
        Deposition accepted = await deposition.GetAsync();
        Assert.Equal(DepositionStatus.Accepted, accepted.Status);
        Assert.Equal(run.RecordSrn, accepted.RecordSrn);
        Assert.Empty(accepted.Reasons);
        List<TypedFeatureRow> rows = await Archive.RowsAsync(shared.ObedientHook, run.RecordSrn);
        Assert.Equal([0L, 1L, 2L], rows.Select(r => r["position"]));
        Assert.Equal("feature number 2", rows[2]["label"]);
        Assert.Equal(2 / 7.0, rows[2]["score"]);
        Assert.Equal(true, rows[0]["significant"]);
        Assert.Equal(new DateTimeOffset(2026, 1, 1, 0, 0, 1, TimeSpan.Zero), rows[1]["measured_at"]);
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse("""{"rank":2,"method":"generated"}"""), (JsonNode?)rows[2]["details"]));
        Assert.All(rows, r => Assert.Equal(Archive.IdOf(run.Srn).ToString("D"), r.RunId));
    }

    [Fact]
    public async Task A_record_names_its_convention_schema_run_digests_and_files()
    {
        string id = Documents.NewId("provenance");
        string hook = Documents.NewTable("count");
        Registration registered = await Archive.RegisterAsync(Documents.Convention(id, "2.3.4", Documents.Hook(hook, Documents.RowColumns, Documents.Rows(2))));
        DepositionHandle draft = await Archive.DraftAsync(id);
        DepositionFile notes = await Archive.UploadAsync(draft, "notes.txt", "what was seen");
        ValidationRun run = await Archive.VerdictAsync(await draft.SubmitAsync());

        Record record = await Archive.Node.Anonymous().Records.GetAsync(run.RecordSrn);

        Assert.Equal($"urn:osa:localhost:conv:{id}@2.3.4", record.Provenance.ConventionSrn);
        Assert.Equal(registered.Convention.SchemaSrn, record.Provenance.SchemaSrn);
        Assert.Equal(draft.Srn, record.Provenance.DepositionSrn);
        Assert.Equal(run.Srn, record.Provenance.RunSrn);
        Assert.Equal(new HookProvenance { Hook = hook, Digest = Documents.HooksDigest, Rows = 2 }, Assert.Single(record.Provenance.Hooks));
        RecordFile file = Assert.Single(record.Files);
        Assert.Equal((notes.Name, notes.Size, notes.Checksum, "text/plain"), (file.Name, file.Size, file.Checksum, file.ContentType));
        Assert.Equal(record.Srn, (await Archive.Admin.Records.ListAsync(id).SingleAsync()).Srn);
    }

    [Fact]
    public async Task A_tag_is_pinned_to_the_image_that_it_names_when_the_convention_is_registered()
    {
        string tag = $"osa-silo-tests:{Documents.NewTable("tag")}";
        await DockerAsync("tag", Documents.HooksDigest, tag);
        try
        {
            string id = Documents.NewId("pinned");
            Registration registered = await Archive.RegisterAsync(Documents.Convention(id, "1.0.0", Documents.Hook(Documents.NewTable("look"), image: tag)));
            await DockerAsync("rmi", "--no-prune", tag);

            (_, ValidationRun run) = await Archive.JudgeAsync(id, Documents.Do("noop"));

            Assert.Equal(Documents.HooksDigest, Assert.Single(registered.Convention.Hooks).Digest);
            Assert.Equal(Documents.HooksDigest, Assert.Single(run.Hooks).Digest);
        }
        finally
        {
            await Unprivileged.RunAsync("docker", "rmi", "--no-prune", tag);
        }
    }

    [Fact]
    public async Task Files_come_back_byte_for_byte_from_the_draft_and_from_the_record()
    {
        byte[] content = RandomNumberGenerator.GetBytes(700_001);
        DepositionHandle draft = await Archive.DraftAsync(shared.Obedient, Documents.Rows(1));
        DepositionFile stored = await draft.UploadAsync("data.bin", new MemoryStream(content));
        await draft.UploadAsync("empty", new MemoryStream());
        using var ofTheDraft = new MemoryStream();
        await draft.DownloadAsync("data.bin", ofTheDraft);
        ValidationRun run = await Archive.VerdictAsync(await draft.SubmitAsync());
        using var ofTheRecord = new MemoryStream();
        using var empty = new MemoryStream();
        await Archive.Node.Anonymous().Records.DownloadAsync(run.RecordSrn, "data.bin", ofTheRecord);
        await Archive.Node.Anonymous().Records.DownloadAsync(run.RecordSrn, "empty", empty);

        Assert.Equal("sha256:" + Convert.ToHexStringLower(SHA256.HashData(content)), stored.Checksum);
        Assert.Equal(content, ofTheDraft.ToArray());
        Assert.Equal(content, ofTheRecord.ToArray());
        Assert.Empty(empty.ToArray());
    }

    [Fact]
    public async Task A_hook_sees_the_files_the_metadata_and_its_config_as_they_are()
    {
        string id = Documents.NewId("inputs");
        string hook = Documents.NewTable("echo");
        await Archive.RegisterAsync(Documents.Convention(id, "1.0.0", Documents.Hook(hook, Surroundings.Columns, Documents.Do("echo", ("note", "a \"quoted\" 🧬")))));
        DepositionHandle draft = await Archive.Ada.Depositions.CreateAsync(id, new JsonObject { ["title"] = "é \"x\" \\ 🧪" });
        DepositionFile file = await Archive.UploadAsync(draft, "a b.txt", "text");
        ValidationRun run = await Archive.VerdictAsync(await draft.SubmitAsync());

        Assert.True(run.Status == RunStatus.Passed, run.Summary);
        var seen = new Surroundings(Assert.Single(await Archive.RowsAsync(hook, run.RecordSrn)));
        Assert.True(JsonNode.DeepEquals(new JsonObject { ["srn"] = draft.Srn, ["metadata"] = new JsonObject { ["title"] = "é \"x\" \\ 🧪" } }, JsonNode.Parse(seen.Document("record.json")!)));
        Assert.Equal("a \"quoted\" 🧬", (string?)JsonNode.Parse(seen.Document("config.json")!)!["note"]);
        Assert.Equal(file.Checksum, "sha256:" + (string?)seen.Files["a b.txt"]);
        Assert.Equal(hook, (string?)seen.Environment["OSA_HOOK_NAME"]);
    }

    [Fact]
    public async Task A_hook_without_features_passes_without_rows()
    {
        (_, ValidationRun run) = await Archive.JudgeAsync(shared.Obedient, Documents.Do("noop"));

        Assert.Equal(RunStatus.Passed, run.Status);
        Assert.Equal(0, Assert.Single(run.Hooks).Rows);
        Assert.Empty(await Archive.RowsAsync(shared.ObedientHook, run.RecordSrn));
    }

    [Fact]
    public async Task A_convention_without_hooks_publishes_what_is_submitted()
    {
        string id = Documents.NewId("hookless");
        await Archive.RegisterAsync(Documents.Convention(id, "1.0.0"));

        Record record = await Archive.PublishAsync(id);

        Assert.Empty(record.Provenance.Hooks);
    }

    [Fact]
    public async Task Containers_and_scratch_of_a_run_are_gone_when_it_is_over()
    {
        (_, ValidationRun run) = await Archive.JudgeAsync(
            shared.Obedient, Documents.Steps(Documents.Do("output", ("kind", "locked-directory")), Documents.Rows(1)));

        Assert.Equal(RunStatus.Passed, run.Status);
        await Cleanup.IsDoneAsync(Archive, run.Srn);
    }

    private static async Task DockerAsync(params string[] arguments)
    {
        (int code, string output) = await Unprivileged.RunAsync(["docker", .. arguments]);
        Assert.True(code == 0, output);
    }
}
