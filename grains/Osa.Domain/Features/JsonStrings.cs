using System.Buffers;
using System.Text.Json;
using System.Text.Unicode;

namespace Osa.Domain.Features;

/// <summary>Strings as PostgreSQL can hold them: valid Unicode without NUL.</summary>
internal static class JsonStrings
{
    /// <summary>Unescapes the string that was read; <paramref name="destination"/> is at least as long as its token.</summary>
    /// <returns>Bytes of UTF-8.</returns>
    public static int Copy(ref Utf8JsonReader reader, scoped Span<byte> destination)
    {
        if (!reader.ValueIsEscaped)
        {
            CheckUnescaped(reader.ValueSpan);
            reader.ValueSpan.CopyTo(destination);
            return reader.ValueSpan.Length;
        }

        int written;
        try
        {
            written = reader.CopyString(destination);
        }
        catch (InvalidOperationException)
        {
            throw new FeatureValueException("", "not valid Unicode: half of a surrogate pair, or not UTF-8");
        }

        if (destination[..written].Contains((byte)0))
            throw new FeatureValueException("", "contains NUL (\\u0000), which PostgreSQL cannot hold");
        return written;
    }

    /// <summary>Checks the string or member name that was read.</summary>
    public static void Check(ref Utf8JsonReader reader)
    {
        if (!reader.ValueIsEscaped)
        {
            CheckUnescaped(reader.ValueSpan);
            return;
        }

        byte[] unescaped = ArrayPool<byte>.Shared.Rent(reader.ValueSpan.Length);
        try
        {
            _ = Copy(ref reader, unescaped);
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(unescaped);
        }
    }

    // An unescaped NUL is not JSON, so the reader has refused it.
    private static void CheckUnescaped(ReadOnlySpan<byte> utf8)
    {
        if (!Utf8.IsValid(utf8))
            throw new FeatureValueException("", "not valid UTF-8");
    }
}
