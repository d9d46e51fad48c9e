using System.Text.Json.Nodes;
using Grpc.Core;
using Osa.Client;

namespace Osa.Cli.Output;

/// <summary>Errors: on stderr, with every violation and what to do, as an exit code.</summary>
internal static class ErrorReport
{
    public static int Print(Exception error, bool json)
    {
        var (exitCode, code, message, hint, violations) = error switch
        {
            OsaClientException e => (ExitCode.For(e.Code), e.Code.ToString(), e.Message, Hint(e), e.Violations),
            UsageException => (ExitCode.Invalid, "Usage", error.Message, null, []),
            OperationCanceledException => (ExitCode.Interrupted, "Interrupted", "interrupted", null, []),
            IOException or UnauthorizedAccessException => (ExitCode.Invalid, "LocalFile", error.Message, null, []),
            _ => (ExitCode.Internal, "Internal", $"this is a bug of osa, please report it: {error}", (string?)null, Array.Empty<FieldViolation>()),
        };
        if (json)
        {
            Console.Error.WriteLine(new JsonObject
            {
                ["error"] = new JsonObject
                {
                    ["code"] = code,
                    ["exit_code"] = exitCode,
                    ["message"] = message,
                    ["hint"] = hint,
                    ["violations"] = new JsonArray([.. violations.Select(Violation)]),
                },
            }.ToLine());
            return exitCode;
        }

        Console.Error.WriteLine($"osa: {TerminalText.Block(message)}");
        // A single violation is the message itself.
        foreach (var violation in violations.Where(violation => violations.Count > 1 || !message.Contains(violation.Message, StringComparison.Ordinal)))
        {
            Console.Error.WriteLine($"  {TerminalText.Line($"{violation.Field}: {violation.Message}")}");
        }

        if (hint is not null)
        {
            Console.Error.WriteLine(hint);
        }

        return exitCode;
    }

    private static JsonNode? Violation(FieldViolation violation) => new JsonObject
    {
        ["field"] = violation.Field,
        ["rule"] = violation.Rule.Length > 0 ? violation.Rule : null,
        ["message"] = violation.Message,
    };

    private static string? Hint(OsaClientException error) => error.Code switch
    {
        StatusCode.Unavailable when error.InnerException is RpcException { Status.DebugException: not null } =>
            "Is it running? Start one with: osa node start. Elsewhere? Say where with --node URL or OSA_NODE.",
        StatusCode.Unavailable or StatusCode.DeadlineExceeded or StatusCode.Aborted => "Try again in a moment; osa node status says what is wrong.",
        StatusCode.Unauthenticated => "Give a valid token with --token, OSA_TOKEN or the token file. On the node's machine: osa node token --save",
        StatusCode.PermissionDenied => "It takes a greater role, or the owner. On the node's machine: osa node token --role curator|admin --user NAME",
        StatusCode.ResourceExhausted => "The limits of the node: osa node limits",
        StatusCode.Internal when error.InnerException is RpcException { Status.DebugException: HttpRequestException } =>
            "Something answers there, but not a node: check --node.",
        _ => null,
    };
}
