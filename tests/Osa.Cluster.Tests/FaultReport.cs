namespace Osa.Cluster.Tests;

/// <summary>What was broken, a row each, for the page that <c>tests/run --long</c> makes of them.</summary>
internal static class FaultReport
{
    private static readonly string? Page = Environment.GetEnvironmentVariable("OSA_FAULT_REPORT");
    private static readonly Lock Writing = new();

    /// <param name="broken">What failed, and how.</param>
    /// <param name="found">What was checked afterwards, and held.</param>
    public static void Add(string broken, string found)
    {
        if (Page is not null)
        {
            lock (Writing)
            {
                File.AppendAllText(Page, $"| {broken} | {found} | `{TestContext.Current.TestMethod!.MethodName}` |\n");
            }
        }
    }
}
