using Google.Protobuf.WellKnownTypes;

namespace Osa.Cli.Output;

/// <summary>Quantities in words.</summary>
internal static class Show
{
    private static readonly string[] Units = ["bytes", "KiB", "MiB", "GiB", "TiB"];

    public static string? Time(Timestamp? time) => time?.ToDateTimeOffset().UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss'Z'");

    public static string? Duration(Duration? duration) => duration?.ToTimeSpan() switch
    {
        null => null,
        { TotalSeconds: < 1 } span => $"{span.TotalMilliseconds:0} ms",
        { TotalMinutes: < 1 } span => $"{span.TotalSeconds:0.0} s",
        { } span => $"{(long)span.TotalMinutes} min {span.Seconds} s",
    };

    public static string Rows(long rows) => rows == 1 ? "1 row" : $"{rows} rows";

    public static string Bytes(long bytes)
    {
        double value = bytes;
        var unit = 0;
        while (value >= 1024 && unit < Units.Length - 1)
        {
            value /= 1024;
            unit++;
        }

        return unit == 0 ? $"{bytes} bytes" : $"{value:0.0} {Units[unit]}";
    }
}
