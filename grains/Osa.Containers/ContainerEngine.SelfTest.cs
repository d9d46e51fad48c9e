using System.Security.Cryptography;
using System.Text;
using Docker.DotNet.Models;
using Osa.Containers.Engine;
using Osa.Containers.Output;
using Osa.Containers.Scratch;
using Osa.Domain.Errors;
using Osa.Domain.Hooks;

namespace Osa.Containers;

public sealed partial class ContainerEngine
{
    private static readonly HookLimits HelperLimits = new(120, 128 << 20, 1, 64);
    private static readonly TimeSpan Abandoned = TimeSpan.FromMinutes(30);

    private readonly SemaphoreSlim _probeGate = new(1, 1);

    /// <summary>
    /// Proves that this host can run hooks, on the very way that hooks take: a container of the node's own image reads a nonce through the
    /// mounts, writes as uid 65534, is collected, and it and its directory, which the node may not empty itself, are removed.
    /// </summary>
    /// <exception cref="OsaException">Unavailable: exactly what failed, and what would fix it.</exception>
    public async Task SelfTestAsync(CancellationToken cancellationToken)
    {
        long started = _api.Time.GetTimestamp();
        await DescribeAsync(cancellationToken);
        await Step("import the node's own image", () => ProbeImageAsync(cancellationToken));
        ScratchArea area = new(Path.Combine(_scratch.Root, ".self-test"), _options.DataDirectory, _options.HostDataDirectory);
        await Step("remove what earlier self-tests left", () => SweepHelpersAsync(area, cancellationToken));
        string name = $"osa-self-test-{RandomNumberGenerator.GetHexString(12, true)}";
        try
        {
            await RunSelfTestAsync(area, name, cancellationToken);
        }
        finally
        {
            await _api.RemoveAsync(name, CancellationToken.None);
            area.Remove(name);
        }

        await Step("remove what its container wrote", () => RemoveScratchAsync(area, name, cancellationToken));
        LogSelfTestPassed((long)_api.Time.GetElapsedTime(started).TotalMilliseconds);
    }

    private async Task RunSelfTestAsync(ScratchArea area, string name, CancellationToken cancellationToken)
    {
        string nonce = RandomNumberGenerator.GetHexString(32, true);
        string paths = $"The node's directory '{area.Root}' must be the engine's machine's '{area.HostPath(area.Root)}': set HostDataDirectory to what the data directory is called there";
        string nonceFile = Path.Combine(area.Root, ".nonce-" + nonce);
        ContainerJob job = new(name, new JobLabels("self-test", "self-test", "self-test", 1), "osa-probe", "", HelperLimits)
        {
            Environment = new Dictionary<string, string> { ["OSA_IN"] = "/osa/in", ["OSA_OUT"] = "/osa/out" },
            Documents = new Dictionary<string, ReadOnlyMemory<byte>> { ["nonce"] = Encoding.ASCII.GetBytes(nonce) },
            Files = [new InputFile("nonce", nonceFile)],
            MaxOutputBytes = 1 << 20,
            MaxOutputFiles = 100,
        };
        PreparedContainer container;
        try
        {
            container = await Step("create a container", () => CreateHelperAsync(job, area, nonceFile, nonce, cancellationToken), paths);
        }
        finally
        {
            if (File.Exists(nonceFile))
                File.Delete(nonceFile);
        }

        ContainerOutcome outcome = await Step("run a container", () => RunAsync(container, _ => Task.CompletedTask, cancellationToken));
        if (outcome.StartError is not null || outcome.ExitCode != 0)
        {
            throw SelfTestFailed(
                "run a container",
                outcome.StartError ?? $"it exited with code {outcome.ExitCode}: {outcome.Log.Trim()}",
                paths);
        }

        switch (outcome.Output.Open("nonce", 1 << 10))
        {
            case OutputFile.Readable readable:
                using (StreamReader reader = new(readable.Content))
                {
                    string read = await reader.ReadToEndAsync(cancellationToken);
                    if (read != $"{nonce}\n{nonce}\n65534")
                        throw SelfTestFailed("collect its output", $"it wrote '{read.ReplaceLineEndings(" ")}', expected was the nonce twice and uid 65534");
                }

                break;
            case OutputFile.Refused refused:
                throw SelfTestFailed("collect its output", refused.Problem);
            default:
                throw SelfTestFailed("collect its output", "what the container wrote did not arrive", paths);
        }
    }

    /// <summary>Removes the directories of an attempt; what the node may not, a container of its own image does.</summary>
    private async Task RemoveScratchAsync(ScratchArea area, string name, CancellationToken cancellationToken)
    {
        IReadOnlyList<string> stubborn = await Task.Run(() => area.Remove(name), cancellationToken);
        foreach (string directory in stubborn)
        {
            LogHelperEmpties(name);
            await EmptyByHelperAsync(area, directory, cancellationToken);
        }

        if (stubborn.Count > 0 && await Task.Run(() => area.Remove(name), cancellationToken) is { Count: > 0 } left)
            throw OsaException.Unavailable($"'{left[0]}' could not be emptied, neither by the node nor by a container");
    }

    private async Task EmptyByHelperAsync(ScratchArea area, string directory, CancellationToken cancellationToken)
    {
        string name = $"osa-empty-{RandomNumberGenerator.GetHexString(12, true)}";
        EngineDescription engine = _described ?? await DescribeAsync(cancellationToken);
        CreateContainerParameters parameters = Hardening.Container(
            name,
            await ProbeImageAsync(cancellationToken),
            HelperLabels(),
            new Dictionary<string, string>(),
            HelperLimits,
            1 << 20,
            [Hardening.Bind(area.HostPath(directory), "/osa/out", readOnly: false)],
            engine.Cpus);
        parameters.Entrypoint = ["/osa-probe", "empty", "/osa/out"];
        // Root, and no more of root than removing other users' files takes.
        parameters.User = "0:0";
        parameters.HostConfig.CapAdd = ["DAC_OVERRIDE", "FOWNER"];
        try
        {
            await _api.CallAsync(
                "run a container that empties a directory",
                async (client, token) =>
                {
                    string id = (await client.Containers.CreateContainerAsync(parameters, token)).ID;
                    await client.Containers.StartContainerAsync(id, new ContainerStartParameters(), token);
                    await client.Containers.WaitContainerAsync(id, token);
                },
                cancellationToken,
                TimeSpan.FromSeconds(HelperLimits.TimeoutSeconds));
        }
        finally
        {
            await _api.RemoveAsync(name, CancellationToken.None);
        }
    }

    private async Task<PreparedContainer> CreateHelperAsync(ContainerJob job, ScratchArea area, string nonceFile, string nonce, CancellationToken cancellationToken)
    {
        LocalImage image = await ProbeImageAsync(cancellationToken);
        _scratch.EnsureRoot();
        area.EnsureRoot();
        await File.WriteAllTextAsync(nonceFile, nonce, cancellationToken);
        area.Stage(job);
        CreateContainerParameters parameters = await ParametersAsync(job, image, HelperLabels(), area, cancellationToken);
        parameters.Entrypoint = ["/osa-probe", "self-test"];
        string id = await CreateAsync(parameters, job, cancellationToken) ?? throw OsaException.Unavailable($"the name {job.Name} is taken");
        return new PreparedContainer(job, id, image.Id, PreparedState.Created) { Area = area };
    }

    /// <summary>The static probe as an image, imported when the engine does not have this build of it.</summary>
    private async Task<LocalImage> ProbeImageAsync(CancellationToken cancellationToken)
    {
        await _probeGate.WaitAsync(cancellationToken);
        try
        {
            byte[] binary = await ReadProbeAsync(cancellationToken);
            string tag = Convert.ToHexStringLower(SHA256.HashData(binary))[..16];
            if (await _api.InspectImageAsync($"osa-probe:{tag}", cancellationToken) is { } present)
                return new LocalImage(present.ID, []);
            using MemoryStream archive = ProbeArchive.Make(binary);
            await _api.CallAsync(
                "import the node's own image",
                (client, token) => client.Images.CreateImageAsync(
                    new ImagesCreateParameters { FromSrc = "-", Repo = "osa-probe", Tag = tag }, archive, null, new Progress<JSONMessage>(), token),
                cancellationToken);
            return await _api.InspectImageAsync($"osa-probe:{tag}", cancellationToken) is { } imported
                ? new LocalImage(imported.ID, [])
                : throw OsaException.Unavailable($"the engine imported osa-probe:{tag} and does not have it");
        }
        finally
        {
            _probeGate.Release();
        }
    }

    private async Task<byte[]> ReadProbeAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await File.ReadAllBytesAsync(_options.ProbeBinary, cancellationToken);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw OsaException.Unavailable($"the node's probe program cannot be read ({e.Message}): publish grains/Osa.Containers.Probe and set its path", e);
        }
    }

    // Another silo on this engine may be in its own self-test, so only what is old is taken away.
    private async Task SweepHelpersAsync(ScratchArea area, CancellationToken cancellationToken)
    {
        IList<ContainerListResponse> helpers = await ListAsync($"{Hardening.HelperLabel}={_options.ClusterId}", cancellationToken);
        if (helpers.Count > 0)
        {
            DateTimeOffset now = await EngineTimeAsync(cancellationToken);
            foreach (ContainerListResponse helper in helpers.Where(helper => now.UtcDateTime - helper.Created > Abandoned))
                await _api.RemoveAsync(helper.ID, cancellationToken);
        }

        DateTime oldest = _api.Time.GetUtcNow().UtcDateTime - Abandoned;
        foreach (string name in area.List().Where(name => Directory.GetLastWriteTimeUtc(area.PathOf(name)) < oldest))
            await RemoveScratchAsync(area, name, cancellationToken);
    }

    private Dictionary<string, string> HelperLabels() => new() { [Hardening.HelperLabel] = _options.ClusterId };

    private static async Task<T> Step<T>(string step, Func<Task<T>> action, string? hint = null)
    {
        try
        {
            return await action();
        }
        catch (OsaException e)
        {
            throw SelfTestFailed(step, e.Message, hint);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw SelfTestFailed(step, e.Message, hint);
        }
    }

    private static Task<bool> Step(string step, Func<Task> action) => Step(
        step,
        async () =>
        {
            await action();
            return true;
        });

    private static OsaException SelfTestFailed(string step, string what, string? hint = null) =>
        OsaException.Unavailable($"the container host failed its self-test: it could not {step}: {what}{(hint is null ? "" : $". {hint}")}");
}
