using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Docker.DotNet.Models;
using Osa.Containers.Output;
using Osa.Domain.Hooks;

namespace Osa.Containers.Tests;

/// <summary>The confinement of a hook, as the hook itself sees it.</summary>
public sealed class HardeningTests(EngineFixture host)
{
    [Fact]
    public async Task A_hook_sees_its_inputs_and_nothing_else_of_the_machine()
    {
        string source = Path.Combine(host.DataDirectory, "upload");
        byte[] content = RandomNumberGenerator.GetBytes(10_000);
        await File.WriteAllBytesAsync(source, content);
        File.SetUnixFileMode(source, UnixFileMode.UserRead | UnixFileMode.UserWrite);
        ContainerJob job = host.Job("""{"do":"echo"}""", files: [new InputFile("insulin 🧬.fasta", source)]);

        ContainerOutcome outcome = await host.RunAsync(job);

        Assert.True(outcome.ExitCode == 0, outcome.Log);
        JsonObject seen = await ReadFeaturesAsync(outcome);
        Assert.Equal("65534", (string?)seen["uid"]);
        Assert.Equal("65534", (string?)seen["gid"]);
        Assert.Equal("0000000000000000", (string?)seen["capabilities"]);
        Assert.Equal("0000000000000000", (string?)seen["bounding"]);
        Assert.Equal("1", (string?)seen["no_new_privileges"]);
        Assert.Equal(["lo"], seen["interfaces"]!.AsArray().Select(name => (string?)name));
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(content)), (string?)seen["files"]!["insulin 🧬.fasta"]);
        Assert.Equal(["config.json", "record.json"], seen["documents"]!.AsObject().Select(document => document.Key).Order());
        Assert.Equal(
            new Dictionary<string, string?> { ["OSA_FILES"] = "/osa/in/files", ["OSA_HOOK_NAME"] = "test_hook", ["OSA_IN"] = "/osa/in", ["OSA_OUT"] = "/osa/out" },
            seen["env"]!.AsObject().Where(variable => variable.Key.StartsWith("OSA_", StringComparison.Ordinal)).ToDictionary(variable => variable.Key, variable => (string?)variable.Value));
        Dictionary<string, bool> writable = seen["writable"]!.Deserialize<Dictionary<string, bool>>()!;
        Assert.Equal(["/dev/shm", "/osa/out", "/tmp"], writable.Where(directory => directory.Value).Select(directory => directory.Key).Order());
        string tmp = (string)seen["mounts"]!["/tmp"]!;
        Assert.Contains("noexec", tmp, StringComparison.Ordinal);
        Assert.Contains("nosuid", tmp, StringComparison.Ordinal);
        Assert.Contains("size=102400k", tmp, StringComparison.Ordinal);
        await host.Engine.RemoveAsync(job.Name, outcome.ContainerId, default);
    }

    [Fact]
    public async Task The_engine_is_told_every_limit()
    {
        ContainerJob job = host.Job("""{"do":"noop"}""", new HookLimits(60, 96 << 20, 0.5, 77), maxOutputBytes: 5000);
        PreparedContainer container = await host.PrepareAsync(job);

        ContainerInspectResponse inspected = await host.Docker.Containers.InspectContainerAsync(container.Id);

        HostConfig limits = inspected.HostConfig;
        Assert.Equal(96 << 20, limits.Memory);
        Assert.Equal(limits.Memory, limits.MemorySwap);
        Assert.Equal(500_000_000, limits.NanoCPUs);
        Assert.Equal(77, limits.PidsLimit);
        Assert.Equal("none", limits.NetworkMode);
        Assert.True(limits.ReadonlyRootfs);
        Assert.Null(limits.Binds);
        Assert.Equal(["/osa/in", "/osa/out"], limits.Mounts.Select(mount => mount.Target).Order());
        Assert.Contains(limits.Ulimits, ulimit => ulimit is { Name: "fsize", Hard: 5001 });
        Assert.Equal("json-file", limits.LogConfig.Type);
        Assert.Equal("2", limits.LogConfig.Config["max-file"]);
        Assert.False(limits.AutoRemove);
        Assert.Equal(host.HooksDigest, inspected.Image);
        await host.Engine.RemoveAsync(job.Name, container.Id, default);
    }

    [Fact]
    public async Task A_wish_for_more_cores_than_the_engine_has_is_no_error()
    {
        ContainerJob job = host.Job("""{"do":"noop"}""", new HookLimits(60, 96 << 20, 1000, 64));

        ContainerOutcome outcome = await host.RunAsync(job);

        Assert.Equal(0, outcome.ExitCode);
        await host.Engine.RemoveAsync(job.Name, outcome.ContainerId, default);
    }

    [Fact]
    public async Task Tmp_is_writable_whatever_the_image_says_of_it_and_declared_volumes_stay_off_the_disk()
    {
        string digest = await DeriveImageAsync(["VOLUME /tmp /volume", "USER 0:0", "HEALTHCHECK CMD /nothing", "WORKDIR /work"]);
        ContainerJob job = host.Job("""{"do":"steps","steps":[{"do":"tmp"},{"do":"echo"}]}""", digest: digest);

        ContainerOutcome outcome = await host.RunAsync(job);

        Assert.True(outcome.ExitCode == 0, outcome.Log);
        JsonObject seen = await ReadFeaturesAsync(outcome);
        Assert.True((bool)seen["writable"]!["/tmp"]!);
        Assert.Contains("size=102400k", (string)seen["mounts"]!["/tmp"]!, StringComparison.Ordinal);
        Assert.Contains("size=102400k", (string)seen["mounts"]!["/volume"]!, StringComparison.Ordinal);
        Assert.Equal("65534", (string?)seen["uid"]);
        await host.Engine.RemoveAsync(job.Name, outcome.ContainerId, default);
        await host.Docker.Images.DeleteImageAsync(digest, new ImageDeleteParameters { Force = true });
    }

    private async Task<string> DeriveImageAsync(IList<string> changes)
    {
        string tag = "osa-test-derived:" + Guid.NewGuid().ToString("N");
        CreateContainerResponse container = await host.Docker.Containers.CreateContainerAsync(new CreateContainerParameters { Image = host.HooksDigest });
        using (Stream archive = await host.Docker.Containers.ExportContainerAsync(container.ID, default))
        {
            await host.Docker.Images.CreateImageAsync(
                new ImagesCreateParameters { FromSrc = "-", Repo = tag.Split(':')[0], Tag = tag.Split(':')[1], Changes = [.. changes, "ENTRYPOINT [\"/osa-test-hooks\"]"] },
                archive,
                null,
                new Progress<JSONMessage>());
        }

        await host.Docker.Containers.RemoveContainerAsync(container.ID, new ContainerRemoveParameters());
        return (await host.Docker.Images.InspectImageAsync(tag)).ID;
    }

    private static async Task<JsonObject> ReadFeaturesAsync(ContainerOutcome outcome)
    {
        OutputFile.Readable features = Assert.IsType<OutputFile.Readable>(outcome.Output.Open("features.json", 1 << 20));
        await using Stream content = features.Content;
        return (await JsonNode.ParseAsync(content))!.AsObject();
    }
}
