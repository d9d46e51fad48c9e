using System.Text;
using Osa.Domain.Conventions;
using Osa.Domain.Errors;
using Osa.Domain.Json;

namespace Osa.Domain.Sources;

/// <summary>What a source leaves in <c>session.json</c> when there is more: handed to its next container as it is.</summary>
public static class SourceSession
{
    private const int MaxBytes = 1 << 20;

    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    /// <returns>The session, or null for none: an empty object and null say so too; or what is wrong with it.</returns>
    public static (string? Json, string? Problem) Read(ReadOnlySpan<byte> utf8, NodeLimits limits)
    {
        string text;
        try
        {
            text = Utf8.GetString(utf8).Trim();
        }
        catch (DecoderFallbackException)
        {
            return (null, "session.json is not valid UTF-8");
        }

        if (text is "" or "null")
        {
            return (null, null);
        }

        var violations = new ViolationList();
        return StrictJson.ReadObject(text, "session.json", "session", MaxBytes, limits.MaxJsonDepth, violations) is { } session
            ? (session.EnumerateObject().Any() ? CanonicalJson.Text(session) : null, null)
            : (null, string.Join("; ", violations.ToList().Select(v => $"{v.Field}: {v.Message}")));
    }
}
