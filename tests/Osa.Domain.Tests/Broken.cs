using Osa.Domain.Errors;

namespace Osa.Domain.Tests;

/// <summary>What a test expects of a refusal.</summary>
internal static class Broken
{
    /// <summary>The violations with which <paramref name="action"/> is refused.</summary>
    public static IReadOnlyList<Violation> By(Action action)
    {
        OsaException refusal = Assert.Throws<OsaException>(action);
        Assert.Equal(ErrorCode.InvalidArgument, refusal.Code);
        Assert.NotEmpty(refusal.Violations);
        return refusal.Violations;
    }

    /// <summary>Field and rule of each, such as <c>hooks[1].limits.memory memory_format</c>.</summary>
    public static string[] Rules(this IEnumerable<Violation> violations) => [.. violations.Select(violation => $"{violation.Field} {violation.Rule}")];
}
