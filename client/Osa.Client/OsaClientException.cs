using System.Net.Sockets;
using Google.Rpc;
using Grpc.Core;

namespace Osa.Client;

/// <summary>One broken rule, as the node reports it.</summary>
/// <param name="Field">Path of the value, e.g. <c>metadata.organism</c>.</param>
/// <param name="Rule">Stable name of the rule, e.g. <c>required</c>; empty where the node names none.</param>
/// <param name="Message">What is wrong and what would be right.</param>
public sealed record FieldViolation(string Field, string Rule, string Message);

/// <summary>A call that the node refused, or that did not reach it.</summary>
public sealed class OsaClientException : Exception
{
    public OsaClientException(StatusCode code, string message, IReadOnlyList<FieldViolation>? violations = null, Exception? inner = null)
        : base(message, inner)
    {
        Code = code;
        Violations = violations ?? [];
    }

    public StatusCode Code { get; }

    /// <summary>Every broken rule, in the order of the input; empty for errors that are not about the input.</summary>
    public IReadOnlyList<FieldViolation> Violations { get; }

    /// <summary>The same call may succeed when repeated.</summary>
    public bool IsTransient => Code is StatusCode.Unavailable or StatusCode.Aborted or StatusCode.DeadlineExceeded;

    /// <summary>Reads the <c>google.rpc.Status</c> details that the node attached (<c>BadRequest</c> violations), where there are any.</summary>
    internal static OsaClientException From(RpcException error, Uri node)
    {
        // No answer of a node carries a local exception; a connection that could not be made or broke does.
        if (error.Status.DebugException is { } cause)
        {
            while (cause.InnerException is not null)
            {
                cause = cause.InnerException;
            }

            // A stream that a stopping node resets is reported as Internal or Cancelled.
            var code = cause is IOException or SocketException ? StatusCode.Unavailable : error.StatusCode;
            return new OsaClientException(code, $"the node at {node} cannot be reached: {cause.Message}", null, error);
        }

        var violations = error.GetRpcStatus()?.GetDetail<BadRequest>()?.FieldViolations
            .Select(static violation => new FieldViolation(violation.Field, violation.Reason, violation.Description))
            .ToList();
        var message = error.Status.Detail is { Length: > 0 } detail ? detail : $"the node answered {error.StatusCode}";
        return new OsaClientException(error.StatusCode, message, violations, error);
    }
}
