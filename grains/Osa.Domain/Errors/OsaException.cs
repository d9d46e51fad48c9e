namespace Osa.Domain.Errors;

/// <summary>Why a request could not be carried out, in the terms that every edge (gRPC, REST, CLI) can translate.</summary>
public enum ErrorCode
{
    /// <summary>Something the caller sent breaks a rule; <see cref="OsaException.Violations"/> say which.</summary>
    InvalidArgument = 1,

    /// <summary>There is no such thing, or the caller may not know of it.</summary>
    NotFound = 2,

    /// <summary>A different thing already has that name.</summary>
    AlreadyExists = 3,

    /// <summary>The thing is in a state that does not allow the request.</summary>
    FailedPrecondition = 4,

    /// <summary>Another change was under way; the same request may succeed when repeated.</summary>
    Aborted = 5,

    /// <summary>The caller is known and may not do this.</summary>
    PermissionDenied = 6,

    /// <summary>The request needs a valid bearer token.</summary>
    Unauthenticated = 7,

    /// <summary>A stated limit of the node was reached.</summary>
    ResourceExhausted = 8,

    /// <summary>Something the node depends on is away; the same request may succeed later.</summary>
    Unavailable = 9,

    /// <summary>The node does not offer this.</summary>
    Unimplemented = 10,

    /// <summary>The request took longer than its deadline.</summary>
    DeadlineExceeded = 11,
}

/// <summary>One broken rule: where, which rule, and what would fix it.</summary>
/// <param name="Field">Path of the value, e.g. <c>hooks[1].limits.memory</c> or <c>metadata.organism</c>.</param>
/// <param name="Rule">Stable name of the rule, e.g. <c>required</c>, <c>max_length</c>.</param>
/// <param name="Message">What is wrong and what would be right, in one sentence.</param>
public sealed record Violation(string Field, string Rule, string Message);

/// <summary>The one exception that crosses grains and edges. Everything else that is thrown is a bug or an outage.</summary>
public sealed class OsaException : Exception
{
    public OsaException(ErrorCode code, string message, IReadOnlyList<Violation>? violations = null, Exception? inner = null)
        : base(message, inner)
    {
        Code = code;
        Violations = violations ?? [];
    }

    public ErrorCode Code { get; }

    /// <summary>Every broken rule, in the order of the input; empty for errors that are not about the input.</summary>
    public IReadOnlyList<Violation> Violations { get; }

    public static OsaException Invalid(string field, string rule, string message) =>
        new(ErrorCode.InvalidArgument, $"{field}: {message}", [new Violation(field, rule, message)]);

    /// <summary>All <paramref name="violations"/> at once; the message quotes the first.</summary>
    public static OsaException Invalid(string what, IReadOnlyList<Violation> violations) =>
        new(
            ErrorCode.InvalidArgument,
            violations.Count == 1
                ? $"{what}: {violations[0].Field}: {violations[0].Message}"
                : $"{what}: {violations.Count} problems, the first: {violations[0].Field}: {violations[0].Message}",
            violations);

    public static OsaException NotFound(string what) => new(ErrorCode.NotFound, $"{what} was not found");

    public static OsaException Precondition(string message) => new(ErrorCode.FailedPrecondition, message);

    public static OsaException Unavailable(string message, Exception? inner = null) => new(ErrorCode.Unavailable, message, null, inner);
}
