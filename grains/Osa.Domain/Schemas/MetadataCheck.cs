using System.Diagnostics;
using System.Text.Json;
using System.Text.RegularExpressions;
using Osa.Domain.Errors;
using Osa.Domain.Json;

namespace Osa.Domain.Schemas;

/// <summary>One check of one metadata document against the fields of its schema.</summary>
internal sealed partial class MetadataCheck(ViolationList violations)
{
    /// <summary>For all patterns and values together: a long list must not multiply what one slow pattern costs.</summary>
    private static readonly TimeSpan MatchingBudget = TimeSpan.FromSeconds(2);

    private TimeSpan _matching;
    private HashSet<string>? _allowedTerms;

    public void Field(FieldDefinition field, JsonElement metadata, string path)
    {
        _allowedTerms = (field.Constraints as TermConstraints)?.AllowedTerms?.ToHashSet(StringComparer.Ordinal);
        if (!metadata.TryGetProperty(field.Name, out JsonElement value) || value.ValueKind == JsonValueKind.Null)
        {
            if (field.Required)
            {
                violations.Add(path, "required", "is required");
            }
        }
        else if (field.Cardinality == Cardinality.ExactlyOne)
        {
            CheckValue(field, value, path);
        }
        else if (value.ValueKind != JsonValueKind.Array)
        {
            violations.Add(path, "cardinality", $"must be a list, not {ObjectReader.NounOf(value)}; write [ … ] around a single value");
        }
        else
        {
            CheckList(field, value, path);
        }
    }

    private void CheckList(FieldDefinition field, JsonElement list, string path)
    {
        if (field.Cardinality == Cardinality.OneOrMore && list.GetArrayLength() == 0)
        {
            violations.Add(path, "cardinality", field.Required ? "must list at least one value" : "must list at least one value, or be left out");
        }

        int index = 0;
        foreach (JsonElement item in list.EnumerateArray())
        {
            CheckValue(field, item, JsonPath.Item(path, index++));
        }
    }

    private void CheckValue(FieldDefinition field, JsonElement value, string path)
    {
        (JsonValueKind kind, string noun) = field.Type switch
        {
            FieldType.Number => (JsonValueKind.Number, "a number"),
            FieldType.Boolean => (JsonValueKind.True, "true or false"),
            FieldType.Date => (JsonValueKind.String, "a date written as a text"),
            FieldType.Term => (JsonValueKind.String, "a term written as a text"),
            FieldType.Url => (JsonValueKind.String, "an address written as a text"),
            _ => (JsonValueKind.String, "a text"),
        };
        JsonValueKind actual = value.ValueKind == JsonValueKind.False ? JsonValueKind.True : value.ValueKind;
        if (actual != kind)
        {
            string hint = actual == JsonValueKind.Array && field.Cardinality == Cardinality.ExactlyOne ? "; the field takes one value" : "";
            violations.Add(path, "type", $"must be {noun}, not {ObjectReader.NounOf(value)}{hint}");
            return;
        }

        switch (field.Type)
        {
            case FieldType.Text:
                CheckText(field.Constraints as TextConstraints, value.GetString()!, path);
                break;
            case FieldType.Number:
                CheckNumber(field.Constraints as NumberConstraints, value.GetRawText(), path);
                break;
            case FieldType.Date:
                CheckDate(value.GetString()!, path);
                break;
            case FieldType.Term:
                CheckTerm(value.GetString()!, path);
                break;
            case FieldType.Url:
                CheckUrl(field.Constraints as UrlConstraints, value.GetString()!, path);
                break;
        }
    }

    private void CheckText(TextConstraints? rules, string text, string path)
    {
        int length = rules is { MinLength: null, MaxLength: null } or null ? 0 : text.EnumerateRunes().Count();
        if (length < rules?.MinLength)
        {
            violations.Add(path, "min_length", $"has {length} characters; at least {rules.MinLength} are needed");
        }

        if (length > rules?.MaxLength)
        {
            violations.Add(path, "max_length", $"has {length} characters; at most {rules.MaxLength} are allowed");
        }

        CheckPattern(rules?.Pattern, text, path);
    }

    private void CheckPattern(string? pattern, string text, string path)
    {
        if (pattern is null)
        {
            return;
        }

        long start = Stopwatch.GetTimestamp();
        bool? match = _matching > MatchingBudget ? null : TextPattern.IsMatch(pattern, text);
        _matching += Stopwatch.GetElapsedTime(start);
        switch (match)
        {
            case null:
                violations.Add(path, "pattern", $"could not be matched against {Shown.Quote(pattern)} in time; shorten the text, or ask the convention's author for a simpler pattern");
                break;
            case false:
                violations.Add(path, "pattern", $"is {Shown.Quote(text, 40)}, which does not match {Shown.Quote(pattern)}");
                break;
        }
    }

    private void CheckNumber(NumberConstraints? rules, string text, string path)
    {
        if (rules is null || !ExactNumber.TryParse(text, out ExactNumber number))
        {
            return;
        }

        if (rules.IntegerOnly && !number.IsInteger)
        {
            violations.Add(path, "integer_only", $"is {Shown.Clean(text, 40)}; it must be a whole number");
        }

        if (rules.MinValue is { } min && ExactNumber.Compare(number, ExactNumber.Of(min)) < 0)
        {
            violations.Add(path, "min_value", $"is {Shown.Clean(text, 40)}; it must be at least {min:R}");
        }

        if (rules.MaxValue is { } max && ExactNumber.Compare(number, ExactNumber.Of(max)) > 0)
        {
            violations.Add(path, "max_value", $"is {Shown.Clean(text, 40)}; it must be at most {max:R}");
        }
    }

    private void CheckDate(string text, string path)
    {
        if (!FullDate().IsMatch(text) || !DateOnly.TryParseExact(text, "yyyy-MM-dd", out _))
        {
            bool hasTime = text.Length > 10 && DateOnly.TryParseExact(text.AsSpan(0, 10), "yyyy-MM-dd", out _);
            violations.Add(path, "date", $"is {Shown.Quote(text, 40)}; it must be a date such as {(hasTime ? text[..10] : "2026-01-31")} (year, month, day; no time)");
        }
    }

    private void CheckTerm(string text, string path)
    {
        if (!Curie.IsValid(text))
        {
            violations.Add(path, "curie", $"is {Shown.Quote(text, 40)}; it must be {Curie.Rule}");
        }
        else if (_allowedTerms is { } allowed && !allowed.Contains(text))
        {
            violations.Add(
                path,
                "allowed_terms",
                violations.IsFull ? "" : $"is {Shown.Quote(text, 40)}, which is not among the terms of this field; {Shown.Nearest(text, allowed)}");
        }
    }

    private void CheckUrl(UrlConstraints? rules, string text, string path)
    {
        if (!WebAddress().IsMatch(text) || !Uri.TryCreate(text, UriKind.Absolute, out Uri? uri) || uri.Host.Length == 0)
        {
            violations.Add(path, "url", $"is {Shown.Quote(text, 40)}; it must be an absolute http or https address without blanks, such as https://example.org/x");
            return;
        }

        CheckPattern(rules?.Pattern, text, path);
    }

    [GeneratedRegex(@"\A[0-9]{4}-[0-9]{2}-[0-9]{2}\z", RegexOptions.NonBacktracking)]
    private static partial Regex FullDate();

    [GeneratedRegex(@"\A[Hh][Tt][Tt][Pp][Ss]?://[^\s\p{Cc}<>""{}|\\^`]+\z", RegexOptions.NonBacktracking)]
    private static partial Regex WebAddress();
}
