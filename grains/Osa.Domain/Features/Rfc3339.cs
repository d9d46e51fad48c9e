namespace Osa.Domain.Features;

/// <summary>Dates and instants as RFC 3339 writes them, in PostgreSQL's count: days, or microseconds, since 2000-01-01.</summary>
internal static class Rfc3339
{
    private const string DateTimeForm = "an RFC 3339 date-time with offset such as 2026-01-31T12:00:00.25+01:00";

    private static readonly long EpochTicks = new DateTime(2000, 1, 1, 0, 0, 0, DateTimeKind.Utc).Ticks;
    private static readonly int EpochDay = new DateOnly(2000, 1, 1).DayNumber;

    /// <summary>Days of <c>YYYY-MM-DD</c>, years 1 to 9999.</summary>
    public static int ParseDate(ReadOnlySpan<byte> text)
    {
        if (text.Length != 10 || !TryDate(text, out DateOnly date))
            throw new FeatureValueException("", $"expected a date such as 2026-01-31, got \"{FeatureText.Quote(text)}\"");
        return date.DayNumber - EpochDay;
    }

    /// <summary>Microseconds of <c>YYYY-MM-DDTHH:MM:SS[.fraction](Z|±HH:MM)</c>; the instant lies in the years 1 to 9999.</summary>
    public static long ParseDateTime(ReadOnlySpan<byte> text)
    {
        if (text.Length < 20
            || !TryDate(text[..10], out DateOnly date)
            || text[10] is not ((byte)'T' or (byte)'t')
            || !TryNumber(text.Slice(11, 2), 23, out int hour) || text[13] != (byte)':'
            || !TryNumber(text.Slice(14, 2), 59, out int minute) || text[16] != (byte)':'
            || !TryNumber(text.Slice(17, 2), 60, out int second))
        {
            throw Malformed(text, DateTimeForm);
        }

        if (second == 60)
            throw Malformed(text, "no leap second (PostgreSQL would make it the next minute)");

        ReadOnlySpan<byte> rest = text[19..];
        long microseconds = 0;
        if (rest[0] == (byte)'.')
        {
            int digits = rest[1..].IndexOfAnyExceptInRange((byte)'0', (byte)'9');
            if (digits <= 0)
                throw Malformed(text, DateTimeForm);
            for (int i = 0; i < Math.Max(6, digits); i++)
            {
                int digit = i < digits ? rest[i + 1] - '0' : 0;
                if (i < 6)
                    microseconds = (microseconds * 10) + digit;
                else if (digit != 0)
                    throw Malformed(text, "at most microseconds (six digits after the second)");
            }

            rest = rest[(digits + 1)..];
        }

        long ticks = date.ToDateTime(new TimeOnly(hour, minute, second)).Ticks - Offset(rest, text).Ticks;
        if (ticks < 0 || ticks >= DateTime.MaxValue.Ticks)
            throw Malformed(text, "an instant in the years 1 to 9999 (UTC)");
        return ((ticks - EpochTicks) / TimeSpan.TicksPerMicrosecond) + microseconds;
    }

    private static TimeSpan Offset(ReadOnlySpan<byte> zone, ReadOnlySpan<byte> text)
    {
        if (zone.Length == 1 && zone[0] is (byte)'Z' or (byte)'z')
            return TimeSpan.Zero;
        if (zone.Length != 6 || zone[0] is not ((byte)'+' or (byte)'-') || zone[3] != (byte)':'
            || !TryNumber(zone.Slice(1, 2), 23, out int hours) || !TryNumber(zone.Slice(4, 2), 59, out int minutes))
        {
            throw Malformed(text, DateTimeForm);
        }

        var offset = new TimeSpan(hours, minutes, 0);
        return zone[0] == (byte)'-' ? -offset : offset;
    }

    private static bool TryDate(ReadOnlySpan<byte> text, out DateOnly date)
    {
        date = default;
        if (!TryNumber(text[..4], 9999, out int year) || text[4] != (byte)'-'
            || !TryNumber(text.Slice(5, 2), 12, out int month) || text[7] != (byte)'-'
            || !TryNumber(text.Slice(8, 2), 31, out int day)
            || year < 1 || month < 1 || day < 1 || day > DateTime.DaysInMonth(year, month))
        {
            return false;
        }

        date = new DateOnly(year, month, day);
        return true;
    }

    private static bool TryNumber(ReadOnlySpan<byte> digits, int max, out int value)
    {
        value = 0;
        foreach (byte b in digits)
        {
            if (b is < (byte)'0' or > (byte)'9')
                return false;
            value = (value * 10) + (b - '0');
        }

        return value <= max;
    }

    private static FeatureValueException Malformed(ReadOnlySpan<byte> text, string expected) =>
        new("", $"expected {expected}, got \"{FeatureText.Quote(text)}\"");
}
