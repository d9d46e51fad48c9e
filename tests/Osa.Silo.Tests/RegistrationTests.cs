using System.Text.Json.Nodes;
using Grpc.Core;
using Osa.Client;
using Osa.Client.Conventions;
using Osa.Client.Depositions;
using Osa.Client.Features;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>Conventions: all of a version, or nothing.</summary>
public sealed class RegistrationTests(SharedNode shared)
{
    private Archive Archive => shared.Archive;

    [Fact]
    public async Task A_registered_convention_can_be_read_by_everybody_without_what_its_hooks_are()
    {
        string id = Documents.NewId("shown");
        string table = Documents.NewTable("shown");
        await Archive.RegisterAsync(Documents.Convention(id, "1.0.0", Documents.Hook(table, [Documents.Column("a", "string")], Documents.Do("pass", ("secret", "s3cret")))));

        Convention forAdmins = await Archive.Admin.Conventions.GetAsync(id);
        Assert.Equal($"urn:osa:localhost:conv:{id}@1.0.0", forAdmins.Srn);
        Hook whole = Assert.Single(forAdmins.Hooks);
        Assert.Equal(("osa-test-hooks:latest", Documents.HooksDigest), (whole.Image, whole.Digest));
        Expect.Says("s3cret", whole.ConfigJson);
        foreach (OsaClient reader in (OsaClient[])[Archive.Node.Anonymous(), Archive.Ada, Archive.Node.Client("curator", "carl")])
        {
            Hook part = Assert.Single((await reader.Conventions.GetAsync(forAdmins.Srn)).Hooks);
            Assert.Equal(("", "", ""), (part.Image, part.Digest, part.ConfigJson));
            Assert.Equal((table, 64L << 20, "a"), (part.Name, part.MemoryBytes, Assert.Single(part.Columns).Name));
            Convention listed = await reader.Conventions.ListAsync().FirstAsync(c => c.Id == id);
            Assert.Equal(("", "", ""), (listed.Hooks[0].Image, listed.Hooks[0].Digest, listed.Hooks[0].ConfigJson));
        }
    }

    [Fact]
    public async Task The_same_version_with_the_same_content_answers_with_the_existing_one()
    {
        JsonObject document = Documents.Convention(Documents.NewId("same"), "1.0.0", Documents.Hook(Documents.NewTable("same"), Documents.RowColumns));
        Registration first = await Archive.RegisterAsync(document);

        // The same object, its members in another order.
        var reordered = new JsonObject(document.Reverse().Select(m => KeyValuePair.Create(m.Key, m.Value?.DeepClone())));
        Registration again = await Archive.RegisterAsync(reordered);

        Assert.Equal((true, false), (first.Created, again.Created));
        Assert.Equal(first.Convention, again.Convention);
    }

    [Fact]
    public async Task Concurrent_registrations_of_one_document_all_answer_with_the_same_version()
    {
        JsonObject document = Documents.Convention(Documents.NewId("crowd"), "1.0.0", Documents.Hook(Documents.NewTable("crowd"), Documents.RowColumns));

        Registration[] answers = await Expect.AllAsync(Enumerable.Range(0, 20).Select(_ => Archive.RegisterAsync(document)));

        Assert.Single(answers.Select(a => a.Convention).Distinct());
        Assert.Equal("1", await Archive.ValueAsync("select count(*) from osa.conventions where id = $1", answers[0].Convention.Id));
    }

    [Fact]
    public async Task The_same_version_with_other_content_conflicts()
    {
        string id = Documents.NewId("other");
        await Archive.RegisterAsync(Documents.Convention(id, "1.0.0"));
        JsonObject other = Documents.Convention(id, "1.0.0");
        other["title"] = "Another title";

        OsaClientException refusal = await Expect.RefusedAsync(StatusCode.AlreadyExists, () => Archive.RegisterAsync(other));

        Expect.Says($"urn:osa:localhost:conv:{id}@1.0.0", refusal.Message);
        Expect.Says("register the change under a new version", refusal.Message);
        Assert.Equal($"Test convention {id}", (await Archive.Admin.Conventions.GetAsync(id)).Title);
    }

    [Fact]
    public async Task A_table_of_another_convention_is_refused_with_its_owner_and_a_free_name()
    {
        (string owner, string intruder) = (Documents.NewId("owner"), Documents.NewId("intruder"));
        (string taken, string first) = (Documents.NewTable("z_taken"), Documents.NewTable("a_first"));
        await Archive.RegisterAsync(Documents.Convention(owner, "1.0.0", Documents.Hook(taken, Documents.RowColumns)));

        OsaClientException refusal = await Expect.RefusedAsync(
            StatusCode.AlreadyExists,
            () => Archive.RegisterAsync(Documents.Convention(intruder, "1.0.0", Documents.Hook(first, Documents.RowColumns), Documents.Hook(taken, Documents.RowColumns))));

        Expect.Says($"'{taken}' belongs to convention '{owner}'", refusal.Message);
        string free = $"{intruder.Replace('-', '_')}_{taken}";
        Expect.Says($"'{free}' is free", refusal.Message);
        await NothingIsLeftOfAsync(intruder, first);
        Registration renamed = await Archive.RegisterAsync(
            Documents.Convention(intruder, "1.0.0", Documents.Hook(first, Documents.RowColumns), Documents.Hook(free, Documents.RowColumns)));
        Assert.True(renamed.Created);
    }

    [Fact]
    public async Task A_conflict_in_the_transaction_itself_leaves_nothing_and_the_same_request_succeeds_when_it_is_gone()
    {
        string id = Documents.NewId("whole");
        (string first, string second) = (Documents.NewTable("a_first"), Documents.NewTable("b_second"));
        JsonObject document = Documents.Convention(id, "1.0.0", Documents.Hook(first, Documents.RowColumns), Documents.Hook(second, Documents.RowColumns));
        await Archive.QueryAsync($"create table features.\"{second}\" (made_by text)");

        OsaClientException refusal = await Expect.RefusedAsync(StatusCode.AlreadyExists, () => Archive.RegisterAsync(document));
        Expect.Says(second, refusal.Message);
        await NothingIsLeftOfAsync(id, first);
        await Archive.QueryAsync($"drop table features.\"{second}\"");
        Registration repeated = await Archive.RegisterAsync(document);

        Assert.True(repeated.Created);
        Assert.True(await Archive.HasTableAsync(first) && await Archive.HasTableAsync(second));
    }

    [Fact]
    public async Task A_compatible_version_adds_a_nullable_column_and_existing_drafts_stay_on_theirs()
    {
        string id = Documents.NewId("evolves");
        string table = Documents.NewTable("evolves");
        JsonObject one = Documents.Convention(
            id, "1.0.0", Documents.Hook(table, [Documents.Column("a", "integer", required: true), Documents.Column("gone", "string")], Documents.Do("pass", ("features", new JsonObject { ["a"] = 1, ["gone"] = "x" }))));
        JsonObject two = Documents.Convention(
            id, "1.1.0", Documents.Hook(table, [Documents.Column("a", "integer", required: true), Documents.Column("b", "string")], Documents.Do("pass", ("features", new JsonObject { ["a"] = 2, ["b"] = "new" }))));
        await Archive.RegisterAsync(one);
        DepositionHandle old = await Archive.DraftAsync(id);
        Record before = await Archive.PublishAsync(id);

        ConventionPlan plan = await Archive.Admin.Conventions.PlanAsync(two.ToJsonString());
        Registration evolved = await Archive.RegisterAsync(two);
        Record fresh = await Archive.PublishAsync(id);
        ValidationRun ofTheOld = await Archive.VerdictAsync(await old.SubmitAsync());

        Assert.Equal(new FeatureTablePlan { Name = table, Action = "extend", AddedColumns = { "b" } }, Assert.Single(plan.Tables));
        Assert.True(evolved.Created);
        Assert.Equal($"urn:osa:localhost:conv:{id}@1.0.0", (await old.GetAsync()).ConventionSrn);
        Assert.Equal($"urn:osa:localhost:conv:{id}@1.1.0", fresh.Provenance.ConventionSrn);
        List<TypedFeatureRow>[] found = await Expect.AllAsync(new[] { before.Srn, fresh.Srn, ofTheOld.RecordSrn }.Select(r => Archive.RowsAsync(table, r)));
        TypedFeatureRow[] rows = [.. found.Select(Assert.Single)];
        Assert.Equal([1L, 2L, 1L], rows.Select(r => r["a"]));
        Assert.Equal([null, "new", null], rows.Select(r => r["b"]));
        Assert.Equal(["x", null, "x"], rows.Select(r => r["gone"]));
        Assert.Equal(2, (await Archive.Admin.Features.CatalogAsync()).Single(t => t.Name == table).SchemaVersion);
        Assert.Equal(2, await Archive.Admin.Conventions.ListAsync(allVersions: true).CountAsync(c => c.Id == id));
        Assert.Equal("1.1.0", (await Archive.Admin.Conventions.ListAsync().SingleAsync(c => c.Id == id)).Version);
    }

    [Fact]
    public async Task An_incompatible_version_is_refused_with_every_difference()
    {
        string id = Documents.NewId("breaks");
        string table = Documents.NewTable("breaks");
        await Archive.RegisterAsync(Documents.Convention(
            id, "1.0.0", Documents.Hook(table, [Documents.Column("a", "integer"), Documents.Column("b", "string", required: true), Documents.Column("c", "string", "date")], cardinality: "many")));
        JsonObject breaking = Documents.Convention(
            id, "2.0.0", Documents.Hook(table, [Documents.Column("a", "string"), Documents.Column("c", "string", "date", required: true), Documents.Column("d", "number", required: true)], cardinality: "one"));

        OsaClientException refusal = await Expect.RefusedAsync(StatusCode.FailedPrecondition, () => Archive.RegisterAsync(breaking));
        OsaClientException planned = await Expect.RefusedAsync(StatusCode.FailedPrecondition, () => Archive.Admin.Conventions.PlanAsync(breaking.ToJsonString()));

        Assert.Equal(
            [
                ($"{table}.cardinality", "cardinality_changed"), ($"{table}.columns.a", "type_changed"), ($"{table}.columns.c", "required_changed"),
                ($"{table}.columns.d", "required_column_added"), ($"{table}.columns.b", "required_column_dropped"),
            ],
            refusal.Violations.Select(v => (v.Field, v.Rule)));
        Assert.Equal(refusal.Violations, planned.Violations);
        Assert.Equal("1.0.0", (await Archive.Admin.Conventions.GetAsync(id)).Version);
        Assert.Equal("0", await Archive.ValueAsync("select count(*) from osa.schemas where srn like $1", $"%:{id}@2.0.0"));
    }

    [Fact]
    public async Task An_image_that_is_not_to_be_had_is_refused_with_what_to_do()
    {
        string id = Documents.NewId("absent");
        string table = Documents.NewTable("absent");

        OsaClientException byTag = await Expect.RefusedAsync(
            StatusCode.NotFound, () => Archive.RegisterAsync(Documents.Convention(id, "1.0.0", Documents.Hook(table, image: Documents.MissingImage))));
        JsonObject pinned = Documents.Hook(table);
        pinned["digest"] = "sha256:" + new string('0', 64);
        OsaClientException byDigest = await Expect.RefusedAsync(StatusCode.NotFound, () => Archive.RegisterAsync(Documents.Convention(id, "1.0.0", pinned)));

        Expect.Says(Documents.MissingImage, byTag.Message);
        Expect.Says("docker load", byTag.Message);
        Expect.Says(new string('0', 64), byDigest.Message);
        await NothingIsLeftOfAsync(id, table);
    }

    [Fact]
    public async Task An_invalid_document_is_refused_with_every_violation_by_path()
    {
        JsonObject document = Documents.Convention("Not An Id", "one", Documents.Hook("Bad Name", [Documents.Column("id", "string"), Documents.Column("x", "text"), Documents.Column("y", "number"), Documents.Column("y", "number")], memory: "5mb"));
        document["unknown"] = 1;
        document["schema"]![0]!["type"] = "image";

        OsaClientException refusal = await Expect.RefusedAsync(StatusCode.InvalidArgument, () => Archive.RegisterAsync(document));
        await Expect.RefusedAsync(StatusCode.InvalidArgument, () => Archive.Admin.Conventions.PlanAsync(document.ToJsonString()));

        Assert.Superset(
            new HashSet<string>
            {
                "id", "version", "schema[0].type", "hooks[0].limits.memory", "hooks[0].manifest.name", "hooks[0].manifest.feature_schema.columns[0].name",
                "hooks[0].manifest.feature_schema.columns[1].json_type", "hooks[0].manifest.feature_schema.columns[3].name", "unknown",
            },
            refusal.Violations.Select(v => v.Field).ToHashSet());
    }

    [Fact]
    public async Task Planning_changes_nothing()
    {
        string id = Documents.NewId("planned");
        string table = Documents.NewTable("planned");
        JsonObject document = Documents.Convention(id, "1.0.0", Documents.Hook(table, Documents.RowColumns));

        ConventionPlan plan = await Archive.Admin.Conventions.PlanAsync(document.ToJsonString());

        Assert.Equal(($"urn:osa:localhost:conv:{id}@1.0.0", false), (plan.ConventionSrn, plan.Unchanged));
        FeatureTablePlan planned = Assert.Single(plan.Tables);
        Assert.Equal((table, "create"), (planned.Name, planned.Action));
        await NothingIsLeftOfAsync(id, table);

        await Archive.RegisterAsync(document);
        ConventionPlan after = await Archive.Admin.Conventions.PlanAsync(document.ToJsonString());
        Assert.True(after.Unchanged);
        Assert.Equal("keep", Assert.Single(after.Tables).Action);
    }

    [Fact]
    public async Task The_schema_of_registration_documents_is_served()
    {
        JsonNode schema = JsonNode.Parse(await Archive.Node.Anonymous().Conventions.GetRegistrationSchemaAsync())!;

        Expect.Says("json-schema.org", (string)schema["$schema"]!);
        Assert.NotNull(schema["properties"]!["hooks"]);
    }

    private async Task NothingIsLeftOfAsync(string convention, params string[] tables)
    {
        Assert.Equal("0", await Archive.ValueAsync("select count(*) from osa.conventions where id = $1", convention));
        Assert.Equal("0", await Archive.ValueAsync("select count(*) from osa.schemas where srn like $1", $"%:{convention}@%"));
        Assert.Equal("0", await Archive.ValueAsync("select count(*) from osa.feature_tables where convention_id = $1", convention));
        Assert.Equal("0", await Archive.ValueAsync("select count(*) from osa.events where subject like $1", $"%:{convention}@%"));
        foreach (string table in tables)
        {
            Assert.False(await Archive.HasTableAsync(table), $"features.{table} is there");
        }
    }
}
