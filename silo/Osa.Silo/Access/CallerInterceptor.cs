using System.Collections.Concurrent;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using Osa.Domain.Access;
using Osa.Domain.Errors;
using Osa.Domain.Faults;

namespace Osa.Silo.Access;

/// <summary>Reads the bearer token, and lets an operation begin only for its minimum role.</summary>
public sealed class CallerInterceptor(OperationRoles roles, SigningKey key) : Interceptor
{
    /// <summary>The audience of every token of this system.</summary>
    public const string Audience = "authenticated";

    private const string Scheme = "Bearer ";
    private static readonly object CallerKey = new();

    private const int RememberedTokens = 10_000;

    // Whoever signed a token read a clock on the wall.
    private static readonly TimeProvider Wall = FaultClock.OfNode;

    private readonly ConcurrentDictionary<string, (Caller Caller, DateTime Expires)> _remembered = new(StringComparer.Ordinal);
    private readonly JsonWebTokenHandler _handler = new() { MapInboundClaims = false };
    private readonly TokenValidationParameters _rules = new()
    {
        IssuerSigningKey = new SymmetricSecurityKey(key.Bytes),
        ValidAlgorithms = [SecurityAlgorithms.HmacSha256],
        ValidAudience = Audience,
        ValidateIssuer = false,
        RequireExpirationTime = true,
        LifetimeValidator = (notBefore, expires, _, _) =>
            expires > Wall.GetUtcNow().UtcDateTime && (notBefore is null || notBefore <= Wall.GetUtcNow().UtcDateTime.AddMinutes(1)),
    };

    public static Caller CallerOf(ServerCallContext context) => (Caller)context.UserState[CallerKey];

    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        await AdmitAsync(context);
        return await continuation(request, context);
    }

    public override async Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, ServerStreamingServerMethod<TRequest, TResponse> continuation)
    {
        await AdmitAsync(context);
        await continuation(request, responseStream, context);
    }

    public override async Task<TResponse> ClientStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, ServerCallContext context, ClientStreamingServerMethod<TRequest, TResponse> continuation)
    {
        await AdmitAsync(context);
        return await continuation(requestStream, context);
    }

    public override async Task DuplexStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, DuplexStreamingServerMethod<TRequest, TResponse> continuation)
    {
        await AdmitAsync(context);
        await continuation(requestStream, responseStream, context);
    }

    private async Task AdmitAsync(ServerCallContext context)
    {
        if (OperationRoles.IsStandard(context.Method))
        {
            return;
        }

        Role minimum = roles.Of(context.Method);
        Caller caller = await CallerAsync(context.RequestHeaders.GetValue("authorization"));
        if (!caller.Has(minimum))
        {
            throw caller.Role == Role.Public
                ? new OsaException(ErrorCode.Unauthenticated, "This needs a token: send it as `authorization: Bearer …`")
                : new OsaException(ErrorCode.PermissionDenied, $"This needs the role {minimum.ToString().ToLowerInvariant()}; the token has {caller.Role.ToString().ToLowerInvariant()}");
        }

        context.UserState[CallerKey] = caller;
    }

    // A token that is sent must be good, also where none is needed: a caller whose token ran out should learn it.
    private async Task<Caller> CallerAsync(string? header)
    {
        if (header is null)
        {
            return Caller.Anonymous;
        }

        // A signature that was good stays good until the token expires; a client sends the same one with every call.
        if (_remembered.TryGetValue(header, out (Caller Caller, DateTime Expires) known) && known.Expires > Wall.GetUtcNow().UtcDateTime)
        {
            return known.Caller;
        }

        if (!header.StartsWith(Scheme, StringComparison.Ordinal))
        {
            throw new OsaException(ErrorCode.Unauthenticated, "The authorization header must be `Bearer ` and a token");
        }

        TokenValidationResult result = await _handler.ValidateTokenAsync(header[Scheme.Length..], _rules);
        if (!result.IsValid)
        {
            throw new OsaException(ErrorCode.Unauthenticated, result.Exception is SecurityTokenInvalidLifetimeException or SecurityTokenExpiredException ? "The token has expired; get a new one" : "The token is not valid here");
        }

        Caller caller = result.ClaimsIdentity.FindFirst("sub")?.Value is { } sub && Guid.TryParse(sub, out Guid user) && user != Guid.Empty
            && Enum.TryParse(result.ClaimsIdentity.FindFirst("role")?.Value, ignoreCase: true, out Role role) && Enum.IsDefined(role)
            ? new Caller(user, role)
            : throw new OsaException(ErrorCode.Unauthenticated, "The token names no user and role that this node knows");
        if (_remembered.Count >= RememberedTokens)
        {
            _remembered.Clear();
        }

        _remembered[header] = (caller, result.SecurityToken.ValidTo);
        return caller;
    }
}
