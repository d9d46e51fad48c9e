using System.Globalization;
using CsCheck;
using Osa.Domain.Json;

namespace Osa.Domain.Tests.Json;

public class ExactNumberTests
{
    [Theory]
    [InlineData("0", "0")]
    [InlineData("-0", "0")]
    [InlineData("-0.0", "0.0")]
    [InlineData("1.50", "1.50")]
    [InlineData("1e2", "100")]
    [InlineData("1.0e1", "10")]
    [InlineData("0e-3", "0.000")]
    [InlineData("0e9999", "0")]
    [InlineData("12.5e-3", "0.0125")]
    [InlineData("1.200e2", "120.0")]
    [InlineData("-1.5E+1", "-15")]
    [InlineData("9007199254740993", "9007199254740993")]
    public void A_number_is_written_out_as_PostgreSQL_writes_it(string text, string plain)
    {
        Assert.True(ExactNumber.TryParse(text, out ExactNumber number));
        Assert.Equal(plain, number.ToPlainText());
    }

    [Theory]
    [InlineData("1e349", true)]
    [InlineData("1e350", false)]
    [InlineData("1e-350", true)]
    [InlineData("1e-351", false)]
    [InlineData("0e-351", false)]
    [InlineData("1e999999999999999999999", false)]
    [InlineData("1e2000000", false)]
    [InlineData("1.7976931348623157e308", true)]
    [InlineData("4.9406564584124654e-324", true)]
    public void A_number_has_at_most_350_digits_on_each_side(string text, bool held) => Assert.Equal(held, ExactNumber.TryParse(text, out _));

    [Fact]
    public void Endless_digits_are_not_even_read() => Assert.False(ExactNumber.TryParse(new string('9', 1_000_000), out _));

    [Theory]
    [InlineData("5.0", true)]
    [InlineData("5.5", false)]
    [InlineData("55e-1", false)]
    [InlineData("50e-1", true)]
    [InlineData("1e3", true)]
    [InlineData("-0.0", true)]
    public void Whole_numbers_are_told_by_value(string text, bool whole)
    {
        Assert.True(ExactNumber.TryParse(text, out ExactNumber number));
        Assert.Equal(whole, number.IsInteger);
    }

    [Fact]
    public void Order_is_that_of_the_values() => Gen.Select(Gen.Decimal[-1e9m, 1e9m], Gen.Decimal[-1e9m, 1e9m]).Sample((left, right) =>
        Assert.Equal(Math.Sign(left.CompareTo(right)), Math.Sign(ExactNumber.Compare(Of(left), Of(right)))));

    [Fact]
    public void Every_double_is_held_as_people_write_it() => Gen.Double.Where(double.IsFinite).Sample(value =>
        Assert.Equal(value, double.Parse(ExactNumber.Of(value).ToPlainText(), CultureInfo.InvariantCulture)));

    [Fact]
    public void What_is_no_number_has_no_exact_value() => Assert.Throws<ArgumentOutOfRangeException>(() => ExactNumber.Of(double.PositiveInfinity));

    private static ExactNumber Of(decimal value)
    {
        Assert.True(ExactNumber.TryParse(value.ToString(CultureInfo.InvariantCulture), out ExactNumber number));
        return number;
    }
}
