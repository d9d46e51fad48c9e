using System.Globalization;
using System.Numerics;

namespace Osa.Domain.Json;

/// <summary>A JSON number as written, without rounding: an integer times a power of ten.</summary>
internal readonly struct ExactNumber
{
    /// <summary>
    /// Most digits on either side of the point when written out. Every double fits. PostgreSQL's numeric would hold 131,072 and
    /// 16,383, but then six bytes of input (<c>1e131071</c>) would be 128 KiB of every answer.
    /// </summary>
    public const int MaxDigits = 350;

    private readonly BigInteger _digits;
    private readonly int _exponent;

    private ExactNumber(BigInteger digits, int exponent)
    {
        _digits = digits;
        _exponent = exponent;
    }

    public bool IsInteger => _exponent >= 0 || BigInteger.Remainder(_digits, BigInteger.Pow(10, -_exponent)).IsZero;

    /// <summary>Reads a number in JSON's grammar; false where it has more than <see cref="MaxDigits"/> digits on a side.</summary>
    public static bool TryParse(ReadOnlySpan<char> text, out ExactNumber number)
    {
        number = default;
        // Both sides, a sign, a point and an exponent with room for needless zeros.
        if (text.Length > (2 * MaxDigits) + 100)
        {
            return false;
        }

        int e = text.IndexOfAny('e', 'E');
        ReadOnlySpan<char> mantissa = e < 0 ? text : text[..e];
        if (!long.TryParse(e < 0 ? "0" : text[(e + 1)..], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out long exponent)
            || Math.Abs(exponent) > 1_000_000)
        {
            return false;
        }

        int point = mantissa.IndexOf('.');
        exponent -= point < 0 ? 0 : mantissa.Length - point - 1;
        string digits = point < 0 ? mantissa.ToString() : string.Concat(mantissa[..point], mantissa[(point + 1)..]);
        var value = BigInteger.Parse(digits, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        int significant = digits.AsSpan().TrimStart('-').TrimStart('0').Length;
        if (-exponent > MaxDigits || (significant > 0 && significant + exponent > MaxDigits))
        {
            return false;
        }

        number = new ExactNumber(value, value.IsZero ? (int)Math.Min(exponent, 0) : (int)exponent);
        return true;
    }

    /// <summary>The number a person writes for that double: the shortest text that reads back as it.</summary>
    public static ExactNumber Of(double value) =>
        double.IsFinite(value) && TryParse(value.ToString("R", CultureInfo.InvariantCulture), out ExactNumber number)
            ? number
            : throw new ArgumentOutOfRangeException(nameof(value), value, "not a finite number");

    /// <summary>Below, equal to or above zero as the first is less than, equal to or greater than the second.</summary>
    public static int Compare(ExactNumber first, ExactNumber second)
    {
        int exponent = Math.Min(first._exponent, second._exponent);
        return (first._digits * BigInteger.Pow(10, first._exponent - exponent)).CompareTo(second._digits * BigInteger.Pow(10, second._exponent - exponent));
    }

    /// <summary>Without exponent, with the zeros after the point that were written: the text that PostgreSQL's jsonb gives back.</summary>
    public string ToPlainText()
    {
        string digits = BigInteger.Abs(_digits).ToString(CultureInfo.InvariantCulture);
        string sign = _digits.Sign < 0 ? "-" : "";
        if (_exponent >= 0)
        {
            return sign + digits + new string('0', _exponent);
        }

        digits = digits.PadLeft(1 - _exponent, '0');
        return $"{sign}{digits.AsSpan(0, digits.Length + _exponent)}.{digits.AsSpan(digits.Length + _exponent)}";
    }
}
