using CsCheck;
using NJsonSchema;
using Osa.Domain.Conventions;
using static Osa.Domain.Tests.Conventions.Documents;

namespace Osa.Domain.Tests.Conventions;

public class RegistrationSchemaTests
{
    private static Task<JsonSchema> Schema() => JsonSchema.FromJsonAsync(RegistrationSchema.Json);

    [Fact]
    public async Task The_schema_takes_the_valid_document() => Assert.Empty((await Schema()).Validate(Valid().ToJsonString()));

    [Fact]
    public async Task The_schema_takes_every_canonical_document()
    {
        JsonSchema schema = await Schema();
        DocumentGen.Convention.Sample(convention => Assert.Empty(schema.Validate(ConventionDocumentWriter.Canonical(convention))), iter: 200);
    }

    [Theory]
    [MemberData(nameof(InvalidDocuments.Cases), MemberType = typeof(InvalidDocuments))]
    public async Task The_schema_refuses_what_the_reader_refuses_as_far_as_it_can_say(string path, string? json, string field, string rule)
    {
        bool taken = (await Schema()).Validate(With(path, json)).Count == 0;
        Assert.True(!taken || InvalidDocuments.BeyondJsonSchema.Contains($"{field.Split('.')[^1]} {rule}"), "the schema takes it");
    }
}
