using System.Diagnostics;
using System.Net.Sockets;
using Docker.DotNet.Models;
using Osa.Containers.Scratch;
using Osa.Domain.Errors;
using Osa.Domain.Hooks;

namespace Osa.Containers.Tests;

/// <summary>The host as a whole: its self-test, its images, its paths, an engine that is away.</summary>
[TestClass(DisableParallelization = true)]
public sealed class HostTests(EngineFixture host)
{
    [Fact]
    public async Task The_self_test_passes_and_leaves_nothing()
    {
        await host.Engine.SelfTestAsync(default);

        Assert.Empty(Directory.GetFileSystemEntries(Path.Combine(host.ScratchDirectory, ".self-test")));
        Assert.DoesNotContain(".self-test", host.Engine.ListScratch());
    }

    [Fact]
    public async Task The_engine_describes_itself()
    {
        EngineDescription engine = await host.Engine.DescribeAsync(default);

        SystemInfoResponse info = await host.Docker.System.GetSystemInfoAsync();
        Assert.Equal((info.ID, (int)info.NCPU, info.MemTotal), (engine.EngineId, engine.Cpus, engine.MemoryBytes));
        Assert.True(engine.CgroupVersion is "1" or "2", engine.CgroupVersion);
        Assert.All([engine.Version, engine.ApiVersion, engine.Kernel, engine.RuncVersion], Assert.NotEmpty);
    }

    [Fact]
    public async Task A_wrong_host_path_fails_the_self_test_and_says_what_to_set()
    {
        await using ContainerEngine engine = EngineFixture.NewEngine(host.Options() with { HostDataDirectory = "/nowhere/osa" });

        OsaException failure = await Assert.ThrowsAsync<OsaException>(() => engine.SelfTestAsync(default));

        Assert.Equal(ErrorCode.Unavailable, failure.Code);
        Assert.Contains("/nowhere/osa/scratch", failure.Message, StringComparison.Ordinal);
        Assert.Contains("HostDataDirectory", failure.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists("/nowhere"));
    }

    [Fact]
    public async Task Another_directory_under_the_host_path_fails_the_self_test()
    {
        string wrong = Path.Combine(host.DataDirectory, "wrong");
        Directory.CreateDirectory(wrong);
        await using ContainerEngine engine = EngineFixture.NewEngine(host.Options() with { HostDataDirectory = wrong });

        Assert.Contains(wrong, (await Assert.ThrowsAsync<OsaException>(() => engine.SelfTestAsync(default))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_missing_probe_fails_the_self_test_and_says_what_to_publish()
    {
        await using ContainerEngine engine = EngineFixture.NewEngine(host.Options() with { ProbeBinary = "/not/there" });

        Assert.Contains("Osa.Containers.Probe", (await Assert.ThrowsAsync<OsaException>(() => engine.SelfTestAsync(default))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/data/scratch/a", "/data", "/srv/osa", "/srv/osa/scratch/a")]
    [InlineData("/data", "/data/", "/srv/osa/", "/srv/osa")]
    [InlineData("/data/data/x", "/data", "/host", "/host/data/x")]
    [InlineData("/srv/data/x", "/srv/data", null, "/srv/data/x")]
    public void A_path_is_translated_by_its_true_prefix(string path, string data, string? hostData, string expected) =>
        Assert.Equal(expected, ScratchArea.Translate(path, data, hostData));

    [Theory]
    [InlineData("/database/x")]
    [InlineData("/srv/data/x")]
    [InlineData("/data/../etc")]
    public void A_path_outside_the_data_directory_is_refused(string path) =>
        Assert.Equal(ErrorCode.FailedPrecondition, Assert.Throws<OsaException>(() => ScratchArea.Translate(path, "/data", "/host")).Code);

    [Fact]
    public async Task A_tag_that_moved_changes_nothing_and_a_digest_that_is_gone_runs_nothing()
    {
        string tag = "osa-test-moving:" + Guid.NewGuid().ToString("N");
        await Retag(host.HooksDigest, tag);
        List<string> progress = [];
        string digest = await host.Engine.ResolveImageAsync(tag, null, new Collect(progress), default);
        Assert.Equal(host.HooksDigest, digest);
        await host.Engine.SelfTestAsync(default);
        IList<ImagesListResponse> probes = await host.Docker.Images.ListImagesAsync(new ImagesListParameters { All = true, Filters = new Dictionary<string, IDictionary<string, bool>> { ["reference"] = new Dictionary<string, bool> { ["osa-probe"] = true } } });
        await Retag(probes[0].ID, tag);

        ContainerJob job = host.Job("""{"do":"noop"}""");
        ContainerOutcome outcome = await host.RunAsync(job with { Image = tag });
        Assert.Equal((digest, 0L), (outcome.ImageId, outcome.ExitCode));
        await host.Engine.RemoveAsync(job.Name, outcome.ContainerId, default);

        string gone = "sha256:" + new string('a', 64);
        OsaException missing = await Assert.ThrowsAsync<OsaException>(() => host.Engine.PrepareAsync(host.Job("{}", digest: gone) with { Image = tag }, default));
        Assert.Equal(ErrorCode.NotFound, missing.Code);
        Assert.False(await host.Engine.HasImageAsync(tag, gone, default));
        Assert.True(await host.Engine.HasImageAsync(tag, digest, default));
        await host.Docker.Images.DeleteImageAsync(tag, new ImageDeleteParameters());
    }

    [Fact]
    public async Task An_image_that_cannot_be_had_is_refused_with_advice()
    {
        List<string> progress = [];

        OsaException failure = await Assert.ThrowsAsync<OsaException>(() => host.Engine.ResolveImageAsync("localhost:1/nothing:1", null, new Collect(progress), default));

        Assert.Equal(ErrorCode.NotFound, failure.Code);
        Assert.Contains("docker load", failure.Message, StringComparison.Ordinal);
        Assert.Contains("pulling localhost:1/nothing:1", progress);
    }

    [Theory]
    [InlineData("UPPER CASE", null)]
    [InlineData("image", "sha256:abc")]
    [InlineData("image@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb")]
    public async Task A_reference_that_is_none_is_refused(string image, string? digest) =>
        Assert.Equal(ErrorCode.InvalidArgument, (await Assert.ThrowsAsync<OsaException>(() => host.Engine.ResolveImageAsync(image, digest, new Collect([]), default))).Code);

    [Fact]
    public async Task Without_an_engine_everything_says_unavailable()
    {
        await using ContainerEngine engine = EngineFixture.NewEngine(host.Options() with { Endpoint = new Uri("unix:///nowhere/docker.sock") });

        OsaException failure = await Assert.ThrowsAsync<OsaException>(() => engine.DescribeAsync(default));

        Assert.Equal(ErrorCode.Unavailable, failure.Code);
        Assert.Contains("unix:///nowhere/docker.sock", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_hung_engine_is_noticed()
    {
        string path = Path.Combine(host.DataDirectory, "hung.sock");
        using Socket hung = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        hung.Bind(new UnixDomainSocketEndPoint(path));
        hung.Listen();
        await using ContainerEngine engine = EngineFixture.NewEngine(host.Options() with { Endpoint = new Uri("unix://" + path), RequestTimeout = TimeSpan.FromMilliseconds(300) });

        OsaException failure = await Assert.ThrowsAsync<OsaException>(() => engine.DescribeAsync(default));

        Assert.Equal(ErrorCode.Unavailable, failure.Code);
        Assert.Contains("within 0.3 s", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("000", "root")]
    [InlineData("077", "root")]
    [InlineData("022", "nobody")]
    [InlineData("077", "nobody")]
    public async Task The_node_works_under_any_umask_and_as_an_unprivileged_member_of_the_docker_group(string umask, string user)
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess && File.Exists("/usr/bin/setpriv"), "needs root and setpriv to change users");
        string home = Directory.CreateTempSubdirectory("osa-user-").FullName;
        File.SetUnixFileMode(home, (UnixFileMode)0x1FF);
        uint group = await GroupOfSocketAsync();
        string[] drop = user == "nobody" ? ["setpriv", "--reuid=65533", "--regid=65533", $"--groups={group}", "--"] : [];
        string check = AppContext.BaseDirectory.Replace("Osa.Containers.Tests", "Osa.Containers.HostCheck", StringComparison.Ordinal);
        string command = $"umask {umask}; exec dotnet '{check}Osa.Containers.HostCheck.dll' '{home}' '{host.ProbeBinary}' '{host.HooksDigest}'";
        ProcessStartInfo start = new("/usr/bin/env", [.. drop, "sh", "-c", command]) { UseShellExecute = false, RedirectStandardError = true, RedirectStandardOutput = true };
        start.Environment["HOME"] = home;
        start.Environment["DOTNET_CLI_HOME"] = home;

        using Process process = Process.Start(start)!;
        Task<string> output = process.StandardOutput.ReadToEndAsync();
        string errors = await process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();

        Assert.True(process.ExitCode == 0, errors + await output);
        Directory.Delete(home, recursive: true);
    }

    [Fact]
    public void Memory_is_never_overcommitted_cpu_is_up_to_its_factor_and_slots_are_counted()
    {
        EngineDescription engine = new("id", "", "", "", "", "", "1", Cpus: 4, MemoryBytes: 16L << 30, "");
        HostCapacity capacity = HostCapacity.Of(engine, host.Options() with { MemoryBytes = 4L << 30 });
        HookLimits gibibyte = new(60, 1L << 30, 1, 64);

        Assert.Equal(new HostCapacity(8, 4L << 30, 16), capacity);
        Assert.Null(capacity.WhyNot([gibibyte, gibibyte, gibibyte], gibibyte));
        Assert.Equal("0 MiB of memory are free, 1024 MiB are needed", capacity.WhyNot([gibibyte, gibibyte, gibibyte, gibibyte], gibibyte));
        HookLimits fast = new(60, 1 << 20, 8, 64);
        Assert.Null(capacity.WhyNot([fast], fast));
        Assert.Equal("0 of cpu are free, 8 are needed", capacity.WhyNot([fast, fast], fast));
        Assert.Null(capacity.WhyNot([], fast with { Cpu = 100 }));
        HookLimits tiny = new(60, 1 << 20, 0.1, 64);
        Assert.Equal("all 8 slots are taken", capacity.WhyNot([.. Enumerable.Repeat(tiny, 8)], tiny));
        Assert.NotNull(capacity.WhyNever(gibibyte with { MemoryBytes = 5L << 30 }));
        Assert.True(HostCapacity.Of(engine, host.Options()).MemoryBytes < engine.MemoryBytes);
    }

    private static async Task<uint> GroupOfSocketAsync()
    {
        using Process stat = Process.Start(new ProcessStartInfo("stat", ["-c", "%g", "/var/run/docker.sock"]) { UseShellExecute = false, RedirectStandardOutput = true })!;
        return uint.Parse(await stat.StandardOutput.ReadToEndAsync());
    }

    private Task Retag(string digest, string tag) =>
        host.Docker.Images.TagImageAsync(digest, new ImageTagParameters { RepositoryName = tag.Split(':')[0], Tag = tag.Split(':')[1], Force = true });

    private sealed class Collect(List<string> into) : IProgress<string>
    {
        public void Report(string value) => into.Add(value);
    }
}
