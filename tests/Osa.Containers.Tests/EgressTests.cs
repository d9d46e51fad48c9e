using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using System.Text.Json.Nodes;
using Docker.DotNet.Models;
using Osa.Containers.Output;

namespace Osa.Containers.Tests;

/// <summary>What a source reaches over its network, as the source itself finds it.</summary>
public sealed class EgressTests(EngineFixture host)
{
    private const string Refused = nameof(SocketError.HostUnreachable);

    [Fact]
    public async Task A_source_reaches_what_is_allowed_and_nothing_else_of_the_machine_and_its_networks()
    {
        IPAddress bridge = await BridgeAddressAsync();
        using Listener allowed = new(bridge);
        using Listener other = new(bridge);
        (string neighbour, string neighbourAddress) = await StartNeighbourAsync();
        EgressPolicy policy = new([EgressRule.Parse($"{bridge}:{allowed.Port}")], [], []);

        Dictionary<string, Found> found = await ReachAsync(policy, gateway =>
        [
            $"tcp {bridge} {allowed.Port}",
            $"tcp {bridge} {other.Port}",
            $"tcp {gateway} {allowed.Port}",
            $"tcp {gateway} 22",
            $"tcp {neighbourAddress} 80",
            "tcp 169.254.169.254 80",
            "tcp 168.63.129.16 80",
            "tcp 10.0.0.1 443",
            "tcp 192.168.1.1 80",
            "tcp 240.0.0.1 80",
        ]);
        await host.Docker.Containers.RemoveContainerAsync(neighbour, new ContainerRemoveParameters { Force = true });

        Assert.Equal("reached", found[$"tcp {bridge} {allowed.Port}"].What);
        Assert.All(found.Where(target => target.Key != $"tcp {bridge} {allowed.Port}"), target => Assert.Equal((target.Key, Refused), (target.Key, target.Value.What)));
        Assert.All(found, target => Assert.InRange(target.Value.Milliseconds, 0, 2000));
    }

    [Fact]
    public async Task Binding_to_the_interface_opens_nothing()
    {
        IPAddress bridge = await BridgeAddressAsync();
        using Listener listener = new(bridge);

        Dictionary<string, Found> found = await ReachAsync(new EgressPolicy([], [], []), gateway =>
        [
            $"tcp {bridge} {listener.Port} eth0",
            $"tcp {gateway} {listener.Port} eth0",
            "tcp 169.254.169.254 80 eth0",
            $"udp {gateway} 53 eth0",
            "udp 255.255.255.255 67 eth0",
            "udp 224.0.0.251 5353 eth0",
            "udp 255.255.255.255 67",
            "udp 224.0.0.251 5353",
            "tcp 10.0.0.1 80 lo",
        ]);

        Assert.All(found, target => Assert.NotEqual((target.Key, "reached"), (target.Key, target.Value.What)));
    }

    [Fact]
    public async Task An_allowed_network_opens_no_denied_endpoint_in_it()
    {
        IPAddress bridge = await BridgeAddressAsync();
        using Listener open = new(bridge);
        using Listener database = new(bridge);
        using Listener node = new(bridge);
        EgressPolicy policy = new([EgressRule.Parse("172.16.0.0/12"), EgressRule.Parse($"{bridge}")], [new IPEndPoint(bridge, database.Port), new IPEndPoint(IPAddress.Any, node.Port)], []);

        Dictionary<string, Found> found = await ReachAsync(policy, gateway =>
            [$"tcp {bridge} {open.Port}", $"tcp {bridge} {database.Port}", $"tcp {bridge} {node.Port}", $"tcp {gateway} {node.Port}", $"tcp 172.31.0.1 {node.Port}", $"tcp {bridge} {database.Port} eth0"]);

        Assert.Equal("reached", found[$"tcp {bridge} {open.Port}"].What);
        Assert.All(found.Skip(1), target => Assert.Equal((target.Key, Refused), (target.Key, target.Value.What)));
    }

    [Fact]
    public async Task Names_are_resolved_by_the_given_name_server()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "needs root to listen on port 53");
        IPAddress bridge = await BridgeAddressAsync();
        using UdpClient server = new(new IPEndPoint(bridge, 53));
        using CancellationTokenSource end = new(TimeSpan.FromSeconds(60));
        Task<string> asked = AnswerAsync(server, end.Token);

        Dictionary<string, Found> found = await ReachAsync(new EgressPolicy([], [], [bridge]), _ => ["dns archive.example.org"]);

        Assert.Equal("reached", found["dns archive.example.org"].What);
        Assert.Contains("archive", await asked, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_source_is_as_confined_as_a_hook_but_for_its_root_its_files_and_its_network()
    {
        ContainerJob job = host.SourceJob("""{"do":"echo"}""");

        ContainerOutcome outcome = await host.RunAsync(job);

        Assert.True(outcome.ExitCode == 0, outcome.Log);
        JsonObject seen = await ReadAsync(outcome, "features.json");
        Assert.Equal("65534", (string?)seen["uid"]);
        Assert.Equal("0000000000000000", (string?)seen["capabilities"]);
        Assert.Equal("0000000000000000", (string?)seen["bounding"]);
        Assert.Equal("1", (string?)seen["no_new_privileges"]);
        Assert.Equal(["eth0", "lo"], seen["interfaces"]!.AsArray().Select(name => (string?)name).Where(name => name is "lo" || name!.StartsWith("eth", StringComparison.Ordinal)).Order());
        Assert.Equal("", (string?)seen["ipv6"]);
        Assert.Equal("source", (string?)seen["hostname"]);
        Assert.DoesNotContain("search", ((string)seen["resolver"]!).Replace("search .", "", StringComparison.Ordinal), StringComparison.Ordinal);
        Assert.StartsWith("rw,", (string)seen["mounts"]!["/"]!, StringComparison.Ordinal);
        Assert.Contains("noexec", (string)seen["mounts"]!["/tmp"]!, StringComparison.Ordinal);
        Dictionary<string, bool> writable = seen["writable"]!.Deserialize<Dictionary<string, bool>>()!;
        Assert.Equal(["/dev/shm", "/osa/files", "/osa/out", "/tmp"], writable.Where(directory => directory.Value).Select(directory => directory.Key).Order());
        Assert.Equal(
            new Dictionary<string, string?> { ["OSA_FILES"] = "/osa/files", ["OSA_IN"] = "/osa/in", ["OSA_OUT"] = "/osa/out", ["OSA_SINCE"] = "2026-01-01" },
            seen["env"]!.AsObject().Where(variable => variable.Key.StartsWith("OSA_", StringComparison.Ordinal)).ToDictionary(variable => variable.Key, variable => (string?)variable.Value));
        ContainerInspectResponse inspected = await host.Docker.Containers.InspectContainerAsync(outcome.ContainerId);
        Assert.False(inspected.HostConfig.ReadonlyRootfs);
        Assert.Equal(inspected.HostConfig.Memory, inspected.HostConfig.MemorySwap);
        Assert.Equal(64, inspected.HostConfig.PidsLimit);
        Assert.Contains(inspected.HostConfig.Ulimits, ulimit => ulimit is { Name: "fsize", Hard: (1 << 20) + 1 });
        await host.Engine.RemoveAsync(job.Name, outcome.ContainerId, default);
    }

    [Fact]
    public async Task A_source_cannot_change_the_policy_even_with_the_gates_own_program()
    {
        string tag = Guid.NewGuid().ToString("N");
        using (MemoryStream archive = Engine.ProbeArchive.Make(await File.ReadAllBytesAsync(host.ProbeBinary)))
        {
            await host.Docker.Images.CreateImageAsync(
                new ImagesCreateParameters { FromSrc = "-", Repo = "osa-test-gate", Tag = tag, Changes = ["ENTRYPOINT [\"/osa-probe\", \"gate\", \"accept 0.0.0.0/0\"]"] }, archive, null, new Progress<JSONMessage>());
        }

        string digest = (await host.Docker.Images.InspectImageAsync("osa-test-gate:" + tag)).ID;
        ContainerJob job = host.SourceJob("{}", digest: digest);

        ContainerOutcome outcome = await host.RunAsync(job);

        Assert.NotEqual(0, outcome.ExitCode);
        // EPERM.
        Assert.Contains("error 1", outcome.Log, StringComparison.Ordinal);
        await host.Engine.RemoveAsync(job.Name, outcome.ContainerId, default);
        await host.Docker.Images.DeleteImageAsync(digest, new ImageDeleteParameters { Force = true });
    }

    private async Task<Dictionary<string, Found>> ReachAsync(EgressPolicy policy, Func<string, string[]> targetsFor)
    {
        // Which network it will be is known when there is one: the source reads its targets after it was prepared.
        ContainerJob job = host.SourceJob("""{"do":"as-file-says","file":"/osa/in/files/steps.json"}""", policy);
        PreparedContainer container = await host.PrepareAsync(job);
        string gateway = (await host.Docker.Networks.InspectNetworkAsync(job.Name)).IPAM.Config[0].Gateway;
        // The engine may have chosen an address that is named anyway.
        JsonObject steps = new() { ["do"] = "reach", ["targets"] = new JsonArray([.. targetsFor(gateway).Distinct().Select(target => JsonValue.Create(target))]) };
        await File.WriteAllTextAsync(Path.Combine(host.ScratchDirectory, job.Name, "in", "files", "steps.json"), steps.ToJsonString());
        ContainerOutcome outcome = await host.RunAsync(container);
        Assert.True(outcome.ExitCode == 0, outcome.Log);
        JsonObject found = await ReadAsync(outcome, "reach.json");
        await host.Engine.RemoveAsync(job.Name, outcome.ContainerId, default);
        return found.ToDictionary(target => target.Key, target => new Found((string)target.Value!["found"]!, (long)target.Value["ms"]!));
    }

    /// <summary>A container on the engine's default bridge that hangs.</summary>
    private async Task<(string Id, string Address)> StartNeighbourAsync()
    {
        string config = Path.Combine(host.DataDirectory, "neighbour.json");
        await File.WriteAllTextAsync(config, """{"do":"hang"}""");
        string id = (await host.Docker.Containers.CreateContainerAsync(
            new CreateContainerParameters { Image = host.HooksDigest, HostConfig = new HostConfig { Binds = [$"{config}:/osa/in/config.json:ro"] } })).ID;
        await host.Docker.Containers.StartContainerAsync(id, new ContainerStartParameters());
        return (id, (await host.Docker.Containers.InspectContainerAsync(id)).NetworkSettings.IPAddress);
    }

    private async Task<IPAddress> BridgeAddressAsync() =>
        IPAddress.Parse((await host.Docker.Networks.InspectNetworkAsync("bridge")).IPAM.Config[0].Gateway ?? "172.17.0.1");

    private static async Task<string> AnswerAsync(UdpClient server, CancellationToken cancellationToken)
    {
        UdpReceiveResult question = await server.ReceiveAsync(cancellationToken);
        // The question with the flags of an answer that found nothing more to say.
        byte[] answer = [.. question.Buffer];
        answer[2] |= 0x80;
        await server.SendAsync(answer, question.RemoteEndPoint, cancellationToken);
        return System.Text.Encoding.ASCII.GetString(question.Buffer);
    }

    private static async Task<JsonObject> ReadAsync(ContainerOutcome outcome, string name)
    {
        OutputFile.Readable file = Assert.IsType<OutputFile.Readable>(outcome.Output.Open(name, 1 << 20));
        await using Stream content = file.Content;
        return (await JsonNode.ParseAsync(content))!.AsObject();
    }

    private sealed record Found(string What, long Milliseconds);

    /// <summary>Accepts connections at a port of its own, and says nothing.</summary>
    private sealed class Listener : IDisposable
    {
        private readonly TcpListener _listener;

        public Listener(IPAddress address)
        {
            _listener = new TcpListener(address, 0);
            _listener.Start();
        }

        public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

        public void Dispose() => _listener.Dispose();
    }
}
