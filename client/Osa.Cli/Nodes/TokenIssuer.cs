using System.Security.Cryptography;
using System.Text;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Osa.Cli.Nodes;

/// <summary>A bearer token and what it says.</summary>
internal sealed record IssuedToken(string Token, Guid UserId, string Name, string Role, DateTimeOffset ExpiresAt);

/// <summary>Issues tokens as the node itself would: JWT, HS256, audience <c>authenticated</c>.</summary>
internal static class TokenIssuer
{
    // Any fixed UUID; it keeps these ids apart from those that others derive from the same names.
    private static readonly Guid Namespace = new("6f8a1f0e-3f0c-4a53-9d5c-0d4f6c1f7a11");

    /// <param name="user">A UUID, or a name that always gives the same one.</param>
    public static IssuedToken Issue(byte[] key, string user, string role, int days, TimeProvider clock)
    {
        var userId = Guid.TryParseExact(user, "D", out var id) ? id : IdOf(user);
        var now = clock.GetUtcNow();
        var expires = now.AddDays(days);
        var token = new JsonWebTokenHandler { SetDefaultTimesOnTokenCreation = false }.CreateToken(new SecurityTokenDescriptor
        {
            Claims = new Dictionary<string, object>
            {
                ["sub"] = userId.ToString(),
                ["name"] = user,
                ["role"] = role,
                ["jti"] = Guid.NewGuid().ToString("N"),
            },
            Audience = "authenticated",
            IssuedAt = now.UtcDateTime,
            Expires = expires.UtcDateTime,
            SigningCredentials = new SigningCredentials(new SymmetricSecurityKey(key), SecurityAlgorithms.HmacSha256),
        });
        return new IssuedToken(token, userId, user, role, expires);
    }

    /// <summary>A UUID of version 8 (RFC 9562, 5.8): SHA-256 over the namespace and the name, as version 5 does with SHA-1.</summary>
    public static Guid IdOf(string name)
    {
        var hash = SHA256.HashData([.. Namespace.ToByteArray(bigEndian: true), .. Encoding.UTF8.GetBytes(name)]);
        hash[6] = (byte)((hash[6] & 0x0F) | 0x80);
        hash[8] = (byte)((hash[8] & 0x3F) | 0x80);
        return new Guid(hash.AsSpan(0, 16), bigEndian: true);
    }
}
