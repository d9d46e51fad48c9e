using System.Diagnostics;
using Osa.Domain.Conventions;
using Osa.Domain.Features;

namespace Osa.Benchmarks.Features;

/// <summary>How fast a features file is checked and brought into canonical form, in memory.</summary>
internal sealed class CheckBenchmark : IBenchmark
{
    private const int Rows = 100_000;

    public async Task<bool> RunAsync(CancellationToken cancellation)
    {
        string path = Path.GetTempFileName();
        await FeatureSample.WriteJsonAsync(path, Rows);
        byte[] json = await File.ReadAllBytesAsync(path, cancellation);
        File.Delete(path);

        var seconds = new List<double>();
        for (int i = 0; i < 30; i++)
        {
            long started = Stopwatch.GetTimestamp();
            await FeatureFile.CheckAsync(new MemoryStream(json), FeatureSample.Manifest("sample"), new NodeLimits(), Stream.Null, cancellation);
            seconds.Add(Stopwatch.GetElapsedTime(started).TotalSeconds);
        }

        double median = Statistics.Median(seconds);
        Console.WriteLine($"check: {Rows / median:N0} rows/s, {json.Length / median / 1e6:N0} MB/s of JSON ({json.Length / 1e6:N1} MB, median of {seconds.Count}, best {seconds.Min():F3} s)");
        return true;
    }
}
