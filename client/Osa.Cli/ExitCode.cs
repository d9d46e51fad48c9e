using Grpc.Core;

namespace Osa.Cli;

/// <summary>What the process answers; printed by every <c>--help</c>.</summary>
internal static class ExitCode
{
    public const int Ok = 0;
    public const int Verdict = 1;
    public const int Invalid = 2;
    public const int NotFound = 3;
    public const int NotAllowed = 4;
    public const int Unavailable = 5;
    public const int Conflict = 6;
    public const int LimitReached = 7;
    public const int Internal = 8;
    public const int Interrupted = 130;

    public const string Help = """
        Exit codes:
          0    done
          1    the verdict is rejected, failed or cancelled; or the node is degraded (osa node status) or late (osa node stuck)
          2    wrong usage or invalid input
          3    not found
          4    not allowed: no token, an expired one, or too small a role
          5    the node cannot be reached, or something that it needs is away
          6    conflict: the name is taken, or the state does not allow it
          7    a limit of the node is reached
          8    anything else, a damaged transfer among it
          130  interrupted (Ctrl-C)
        """;

    public static int For(StatusCode code) => code switch
    {
        StatusCode.OK => Ok,
        StatusCode.InvalidArgument or StatusCode.OutOfRange => Invalid,
        StatusCode.NotFound => NotFound,
        StatusCode.PermissionDenied or StatusCode.Unauthenticated => NotAllowed,
        StatusCode.Unavailable or StatusCode.DeadlineExceeded => Unavailable,
        StatusCode.AlreadyExists or StatusCode.FailedPrecondition or StatusCode.Aborted => Conflict,
        StatusCode.ResourceExhausted => LimitReached,
        _ => Internal,
    };
}
