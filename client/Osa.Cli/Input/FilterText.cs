using System.Globalization;
using Osa.V1;
using Superpower;
using Superpower.Display;
using Superpower.Model;
using Superpower.Parsers;
using Superpower.Tokenizers;
using Piece = Superpower.Parsers.Token;

namespace Osa.Cli.Input;

/// <summary>
/// A filter as people write one: <c>length &gt;= 100 and (name prefix 'ab' or not metadata.organism in ('Homo sapiens', 'Mus musculus'))
/// and note is null</c>. Texts stand in single quotes, a quote inside is doubled.
/// </summary>
internal static class FilterText
{
    public const string Help = "A condition such as \"length >= 100 and not (name prefix 'ab' or metadata.organism in ('Homo sapiens', 'Mus musculus')) and note is null\": "
        + "= != < <= > >= in prefix 'is null' 'is not null', joined by and, or, not; texts, dates and times in single quotes";

    private static readonly Tokenizer<Kind> Tokens = new TokenizerBuilder<Kind>()
        .Ignore(Span.WhiteSpace)
        .Match(Character.EqualTo('('), Kind.Open)
        .Match(Character.EqualTo(')'), Kind.Close)
        .Match(Character.EqualTo(','), Kind.Comma)
        .Match(Span.EqualTo("<=").Or(Span.EqualTo(">=")).Or(Span.EqualTo("!=")).Or(Span.EqualTo("<>")).Or(Span.EqualTo("<")).Or(Span.EqualTo(">")).Or(Span.EqualTo("=")), Kind.Compare)
        .Match(Span.Regex("'(?:[^']|'')*'"), Kind.Text)
        .Match(Span.Regex("-?[0-9]+(?:\\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"), Kind.Number, requireDelimiters: true)
        .Match(Span.Regex("[A-Za-z_][A-Za-z0-9_.]*"), Kind.Word, requireDelimiters: true)
        .Build();

    private static readonly TokenListParser<Kind, FeatureValue> Value =
        Piece.EqualTo(Kind.Text).Select(static t => new FeatureValue { Text = t.ToStringValue()[1..^1].Replace("''", "'", StringComparison.Ordinal) })
            .Or(Piece.EqualTo(Kind.Number).Select(static t => Number(t.ToStringValue())))
            .Or(Word("true").Select(static _ => new FeatureValue { Boolean = true }))
            .Or(Word("false").Select(static _ => new FeatureValue { Boolean = false }))
            .Named("a value: a number, true, false, or a text in single quotes");

    private static readonly TokenListParser<Kind, (Operator Op, FeatureValue[] Values, bool Not)> Test =
        (from op in Piece.EqualTo(Kind.Compare)
         from value in Value
         select (OperatorOf(op.ToStringValue()), new[] { value }, false))
        .Or(from _ in Word("in")
            from open in Piece.EqualTo(Kind.Open)
            from values in Value.ManyDelimitedBy(Piece.EqualTo(Kind.Comma))
            from close in Piece.EqualTo(Kind.Close)
            select (Operator.In, values, false))
        .Or(from _ in Word("prefix")
            from value in Value
            select (Operator.Prefix, new[] { value }, false))
        .Or(from _ in Word("is")
            from not in Word("not").OptionalOrDefault()
            from nothing in Word("null")
            select (Operator.IsNull, Array.Empty<FeatureValue>(), not.HasValue))
        .Named("=, !=, <, <=, >, >=, in, prefix or is null");

    private static readonly TokenListParser<Kind, Filter> Comparison =
        from column in Piece.EqualTo(Kind.Word)
        from test in Test
        select Negated(new Filter { Compare = new Comparison { Column = column.ToStringValue(), Op = test.Op, Values = { test.Values } } }, test.Not);

    private static readonly TokenListParser<Kind, Filter> Factor =
        (from _ in Word("not")
         from inner in Superpower.Parse.Ref(() => Factor!)
         select Negated(inner, true))
        .Or(from open in Piece.EqualTo(Kind.Open)
            from inner in Superpower.Parse.Ref(() => Any!)
            from close in Piece.EqualTo(Kind.Close)
            select inner)
        .Or(Comparison);

    private static readonly TokenListParser<Kind, Filter> All =
        Factor.AtLeastOnceDelimitedBy(Word("and")).Select(static parts => parts.Length == 1 ? parts[0] : new Filter { All = new FilterList { Filters = { parts } } });

    private static readonly TokenListParser<Kind, Filter> Any =
        All.AtLeastOnceDelimitedBy(Word("or")).Select(static parts => parts.Length == 1 ? parts[0] : new Filter { Any = new FilterList { Filters = { parts } } });

    private enum Kind
    {
        [Token(Example = "(")]
        Open,
        [Token(Example = ")")]
        Close,
        [Token(Example = ",")]
        Comma,
        [Token(Description = "comparison")]
        Compare,
        [Token(Description = "text in single quotes")]
        Text,
        [Token(Description = "number")]
        Number,
        [Token(Description = "word")]
        Word,
    }

    /// <summary>Null for none.</summary>
    /// <exception cref="UsageException">It is no filter; says where it stops being one.</exception>
    public static Filter? Parse(string? text)
    {
        if (string.IsNullOrWhiteSpace(text))
        {
            return null;
        }

        var tokens = Tokens.TryTokenize(text);
        if (!tokens.HasValue)
        {
            throw new UsageException($"--where: {tokens}");
        }

        var parsed = Any.AtEnd().TryParse(tokens.Value);
        return parsed.HasValue ? parsed.Value : throw new UsageException($"--where: {parsed}");
    }

    private static TokenListParser<Kind, Token<Kind>> Word(string word) =>
        Piece.EqualTo(Kind.Word).Where(t => t.ToStringValue().Equals(word, StringComparison.OrdinalIgnoreCase)).Try().Named(word);

    private static Filter Negated(Filter filter, bool negated) => negated ? new Filter { Not = filter } : filter;

    private static FeatureValue Number(string text) => long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var integer)
        ? new FeatureValue { Integer = integer }
        : new FeatureValue { Number = double.Parse(text, CultureInfo.InvariantCulture) };

    private static Operator OperatorOf(string text) => text switch
    {
        "=" => Operator.Equal,
        "!=" or "<>" => Operator.NotEqual,
        "<" => Operator.Less,
        "<=" => Operator.LessOrEqual,
        ">" => Operator.Greater,
        _ => Operator.GreaterOrEqual,
    };
}
