using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Osa.Testing;

namespace Osa.Silo.Tests;

/// <summary>Bearer tokens (RFC 7519), good and bad, made by hand.</summary>
internal static class Tokens
{
    /// <summary>What the node's own tokens claim, with some of it said otherwise, or left out where null.</summary>
    public static JsonObject Claims(params (string Name, JsonNode? Value)[] otherwise) => Claims(TimeSpan.FromHours(1), otherwise);

    public static JsonObject Claims(TimeSpan lifetime, params (string Name, JsonNode? Value)[] otherwise)
    {
        var claims = new JsonObject
        {
            ["aud"] = "authenticated",
            ["sub"] = NodeProcess.UserId("ada").ToString(),
            ["role"] = "admin",
            ["exp"] = (TimeProvider.System.GetUtcNow() + lifetime).ToUnixTimeSeconds(),
        };
        foreach ((string name, JsonNode? value) in otherwise)
        {
            if (value is null)
            {
                claims.Remove(name);
            }
            else
            {
                claims[name] = value;
            }
        }

        return claims;
    }

    /// <summary>Signed with the key of the node, or another.</summary>
    public static string Signed(string data, JsonObject claims, byte[]? key = null, string algorithm = "HS256")
    {
        key ??= Convert.FromBase64String(File.ReadAllText(Path.Combine(data, "secrets", "signing.key")));
        string content = Content(claims, algorithm);
        byte[] signed = Encoding.ASCII.GetBytes(content);
        return $"{content}.{Base64Url.EncodeToString(algorithm == "HS512" ? HMACSHA512.HashData(key, signed) : HMACSHA256.HashData(key, signed))}";
    }

    public static string Unsigned(JsonObject claims) => Content(claims, "none") + ".";

    public static string Encode(string text) => Base64Url.EncodeToString(Encoding.UTF8.GetBytes(text));

    private static string Content(JsonObject claims, string algorithm) =>
        $"{Encode(new JsonObject { ["alg"] = algorithm, ["typ"] = "JWT" }.ToJsonString())}.{Encode(claims.ToJsonString())}";
}
