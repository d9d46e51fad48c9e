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

    /// <param name="part">0.99 for the 99th percentile.</param>
    public static double Percentile(IEnumerable<double> values, double part)
    {
        double[] sorted = [.. values.Order()];
        return sorted[Math.Min(sorted.Length - 1, (int)Math.Ceiling(sorted.Length * part) - 1)];
    }
}
