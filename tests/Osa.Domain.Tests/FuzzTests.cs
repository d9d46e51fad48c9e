using System.Text;
using CsCheck;
using NJsonSchema;
using Osa.Domain.Conventions;
using Osa.Domain.Errors;
using Osa.Domain.Schemas;
using Osa.Domain.Tests.Conventions;

namespace Osa.Domain.Tests;

/// <summary>Documents changed at random: whatever arrives is taken or refused, and never breaks the node.</summary>
public class FuzzTests
{
    private static readonly NodeLimits Limits = new();

    private static readonly string[] Pieces =
    [
        "null", "true", "-0", "1e999", "1e-340", "99999999999999999999", "0.1", "\"\"", "\"\\u0000\"", "\"\\ud800\"", "\"a\"", "[]", "{}", "[[[[", "{\"a\":",
        ",", ":", "\"", "\\", "}", "]", "\ud800", "\u202e", "🧬", "\"type\":\"term\"", "\"(?=a)\"", "\"[\"", "\"2g\"", "\"GO:1\"", "\"2026-01-01\"", "\"https://a.b\"",
    ];

    private static readonly string Document = Documents.Valid().ToJsonString();

    private const string Metadata =
        """{"name":"insulin","mass":5808.5,"process":["GO:0008150"],"published":"2026-01-31","link":["https://example.org"],"reviewed":true}""";

    private static Gen<string> Mutations(string text) =>
        from edits in Gen.Select(Gen.Int[0, text.Length], Gen.Int[0, 12], Gen.Int[0, Pieces.Length], Gen.Char).Array[1, 4]
        select edits.Aggregate(text, (changed, edit) =>
        {
            int at = Math.Min(edit.Item1, changed.Length);
            string piece = edit.Item3 == Pieces.Length ? edit.Item4.ToString() : Pieces[edit.Item3];
            return changed.Remove(at, Math.Min(edit.Item2, changed.Length - at)).Insert(at, piece);
        });

    /// <summary>Whole values replaced, so that the text stays JSON and the rules behind the syntax are reached.</summary>
    private static Gen<string> Replacements(string text) =>
        from edits in Gen.Select(Gen.Int[0, 200], Gen.Int[0, Pieces.Length - 1]).Array[1, 3]
        select edits.Aggregate(text, (changed, edit) =>
        {
            var values = System.Text.RegularExpressions.Regex.Matches(changed, "\"[^\"]*\"|true|false|null|[0-9.]+", System.Text.RegularExpressions.RegexOptions.NonBacktracking);
            var value = values[edit.Item1 % values.Count];
            return changed.Remove(value.Index, value.Length).Insert(value.Index, Pieces[edit.Item2]);
        });

    [Fact]
    public async Task A_changed_registration_is_taken_or_refused_and_its_schema_never_refuses_what_the_reader_takes()
    {
        JsonSchema schema = await JsonSchema.FromJsonAsync(RegistrationSchema.Json);
        Gen.OneOf(Mutations(Document), Replacements(Document)).Sample(
            json =>
            {
                try
                {
                    ConventionDocument convention = ConventionDocumentReader.Read(json, Limits);
                    string canonical = ConventionDocumentWriter.Canonical(convention);
                    Assert.Equal(canonical, ConventionDocumentWriter.Canonical(ConventionDocumentReader.Read(canonical, NodeLimits.Largest)));
                    Assert.Empty(schema.Validate(json));
                }
                catch (OsaException refusal)
                {
                    AssertShowable(refusal.Violations);
                }
            },
            iter: 5_000);
    }

    [Fact]
    public void Changed_metadata_is_answered_with_violations()
    {
        ConventionDocument convention = ConventionDocumentReader.Read(Document, Limits);
        Gen.OneOf(Mutations(Metadata), Replacements(Metadata)).Sample(
            json => AssertShowable(MetadataRules.Check(convention.Schema, json, Limits)),
            iter: 20_000);
    }

    private static void AssertShowable(IReadOnlyList<Violation> violations) => Assert.All(violations, violation =>
    {
        Assert.NotEmpty(violation.Rule);
        Assert.NotEmpty(violation.Message);
        Assert.True(violation.Message.Length < 2_000, violation.Message);
        Assert.DoesNotContain(violation.Field + violation.Message, char.IsControl);
        new UTF8Encoding(false, true).GetByteCount(violation.Field + violation.Message);
    });
}
