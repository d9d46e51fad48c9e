using Docker.DotNet;
using Docker.DotNet.Models;
using Osa.Containers;
using Osa.Containers.Engine;
using Osa.Domain.Hooks;
using Osa.TestHooks.Support;
using Osa.Testing;

namespace Osa.Benchmarks.Nodes;

/// <summary>The floor: create, start, wait, inspect and remove of the same hardened container through the engine's API, and nothing else.</summary>
internal sealed class RawContainers : IDisposable
{
    private static int _serial;

    private readonly DockerClient _docker = new DockerClientConfiguration(new Uri("unix:///var/run/docker.sock")).CreateClient();
    private readonly TempDirectory _directory = new();
    private readonly string _image;
    private readonly long _cpus;

    private RawContainers(string image, long cpus)
    {
        (_image, _cpus) = (image, cpus);
        foreach (string name in new[] { "in", "out" })
        {
            Directory.CreateDirectory(_directory[name]);
            File.SetUnixFileMode(_directory[name], (UnixFileMode)0b111_111_111);
        }

        File.WriteAllText(Path.Combine(_directory["in"], "record.json"), """{"srn":"urn:osa:localhost:dep:0001","metadata":{"organism":"Homo sapiens"}}""");
    }

    public static async Task<RawContainers> StartAsync()
    {
        string image = await StaticPrograms.TestHooksImageAsync();
        using DockerClient docker = new DockerClientConfiguration(new Uri("unix:///var/run/docker.sock")).CreateClient();
        return new RawContainers(image, (await docker.System.GetSystemInfoAsync()).NCPU);
    }

    public async Task RunAsync()
    {
        string name = $"osa-floor-{Environment.ProcessId}-{Interlocked.Increment(ref _serial)}";
        CreateContainerParameters parameters = Hardening.Container(
            name,
            new LocalImage(_image, []),
            Hardening.Labels("floor", new JobLabels(name, "nothing", "0", 1), _directory.Path, "floor"),
            new Dictionary<string, string>(StringComparer.Ordinal) { ["OSA_IN"] = "/osa/in", ["OSA_OUT"] = "/osa/out", ["OSA_FILES"] = "/osa/in/files", ["OSA_HOOK_NAME"] = "nothing" },
            new HookLimits(60, NodeBench.MemoryBytes, 1.0, 256),
            8L << 30,
            [Hardening.Bind(_directory["in"], "/osa/in", readOnly: true), Hardening.Bind(_directory["out"], "/osa/out", readOnly: false)],
            _cpus);
        CreateContainerResponse created = await _docker.Containers.CreateContainerAsync(parameters);
        await _docker.Containers.StartContainerAsync(created.ID, new ContainerStartParameters());
        await _docker.Containers.WaitContainerAsync(created.ID);
        ContainerInspectResponse ended = await _docker.Containers.InspectContainerAsync(created.ID);
        if (ended.State.ExitCode != 0)
        {
            throw new InvalidOperationException($"the floor's container exited with {ended.State.ExitCode}");
        }

        await _docker.Containers.RemoveContainerAsync(created.ID, new ContainerRemoveParameters { Force = true });
    }

    public void Dispose()
    {
        _docker.Dispose();
        _directory.Dispose();
    }
}
