using System.CommandLine;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Osa.Cli.Input;

/// <summary>
/// <c>--set field=value</c>. The value is a number, boolean, array or quoted text when it is written as JSON writes one, else it is text as it
/// stands: <c>length=110</c> is a number, <c>length="110"</c> (with the quotes) is text.
/// </summary>
internal sealed record SetAssignment(string Field, JsonNode Value)
{
    public static Option<SetAssignment[]> Option { get; } = new("--set")
    {
        Description = "One metadata field, to be repeated. The value is a JSON number, boolean, array or quoted string, else text as it stands: "
            + "--set organism='Homo sapiens' --set year=1979 --set 'keywords=[\"hormone\"]'",
        HelpName = "FIELD=VALUE",
        Arity = ArgumentArity.OneOrMore,
        AllowMultipleArgumentsPerToken = false,
        CustomParser = static result =>
        {
            var assignments = new List<SetAssignment>();
            foreach (var token in result.Tokens)
            {
                if (!TryParse(token.Value, out var assignment))
                {
                    result.AddError($"--set: '{token.Value}' is not FIELD=VALUE");
                }
                else if (assignments.Any(other => other.Field == assignment.Field))
                {
                    result.AddError($"--set: '{assignment.Field}' is set twice; write several values as an array: {assignment.Field}=[\"a\",\"b\"]");
                }
                else
                {
                    assignments.Add(assignment);
                }
            }

            return [.. assignments];
        },
    };

    public static bool TryParse(string text, [System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out SetAssignment? assignment)
    {
        var equals = text.IndexOf('=', StringComparison.Ordinal);
        assignment = equals > 0 ? new SetAssignment(text[..equals], ParseValue(text[(equals + 1)..])) : null;
        return assignment is not null;
    }

    private static JsonNode ParseValue(string text)
    {
        try
        {
            var node = JsonNode.Parse(text);
            return node?.GetValueKind() is JsonValueKind.Number or JsonValueKind.True or JsonValueKind.False or JsonValueKind.Array or JsonValueKind.String
                ? node
                : JsonValue.Create(text);
        }
        catch (JsonException)
        {
            return JsonValue.Create(text);
        }
    }
}
