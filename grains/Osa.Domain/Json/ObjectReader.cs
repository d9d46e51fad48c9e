using System.Text.Json;
using Osa.Domain.Errors;
using Osa.Domain.Names;

namespace Osa.Domain.Json;

/// <summary>
/// Takes the members of one JSON object by name and adds a violation for each that is missing or of the wrong type. Null counts
/// as absent. Whatever nobody has asked for when <see cref="Close"/> is called is an unknown member.
/// </summary>
internal sealed class ObjectReader
{
    private readonly JsonElement _element;
    private readonly string _path;
    private readonly ViolationList _violations;
    private readonly List<string> _known = [];

    private ObjectReader(JsonElement element, string path, ViolationList violations)
    {
        _element = element;
        _path = path;
        _violations = violations;
    }

    /// <summary>Null after adding a violation where <paramref name="element"/> is not an object.</summary>
    public static ObjectReader? Open(JsonElement element, string path, ViolationList violations)
    {
        if (element.ValueKind == JsonValueKind.Object)
        {
            return new ObjectReader(element, path, violations);
        }

        violations.Add(path, "type", $"must be an object, not {NounOf(element)}");
        return null;
    }

    /// <summary>An object without members, for defaults that are checked like values.</summary>
    public static ObjectReader Empty(string path, ViolationList violations)
    {
        using var document = JsonDocument.Parse("{}");
        return new ObjectReader(document.RootElement.Clone(), path, violations);
    }

    public static string NounOf(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => "an object",
        JsonValueKind.Array => "a list",
        JsonValueKind.String => "a text",
        JsonValueKind.Number => "a number",
        JsonValueKind.True or JsonValueKind.False => "a boolean",
        _ => "null",
    };

    public string PathOf(string name) => JsonPath.Member(_path, name);

    public void Report(string name, string rule, string message) => _violations.Add(PathOf(name), rule, message);

    public void ReportItem(string name, int index, string rule, string message) =>
        _violations.Add(JsonPath.Item(PathOf(name), index), rule, message);

    /// <summary>The member, or null where it is absent or null.</summary>
    public JsonElement? Optional(string name)
    {
        _known.Add(name);
        return _element.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;
    }

    public JsonElement? Member(string name, bool required)
    {
        JsonElement? value = Optional(name);
        if (required && value is null)
        {
            Report(name, "required", "is required");
        }

        return value;
    }

    public ObjectReader? Object(string name, bool required) =>
        Member(name, required) is { } value ? Open(value, PathOf(name), _violations) : null;

    /// <summary>The items with their paths; empty where the member is absent or not a list.</summary>
    public IReadOnlyList<(JsonElement Value, string Path)> List(string name, bool required) =>
        Typed(name, required, JsonValueKind.Array, "a list") is { } value
            ? [.. value.EnumerateArray().Select((item, index) => (item, JsonPath.Item(PathOf(name), index)))]
            : [];

    public string? Text(string name, bool required) => Typed(name, required, JsonValueKind.String, "a text")?.GetString();

    /// <summary>A text of at most <paramref name="max"/> characters (code points).</summary>
    public string? Text(string name, bool required, int max)
    {
        string? text = Text(name, required);
        if (text is not null && text.EnumerateRunes().Count() > max)
        {
            Report(name, "max_length", $"has more than {max} characters");
        }

        return text;
    }

    public bool? Flag(string name, bool required)
    {
        JsonElement? value = Member(name, required);
        if (value is { ValueKind: not (JsonValueKind.True or JsonValueKind.False) } other)
        {
            Report(name, "type", $"must be true or false, not {NounOf(other)}");
            return null;
        }

        return value?.GetBoolean();
    }

    /// <summary>
    /// An integer within the bounds; <paramref name="because"/> says whose bounds they are. The default is subject to them too.
    /// </summary>
    public long? Integer(string name, bool required, long min, long max, string because, long? byDefault = null)
    {
        JsonElement? value = Typed(name, required, JsonValueKind.Number, "an integer");
        if (value?.TryGetInt64(out _) == false)
        {
            Report(name, "type", $"must be an integer, not {Shown.Clean(value.Value.GetRawText())}");
            return null;
        }

        if ((value?.GetInt64() ?? byDefault) is not { } number)
        {
            return null;
        }

        if (number < min || number > max)
        {
            Report(name, number < min ? "minimum" : "maximum", $"is {number}{(value is null ? " by default" : "")}; it must be from {min} to {max} ({because})");
            return null;
        }

        return number;
    }

    /// <summary>A number that a double holds as written, so that nothing is rounded in silence.</summary>
    public double? Double(string name)
    {
        if (Typed(name, required: false, JsonValueKind.Number, "a number") is not { } value)
        {
            return null;
        }

        double number = value.GetDouble();
        if (!double.IsFinite(number) || !ExactNumber.TryParse(value.GetRawText(), out ExactNumber exact) || ExactNumber.Compare(exact, ExactNumber.Of(number)) != 0)
        {
            Report(name, "precision", $"is {Shown.Clean(value.GetRawText())}, which a double would round; write at most 15 significant digits");
            return null;
        }

        return number;
    }

    /// <summary>One of the names of an enum's values.</summary>
    public T? Choice<T>(string name, bool required)
        where T : struct, Enum
    {
        if (Text(name, required) is not { } text)
        {
            return null;
        }

        T? value = WireName.Parse<T>(text);
        if (value is null)
        {
            Report(name, "choice", $"is {Shown.Quote(text)}; {Shown.Nearest(text, WireName.All<T>())}");
        }

        return value;
    }

    /// <summary>Refuses the members that nobody has asked for.</summary>
    public void Close()
    {
        foreach (JsonProperty member in _element.EnumerateObject().Where(member => !_known.Contains(member.Name)))
        {
            Report(member.Name, "unknown_member", _violations.IsFull ? "" : $"is not known here; {Shown.Nearest(member.Name, _known)}");
        }
    }

    private JsonElement? Typed(string name, bool required, JsonValueKind kind, string noun)
    {
        JsonElement? value = Member(name, required);
        if (value is { } present && present.ValueKind != kind)
        {
            Report(name, "type", $"must be {noun}, not {NounOf(present)}");
            return null;
        }

        return value;
    }
}
