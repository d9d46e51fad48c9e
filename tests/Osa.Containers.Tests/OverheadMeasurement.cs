using System.Diagnostics;
using Docker.DotNet.Models;
using Osa.Containers.Engine;

namespace Osa.Containers.Tests;

/// <summary>What this library costs beside the engine. Run by hand: <c>dotnet Osa.Containers.Tests.dll -explicit only -showliveoutput</c>.</summary>
public sealed class OverheadMeasurement(EngineFixture host)
{
    private const int Pairs = 60;

    [Fact(Explicit = true)]
    public async Task Prepare_run_and_remove_beside_create_start_wait_inspect_and_remove()
    {
        List<double> floor = [];
        List<double> ours = [];
        List<double>[] steps = [[], [], []];
        for (int i = -3; i < Pairs; i++)
        {
            double raw = await FloorAsync();
            double[] took = await StepsAsync(host.Job("""{"do":"noop"}"""));
            if (i < 0)
                continue;
            floor.Add(raw);
            ours.Add(took.Sum());
            for (int step = 0; step < 3; step++)
                steps[step].Add(took[step]);
        }

        double difference = Median([.. ours.Zip(floor, (a, b) => a - b)]);
        Console.WriteLine(
            $"medians of {Pairs} pairs: floor {Median(floor):0.0} ms, ours {Median(ours):0.0} ms (prepare {Median(steps[0]):0.0}, run {Median(steps[1]):0.0}, remove {Median(steps[2]):0.0}); median difference {difference:0.0} ms; fastest fifth: floor {Fast(floor):0.0} ms, ours {Fast(ours):0.0} ms");
    }

    [Fact(Explicit = true)]
    public async Task A_source_beside_a_hook()
    {
        List<double>[] hook = [[], [], []];
        List<double>[] source = [[], [], []];
        for (int i = -2; i < Pairs / 3; i++)
        {
            double[] withoutNetwork = await StepsAsync(host.Job("""{"do":"noop"}"""));
            double[] withNetwork = await StepsAsync(host.SourceJob("""{"do":"noop"}"""));
            for (int step = 0; step < 3 && i >= 0; step++)
            {
                hook[step].Add(withoutNetwork[step]);
                source[step].Add(withNetwork[step]);
            }
        }

        Console.WriteLine(
            $"medians of {Pairs / 3} pairs, hook and source: prepare {Median(hook[0]):0} and {Median(source[0]):0} ms, run {Median(hook[1]):0} and {Median(source[1]):0} ms, remove {Median(hook[2]):0} and {Median(source[2]):0} ms");
    }

    private async Task<double[]> StepsAsync(ContainerJob job)
    {
        long t0 = Stopwatch.GetTimestamp();
        PreparedContainer container = await host.PrepareAsync(job);
        long t1 = Stopwatch.GetTimestamp();
        ContainerOutcome outcome = await host.RunAsync(container);
        long t2 = Stopwatch.GetTimestamp();
        await host.Engine.RemoveAsync(job.Name, outcome.ContainerId, default);
        return [Stopwatch.GetElapsedTime(t0, t1).TotalMilliseconds, Stopwatch.GetElapsedTime(t1, t2).TotalMilliseconds, Stopwatch.GetElapsedTime(t2).TotalMilliseconds];
    }

    // The same container with the same hardening and mounts, by the engine's API alone.
    private async Task<double> FloorAsync()
    {
        ContainerJob job = host.Job("""{"do":"noop"}""");
        string scratch = Path.Combine(host.DataDirectory, "floor");
        string input = Path.Combine(scratch, "in");
        string output = Path.Combine(scratch, "out");
        Directory.CreateDirectory(Path.Combine(input, "files"));
        Directory.CreateDirectory(output);
        await File.WriteAllBytesAsync(Path.Combine(input, "config.json"), job.Documents["config.json"]);
        CreateContainerParameters parameters = Hardening.Container(
            job.Name + "-floor",
            new LocalImage(job.ImageDigest, []),
            new Dictionary<string, string>(),
            job.Environment,
            job.Limits,
            job.MaxOutputBytes,
            [Hardening.Bind(input, "/osa/in", true), Hardening.Bind(output, "/osa/out", false)],
            2);
        long started = Stopwatch.GetTimestamp();
        string id = (await host.Docker.Containers.CreateContainerAsync(parameters)).ID;
        await host.Docker.Containers.StartContainerAsync(id, new ContainerStartParameters());
        await host.Docker.Containers.WaitContainerAsync(id);
        await host.Docker.Containers.InspectContainerAsync(id);
        await host.Docker.Containers.RemoveContainerAsync(id, new ContainerRemoveParameters { Force = true, RemoveVolumes = true });
        return Stopwatch.GetElapsedTime(started).TotalMilliseconds;
    }

    // On a busy machine the fast ones say more than the median.
    private static double Fast(List<double> values) => values.Order().ElementAt(values.Count / 5);

    private static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);
}
