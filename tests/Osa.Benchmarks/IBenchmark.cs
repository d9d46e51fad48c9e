namespace Osa.Benchmarks;

/// <summary>One measurement with its floor, printed for the README's performance table.</summary>
internal interface IBenchmark
{
    /// <returns>Whether the bar was reached.</returns>
    Task<bool> RunAsync(CancellationToken cancellation);
}

internal static class Statistics
{
    public static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        int middle = sorted.Length / 2;
        return sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}
