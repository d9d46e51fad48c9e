using System.Net;
using System.Net.NetworkInformation;
using System.Text;
using Docker.DotNet;
using Docker.DotNet.Models;
using Osa.Containers.Engine;
using Osa.Domain.Errors;
using Osa.Domain.Validation;

namespace Osa.Containers;

/// <remarks>
/// A container with a network shares the network namespace of its gate, a container of the node's own program that installs the egress policy there
/// and stays. The namespace has the policy before the container exists, and keeps it when the gate ends.
/// </remarks>
public sealed partial class ContainerEngine
{
    private const int GateTries = 5;
    private const string Ready = "ready\n";
    private static readonly TimeSpan ReadyTimeout = TimeSpan.FromSeconds(30);

    /// <summary>Names of attempts that have a network on this engine; never another cluster's.</summary>
    public async Task<IReadOnlyList<string>> ListNetworksAsync(CancellationToken cancellationToken) =>
        [.. (await _api.ListNetworksAsync(cancellationToken)).Where(network => IsOwn(network.Labels)).Select(network => network.Name).Distinct()];

    private static string GateOf(string name) => name + "-gate";

    /// <returns>The gate, which has closed its network off; or why its names are not to be had.</returns>
    private async Task<(string? GateId, string? Refusal)> EnsureGateAsync(ContainerJob job, EgressPolicy egress, CancellationToken cancellationToken)
    {
        string name = GateOf(job.Name);
        Dictionary<string, string> labels = Hardening.GateLabels(_options.ClusterId, job.Labels, job.Name, egress.Fingerprint());
        for (int i = 0; i < GateTries; i++)
        {
            ContainerInspectResponse? found = await _api.InspectAsync(name, cancellationToken);
            if (found is not null && !IsOwn(found))
                return (null, $"the name of its gate, {name}, is taken by a container that is not this cluster's");
            if (found is not null && WhyAnew(found, labels) is { } reason)
            {
                LogGateReplaced(job.Name, reason);
                await _api.RemoveAsync(found.ID, cancellationToken);
                found = null;
            }

            (NetworkResponse? network, IEnumerable<IPAddress> gateways) = await EnsureNetworkAsync(job, cancellationToken);
            if (network is null)
                return (null, $"the name of its network, {job.Name}, is taken by a network that is not this cluster's");
            string? id = found?.ID ?? await CreateGateAsync(name, labels, network.ID, egress, gateways, cancellationToken);
            if (id is null)
            {
                // Somebody else makes the same one.
                await FindTakenAsync(name, cancellationToken);
                continue;
            }

            switch (await StartGateAsync(id, cancellationToken))
            {
                case GateStart.Started:
                    await AwaitGateAsync(job, id, cancellationToken);
                    return (id, null);
                case GateStart.NothingThere:
                    await _api.RemoveAsync(id, cancellationToken);
                    break;
                case GateStart.SeveralNetworks:
                    break;
            }
        }

        throw OsaException.Unavailable($"the gate of container {job.Name} could not be started in {GateTries} tries, because it or its network is removed, or made twice, again and again");
    }

    private static string? WhyAnew(ContainerInspectResponse gate, Dictionary<string, string> labels)
    {
        if (gate.State.Status is not ("created" or "running"))
            return $"its state is {gate.State.Status}";
        string? differs = labels.Keys.FirstOrDefault(label => !gate.Config.Labels.TryGetValue(label, out string? value) || value != labels[label]);
        return differs is null ? null : $"its label {differs} is not '{labels[differs]}'";
    }

    /// <returns>The attempt's network, or null when its name is another's; and the addresses that this machine has in the engine's networks.</returns>
    private async Task<(NetworkResponse? Network, IEnumerable<IPAddress> Gateways)> EnsureNetworkAsync(ContainerJob job, CancellationToken cancellationToken)
    {
        while (true)
        {
            IList<NetworkResponse> all = await _api.ListNetworksAsync(cancellationToken);
            NetworkResponse[] named = [.. all.Where(network => network.Name == job.Name).OrderBy(network => IsOwn(network.Labels) ? 0 : 1).ThenBy(network => network.Created).ThenBy(network => network.ID, StringComparer.Ordinal)];
            if (named.Length > 0)
            {
                // The engine lets two that ask at once have the same name, and then starts nothing in either: everybody keeps the oldest, or
                // the one in which somebody who did not see the oldest yet has started the gate.
                NetworkResponse? kept = named.FirstOrDefault(network => IsOwn(network.Labels));
                foreach (NetworkResponse twin in named.Skip(1).Where(network => IsOwn(network.Labels)))
                {
                    if (!await _api.RemoveNetworkAsync(twin.ID, cancellationToken) && await _api.RemoveNetworkAsync(kept!.ID, cancellationToken))
                        kept = twin;
                }

                return (
                    kept,
                    all.SelectMany(network => network.IPAM?.Config ?? []).Select(config => IPAddress.TryParse(config.Gateway, out IPAddress? address) ? address : null).OfType<IPAddress>());
            }

            await CreateNetworkAsync(job, cancellationToken);
        }
    }

    private Task CreateNetworkAsync(ContainerJob job, CancellationToken cancellationToken) => _api.CallAsync(
        "create a network",
        async (client, token) =>
        {
            try
            {
                await client.Networks.CreateNetworkAsync(
                    new NetworksCreateParameters
                    {
                        Name = job.Name,
                        CheckDuplicate = true,
                        Driver = "bridge",
                        Labels = Hardening.Labels(_options.ClusterId, job.Labels),
                        // Nobody else is in it; if somebody were, they could not talk.
                        Options = new Dictionary<string, string> { ["com.docker.network.bridge.enable_icc"] = "false" },
                    },
                    token);
            }
            catch (DockerApiException e) when (e.StatusCode == HttpStatusCode.Conflict)
            {
                // Somebody else makes the same one.
            }
            catch (DockerApiException e) when (EngineApi.Message(e).Contains("address pool", StringComparison.Ordinal))
            {
                throw OsaException.Unavailable(
                    $"the container engine has no address range left for the network of container {job.Name} ({EngineApi.Message(e)}): each of its networks takes one, and about 30 are there by default. Remove networks that nobody needs (docker network prune), or give the engine more default-address-pools");
            }
        },
        cancellationToken);

    /// <returns>The new gate's id, or null when the name is taken.</returns>
    private async Task<string?> CreateGateAsync(
        string name, Dictionary<string, string> labels, string network, EgressPolicy egress, IEnumerable<IPAddress> gateways, CancellationToken cancellationToken)
    {
        EngineDescription engine = _described ?? await DescribeAsync(cancellationToken);
        CreateContainerParameters parameters = Hardening.Gate(
            name,
            await ProbeImageAsync(cancellationToken),
            labels,
            network,
            egress.Rules(MachineAddresses().Concat(gateways)),
            egress.NameServers.Select(EgressPolicy.IPv4).OfType<IPAddress>().Select(address => address.ToString()),
            hasIPv6: Directory.Exists("/proc/sys/net/ipv6"),
            engine.Cpus);
        return await _api.CallAsync<string?>(
            "create the gate of a container",
            async (client, token) =>
            {
                try
                {
                    return (await client.Containers.CreateContainerAsync(parameters, token)).ID;
                }
                catch (DockerApiException e) when (e.StatusCode == HttpStatusCode.Conflict)
                {
                    return null;
                }
            },
            cancellationToken);
    }

    private Task<GateStart> StartGateAsync(string gateId, CancellationToken cancellationToken) => _api.CallAsync(
        "start the gate of a container",
        async (client, token) =>
        {
            try
            {
                await client.Containers.StartContainerAsync(gateId, new ContainerStartParameters(), token);
                return GateStart.Started;
            }
            catch (DockerApiException e) when (EngineApi.Message(e).Contains("is ambiguous", StringComparison.Ordinal))
            {
                return GateStart.SeveralNetworks;
            }
            catch (DockerApiException e) when (e.StatusCode == HttpStatusCode.NotFound)
            {
                return GateStart.NothingThere;
            }
        },
        cancellationToken);

    private enum GateStart
    {
        Started,

        /// <summary>The gate or its network is gone.</summary>
        NothingThere,

        /// <summary>Its network has twins of the same name.</summary>
        SeveralNetworks,
    }

    private async Task AwaitGateAsync(ContainerJob job, string gateId, CancellationToken cancellationToken)
    {
        string log = await _api.CallAsync(
            "say that the gate of a container is ready",
            async (client, token) =>
            {
                using MultiplexedStream stream = await client.Containers.GetContainerLogsAsync(
                    gateId, tty: false, new ContainerLogsParameters { ShowStdout = true, ShowStderr = true, Follow = true }, token);
                byte[] buffer = new byte[4096];
                int length = 0;
                while (length < buffer.Length
                    && !buffer.AsSpan(0, length).EndsWith(Encoding.ASCII.GetBytes(Ready))
                    && await stream.ReadOutputAsync(buffer, length, buffer.Length - length, token) is { Count: > 0 } read)
                    length += read.Count;
                return Encoding.UTF8.GetString(buffer, 0, length);
            },
            cancellationToken,
            ReadyTimeout);
        if (log.EndsWith(Ready, StringComparison.Ordinal))
            return;
        await _api.RemoveAsync(gateId, cancellationToken);
        throw OsaException.Unavailable($"the network of container {job.Name} could not be closed off, so the container is not started: {PlainText.Clean(log).Trim()}");
    }

    private async Task RemoveGateAsync(string name, CancellationToken cancellationToken)
    {
        if (await FindOwnAsync(GateOf(name), cancellationToken) is { } gateId)
            await _api.RemoveAsync(gateId, cancellationToken);
        foreach (NetworkResponse network in (await _api.ListNetworksAsync(cancellationToken)).Where(network => network.Name == name && IsOwn(network.Labels)))
        {
            if (!await _api.RemoveNetworkAsync(network.ID, cancellationToken))
                throw OsaException.Unavailable($"the network of container {name} is still in use");
        }
    }

    // In a container of its own the node sees the container's: the machine's are in the policy then, as far as they are public.
    private static IEnumerable<IPAddress> MachineAddresses() =>
        NetworkInterface.GetAllNetworkInterfaces().SelectMany(card => card.GetIPProperties().UnicastAddresses).Select(unicast => unicast.Address);
}
