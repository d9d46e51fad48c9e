using System.Text.Json;

namespace Osa.Domain.Features;

/// <summary>JSON numbers as doubles and 64-bit integers, without silent loss of range.</summary>
internal static class JsonNumbers
{
    // Far beyond every range here, and small enough to add to a length without overflow.
    private const long MaxExponent = 1_000_000_000;

    /// <summary>The nearest double.</summary>
    public static double ReadDouble(ref Utf8JsonReader reader)
    {
        if (!reader.TryGetDouble(out double value) || !double.IsFinite(value))
            throw OutOfRange(reader.ValueSpan, "a double");
        if (value == 0 && Mantissa(reader.ValueSpan).IndexOfAnyInRange((byte)'1', (byte)'9') >= 0)
            throw OutOfRange(reader.ValueSpan, "a double (it would become zero)");
        return value;
    }

    /// <summary>The integer that the number is; 1.0 and 1e3 are integers.</summary>
    public static long ReadInt64(ref Utf8JsonReader reader) =>
        reader.TryGetInt64(out long value) ? value : ParseInt64(reader.ValueSpan);

    /// <summary>How many digits stand before and after the point when the number is written out without an exponent; never too few.</summary>
    public static (long Integer, long Fraction) Digits(ReadOnlySpan<byte> number)
    {
        ReadOnlySpan<byte> mantissa = Mantissa(number);
        int point = mantissa.IndexOf((byte)'.');
        long integer = point < 0 ? mantissa.Length : point;
        long fraction = point < 0 ? 0 : mantissa.Length - point - 1;
        long exponent = Exponent(number);
        return (Math.Max(1, integer + exponent), Math.Max(0, fraction - exponent));
    }

    private static long ParseInt64(ReadOnlySpan<byte> number)
    {
        ReadOnlySpan<byte> mantissa = Mantissa(number);
        int point = mantissa.IndexOf((byte)'.');
        // The value is 0.<all digits> x 10^scale.
        long scale = (point < 0 ? mantissa.Length : point) + Exponent(number);
        UInt128 value = 0;
        long taken = 0;
        foreach (byte b in mantissa)
        {
            if (b == (byte)'.')
                continue;
            if (taken < scale)
                value = (value * 10) + (uint)(b - '0');
            else if (b != (byte)'0')
                throw new FeatureValueException("", $"expected integer, got {FeatureText.Quote(number)}");
            taken++;
            if (value > (UInt128)long.MaxValue + 1)
                throw OutOfRange(number, "a 64-bit integer");
        }

        for (; taken < scale && value != 0; taken++)
        {
            value *= 10;
            if (value > (UInt128)long.MaxValue + 1)
                throw OutOfRange(number, "a 64-bit integer");
        }

        bool negative = number[0] == (byte)'-';
        if (!negative && value > (UInt128)long.MaxValue)
            throw OutOfRange(number, "a 64-bit integer");
        return negative ? (long)-(Int128)value : (long)value;
    }

    private static ReadOnlySpan<byte> Mantissa(ReadOnlySpan<byte> number)
    {
        int e = number.IndexOfAny((byte)'e', (byte)'E');
        ReadOnlySpan<byte> mantissa = e < 0 ? number : number[..e];
        return mantissa[0] == (byte)'-' ? mantissa[1..] : mantissa;
    }

    private static long Exponent(ReadOnlySpan<byte> number)
    {
        int e = number.IndexOfAny((byte)'e', (byte)'E');
        if (e < 0)
            return 0;
        ReadOnlySpan<byte> digits = number[(e + 1)..];
        bool negative = digits[0] == (byte)'-';
        if (digits[0] is (byte)'-' or (byte)'+')
            digits = digits[1..];
        long exponent = 0;
        foreach (byte b in digits)
            exponent = Math.Min(MaxExponent, (exponent * 10) + (b - '0'));
        return negative ? -exponent : exponent;
    }

    private static FeatureValueException OutOfRange(ReadOnlySpan<byte> number, string of) =>
        new("", $"{FeatureText.Quote(number)} is outside the range of {of}");
}
