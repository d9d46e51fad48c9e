using Grpc.Core;
using Osa.Client;

namespace Osa.Silo.Tests;

/// <summary>What a node must refuse.</summary>
internal static class Expect
{
    /// <returns>The refusal, for what it says.</returns>
    public static async Task<OsaClientException> RefusedAsync(StatusCode code, Func<Task> call)
    {
        OsaClientException refusal = await Assert.ThrowsAsync<OsaClientException>(call);
        Assert.True(refusal.Code == code, $"expected {code}, got {refusal.Code}: {refusal.Message}");
        return refusal;
    }

    public static void Says(string text, string actual) => Assert.Contains(text, actual, StringComparison.Ordinal);

    /// <summary>Waits for all; the first failure is the test's.</summary>
    public static async Task<T[]> AllAsync<T>(IEnumerable<Task<T>> tasks) => await Task.WhenAll(tasks);
}
