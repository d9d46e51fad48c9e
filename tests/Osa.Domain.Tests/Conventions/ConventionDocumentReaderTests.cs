using System.Text.Json.Nodes;
using Osa.Domain.Conventions;
using Osa.Domain.Hooks;
using Osa.Domain.Schemas;
using Osa.Domain.Sources;
using static Osa.Domain.Tests.Conventions.Documents;

namespace Osa.Domain.Tests.Conventions;

public class ConventionDocumentReaderTests
{
    private static readonly NodeLimits Limits = new();

    /// <summary>As the SDK sends it, with the digest's digits written out.</summary>
    private static readonly string FromSdk =
        """
        {"title":"T","version":"1.0.0",
         "schema":[{"name":"a","type":"text","required":true,"cardinality":"exactly_one"}],
         "file_requirements":{"accepted_types":[".x"],"max_count":1,"max_file_size":1,"min_count":0},
         "hooks":[{"image":"osa-hooks/h:latest","digest":"DIGEST","runner":"oci","config":null,
           "limits":{"timeout_seconds":300,"memory":"2g","cpu":"2.0"},
           "manifest":{"name":"h","record_schema":"S","cardinality":"one","runner":"oci",
             "feature_schema":{"columns":[{"name":"t","json_type":"string","format":"date-time","required":true}]}}}],
         "source":{"image":"osa-hooks-sources/src:latest","digest":"DIGEST","runner":"oci","config":{},
           "limits":{"timeout_seconds":3600,"memory":"4g","cpu":"2.0"},"schedule":null,"initial_run":null}}
        """.Replace("DIGEST", Digest, StringComparison.Ordinal);

    [Fact]
    public void A_document_from_the_SDK_registers()
    {
        ConventionDocument convention = Read(FromSdk);
        Assert.Equal("convention-t", convention.Id);
        HookDefinition hook = Assert.Single(convention.Hooks);
        Assert.Equal("h", hook.Name);
        Assert.Equal(new HookLimits(300, 2L << 30, 2, 256), hook.Limits);
        Assert.Equal(new ColumnDefinition("t", JsonType.String, "date-time", true), Assert.Single(hook.Manifest.Columns));
        SourceDefinition source = convention.Source!;
        Assert.Equal(("osa-hooks-sources/src:latest", Digest, 0), (source.Image, source.Digest, source.Config!.Count));
        Assert.Equal((SourceDefinition.DefaultLimits, null, null, null), (source.Limits, source.Schedule, source.InitialRun, source.BatchSize));
    }

    [Fact]
    public void Everything_in_a_document_arrives()
    {
        ConventionDocument convention = Read(Valid().ToJsonString());
        Assert.Equal(("proteins", "1.0.0", "Protein sequences"), (convention.Id, convention.Version, convention.Title));
        Assert.Equal(new TextConstraints(1, 200, "^\\S") { Unit = "none" }, convention.Schema[0].Constraints);
        Assert.Equal(new NumberConstraints(0, 1e6) { Unit = "Da" }, convention.Schema[1].Constraints);
        Assert.Equal(["GO:0008150", "GO:0003674"], Assert.IsType<TermConstraints>(convention.Schema[2].Constraints).AllowedTerms);
        Assert.Equal((1, 2, 1_048_576), (convention.FileRequirements.MinCount, convention.FileRequirements.MaxCount, convention.FileRequirements.MaxFileSize));
        Assert.Equal(new HookLimits(60, 1L << 30, 1, 64), convention.Hooks[0].Limits);
        Assert.Equal(HookLimits.Default, convention.Hooks[1].Limits);
        Assert.Equal((HookContract.Record, FeatureCardinality.Many), (convention.Hooks[1].Manifest.Contract, convention.Hooks[1].Manifest.Cardinality));
        Assert.Equal([null, null, "date-time"], convention.Hooks[1].Manifest.Columns.Select(column => column.Format));
    }

    [Theory]
    [InlineData("Protein sequences", "protein-sequences")]
    [InlineData("  ", null)]
    [InlineData("A--B (2)", "a-b-2")]
    [InlineData("AB", "convention-ab")]
    [InlineData("蛋白质", "convention-a9fe3b0f4f7e")]
    public void A_document_without_an_id_gets_one_from_its_title(string title, string? id)
    {
        JsonObject document = Valid();
        document.Remove("id");
        document["title"] = title;
        if (id is null)
        {
            Assert.Equal(["title title"], Broken.By(() => Read(document.ToJsonString())).Rules());
        }
        else if (id.StartsWith("convention-a9", StringComparison.Ordinal))
        {
            Assert.Matches("^convention-[0-9a-f]{12}$", Read(document.ToJsonString()).Id);
        }
        else
        {
            Assert.Equal(id, Read(document.ToJsonString()).Id);
        }
    }

    [Fact]
    public void A_long_title_gives_an_id_of_64_characters_at_most() =>
        Assert.Equal(new string('a', 63), ConventionId.FromTitle(new string('a', 63) + " b"));

    [Fact]
    public void All_violations_come_at_once_with_their_paths()
    {
        JsonObject document = Valid();
        document["version"] = "1.0";
        document["schema"]![0]!["constraints"]!["max_length"] = 0;
        document["schema"]![1]!["constraints"]!["type"] = "text";
        document["hooks"]![1]!["limits"] = new JsonObject { ["memory"] = "2gb", ["cpu"] = true };
        document["hooks"]![1]!["manifest"]!["feature_schema"]!["columns"]![1]!["name"] = "record_srn";
        document["tittle"] = 1;
        Assert.Equal(
            [
                "version semantic_version",
                "schema[0].constraints.max_length range",
                "schema[1].constraints.type type_mismatch",
                "schema[1].constraints.min_value unknown_member",
                "schema[1].constraints.max_value unknown_member",
                "schema[1].constraints.integer_only unknown_member",
                "hooks[1].limits.memory memory_format",
                "hooks[1].limits.cpu type",
                "hooks[1].manifest.feature_schema.columns[1].name reserved",
                "tittle unknown_member",
            ],
            Broken.By(() => Read(document.ToJsonString())).Rules());
        Assert.Contains("did you mean 'title'?", Broken.By(() => Read(document.ToJsonString()))[^1].Message, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(InvalidDocuments.Cases), MemberType = typeof(InvalidDocuments))]
    public void A_broken_rule_is_named_at_its_place(string path, string? json, string field, string rule) =>
        Assert.Contains($"{field} {rule}", Broken.By(() => Read(With(path, json))).Rules());

    [Theory]
    [InlineData("id", null)]
    [InlineData("id", "null")]
    [InlineData("version", "\"1.0.0-RC.1\"")]
    [InlineData("hooks", null)]
    [InlineData("hooks", "[]")]
    [InlineData("source", null)]
    [InlineData("schema[0].constraints", "null")]
    [InlineData("file_requirements.accepted_types", "[]")]
    [InlineData("file_requirements.accepted_types", "[\".CSV\", \".csv\", \".mzML\"]")]
    [InlineData("hooks[0].limits.memory", "536870912")]
    [InlineData("hooks[0].limits.cpu", "0.25")]
    [InlineData("hooks[0].manifest.record_schema", null)]
    [InlineData("hooks[1].manifest.feature_schema.columns[0].format", "\"email\"")]
    public void What_is_allowed_is_taken(string path, string? json) => Assert.NotNull(Read(With(path, json)));

    [Fact]
    public void Versions_and_suffixes_are_kept_in_lower_case()
    {
        Assert.Equal("1.0.0-rc.1", Read(With("version", "\"1.0.0-RC.1\"")).Version);
        Assert.Equal([".csv", ".mzml"], Read(With("file_requirements.accepted_types", "[\".CSV\", \".csv\", \".mzML\"]")).FileRequirements.AcceptedTypes);
    }

    [Theory]
    [InlineData("", "json")]
    [InlineData("[]", "type")]
    [InlineData("1", "type")]
    [InlineData("{", "json")]
    [InlineData("{} x", "json")]
    [InlineData("{\"title\":\"a\",\"title\":\"b\"}", "duplicate_member")]
    [InlineData("{\"title\":\"\\u0000\"}", "unicode")]
    [InlineData("{\"title\":\"\\ud800\"}", "unicode")]
    [InlineData("{\"\\ud800\":1}", "unicode")]
    [InlineData("{\"title\":1e400}", "number_range")]
    [InlineData("{\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}", "max_depth")]
    public void A_document_that_is_no_proper_JSON_is_refused_with_the_reason(string json, string rule) =>
        Assert.Equal(rule, Assert.Single(Broken.By(() => Read(json))).Rule);

    [Fact]
    public void Half_a_character_is_no_text() => Assert.Equal(["document unicode"], Broken.By(() => Read("{\"title\":\"\ud800\"}")).Rules());

    [Fact]
    public void An_integer_beyond_64_bits_is_refused() =>
        Assert.Equal(["hooks[0].limits.pids type"], Broken.By(() => Read(With("hooks[0].limits.pids", "99999999999999999999"))).Rules());

    [Fact]
    public void The_nodes_limits_hold()
    {
        NodeLimits small = Limits with { MaxFields = 5, MaxHooks = 1, MaxColumns = 2, MaxFiles = 1, MaxFileBytes = 1, MaxHookTimeoutSeconds = 1, MaxHookPids = 1, MaxHookCpu = 0.5, MaxHookMemoryBytes = 8 << 20 };
        Assert.Equal(
            [
                "schema max_items",
                "file_requirements.max_count maximum",
                "file_requirements.max_file_size maximum",
                "hooks max_items",
                "hooks[0].limits.timeout_seconds maximum",
                "hooks[0].limits.pids maximum",
                "hooks[0].limits.memory maximum",
                "hooks[0].limits.cpu maximum",
            ],
            Broken.By(() => ConventionDocumentReader.Read(Valid().ToJsonString(), small)).Rules());
        Assert.Equal(
            ["hooks[1].manifest.feature_schema.columns max_items"],
            Broken.By(() => ConventionDocumentReader.Read(Valid().ToJsonString(), Limits with { MaxColumns = 2 })).Rules());
        Assert.Equal(["document max_bytes"], Broken.By(() => ConventionDocumentReader.Read(Valid().ToJsonString(), Limits with { MaxRegistrationBytes = 100 })).Rules());
        Assert.NotNull(ConventionDocumentReader.Read(Valid().ToJsonString(), NodeLimits.Largest));
    }

    [Fact]
    public void A_defaulted_limit_is_subject_to_the_nodes_maxima_too() =>
        Assert.Equal(
            ["hooks[0].limits.timeout_seconds maximum", "hooks[1].limits.timeout_seconds maximum"],
            Broken.By(() => ConventionDocumentReader.Read(With("hooks[0].limits", "{}"), Limits with { MaxHookTimeoutSeconds = 100 })).Rules());

    private static ConventionDocument Read(string json) => ConventionDocumentReader.Read(json, Limits);
}
