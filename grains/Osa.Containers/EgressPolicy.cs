using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Osa.Domain.Errors;

namespace Osa.Containers;

/// <summary>
/// What a container with a network may reach: public addresses of IPv4 that are not this machine's, its name servers, and what is allowed
/// here. Private and special ranges are closed, and IPv6 is off.
/// </summary>
/// <param name="Allowed">What is open all the same: with a port over TCP, without one whatever is spoken there.</param>
/// <param name="Denied">
/// What nothing in <paramref name="Allowed"/> opens, over any protocol. Port 0 stands for every port. The address <c>0.0.0.0</c> (or <c>::</c>) stands for
/// every address of this machine, and, since containers come to know it by new ones, for every address of an allowed network without a port.
/// Other addresses of IPv6 are passed over.
/// </param>
/// <param name="NameServers">Open at port 53. Those of IPv6 are passed over. With none the engine asks its machine's, of which the public ones answer, and those on the machine's loopback.</param>
/// <remarks>The kernel takes the rules of a gate in one message, which holds some 400: longer lists are an error when a container is prepared.</remarks>
public sealed record EgressPolicy(IReadOnlyList<EgressRule> Allowed, IReadOnlyList<IPEndPoint> Denied, IReadOnlyList<IPAddress> NameServers)
{
    /// <summary>Private and special ranges of IPv4 (RFC 6890), and the one public address at which a cloud's own services answer every machine.</summary>
    internal static readonly IReadOnlyList<IPNetwork> Closed =
    [
        .. ((string[])[
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
            "192.168.0.0/16", "198.18.0.0/15", "224.0.0.0/4", "240.0.0.0/4"]).Select(range => IPNetwork.Parse(range)),
    ];

    private const int DomainPort = 53;

    /// <summary>
    /// The name servers of this machine that a container can ask: of <c>/run/systemd/resolve/resolv.conf</c>, or else of <c>/etc/resolv.conf</c>,
    /// those with an address of IPv4 that is not loopback. Empty where there is none.
    /// </summary>
    public static IReadOnlyList<IPAddress> ReadNameServers()
    {
        foreach (string path in (string[])["/run/systemd/resolve/resolv.conf", "/etc/resolv.conf"])
        {
            if (File.Exists(path) && ParseNameServers(File.ReadLines(path)) is { Count: > 0 } found)
                return found;
        }

        return [];
    }

    internal static IReadOnlyList<IPAddress> ParseNameServers(IEnumerable<string> lines) =>
    [
        .. lines.Select(line => line.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries))
            .Where(words => words is ["nameserver", _, ..])
            .Select(words => IPAddress.TryParse(words[1], out IPAddress? address) ? IPv4(address) : null)
            .OfType<IPAddress>()
            .Where(address => !IPAddress.IsLoopback(address)),
    ];

    /// <summary>The policy as rules of the gate, the first that matches deciding.</summary>
    /// <param name="machine">Addresses of this machine as far as they are known.</param>
    internal IReadOnlyList<string> Rules(IEnumerable<IPAddress> machine)
    {
        string[] own = [.. machine.Select(IPv4).OfType<IPAddress>().Where(address => !IPAddress.IsLoopback(address)).Select(address => $"{address}/32").Distinct().Order(StringComparer.Ordinal)];
        int[] everywhere = [.. Denied.Where(endpoint => IsEverywhere(endpoint.Address)).Select(endpoint => endpoint.Port).Distinct()];
        List<string> rules = [];
        foreach (IPAddress server in NameServers.Select(IPv4).OfType<IPAddress>())
            rules.AddRange([$"accept {server}/32 udp {DomainPort}", $"accept {server}/32 tcp {DomainPort}"]);
        foreach (IPEndPoint endpoint in Denied.Where(endpoint => !IsEverywhere(endpoint.Address)))
        {
            if (IPv4(endpoint.Address) is { } address)
                rules.Add(Reject($"{address}/32", endpoint.Port));
        }

        rules.AddRange(own.SelectMany(_ => everywhere, Reject));
        rules.AddRange(Allowed.Where(rule => rule.Port is not null).Select(rule => $"accept {rule.Network} tcp {rule.Port}"));
        EgressRule[] wide = [.. Allowed.Where(rule => rule.Port is null)];
        rules.AddRange(wide.Where(rule => rule.Network.PrefixLength < 32).SelectMany(_ => everywhere.Where(port => port != 0), (rule, port) => Reject(rule.Network.ToString(), port)));
        rules.AddRange(wide.Select(rule => $"accept {rule.Network}"));
        rules.AddRange(Closed.Select(range => Reject(range.ToString(), 0)));
        rules.AddRange(own.Select(address => Reject(address, 0)));
        rules.Add("accept 0.0.0.0/0");
        return rules;
    }

    /// <summary>The same for the same policy, whatever addresses the machine has just now.</summary>
    internal string Fingerprint() => Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(string.Join('\n', Rules([])))))[..16];

    internal static IPAddress? IPv4(IPAddress address) =>
        address.IsIPv4MappedToIPv6 ? address.MapToIPv4() : address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork ? address : null;

    private static bool IsEverywhere(IPAddress address) => address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any);

    private static string Reject(string network, int port) => port == 0 ? $"reject {network}" : $"reject {network} any {port}";
}

/// <summary>An entry of the operator's list of what containers with a network may reach beside public addresses.</summary>
/// <param name="Network">One address or many, of IPv4.</param>
/// <param name="Port">1 to 65535, of TCP; null for everything.</param>
public sealed record EgressRule(IPNetwork Network, int? Port)
{
    private const string Example = "write 10.1.2.3, 10.1.2.3:8080, 10.1.2.0/24 or 10.1.2.0/24:443";

    /// <summary>Reads <c>ADDRESS</c>, <c>ADDRESS:PORT</c>, <c>ADDRESS/LENGTH</c> or <c>ADDRESS/LENGTH:PORT</c>, in decimal and without leading zeros.</summary>
    /// <exception cref="OsaException">
    /// InvalidArgument: a name, IPv6, a number out of range, a network whose address has bits beyond its length (it is not clear what was meant), or
    /// a length of 0, which would open everything there is.
    /// </exception>
    public static EgressRule Parse(string text)
    {
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        if (colon >= 0 && text.IndexOf(':', colon + 1) >= 0)
            throw Refuse(text, "is of IPv6, which is off where containers have a network");
        int? port = colon < 0 ? null : Number(text[(colon + 1)..]);
        if (colon >= 0 && port is not (>= 1 and <= 65535))
            throw Refuse(text, $"has no port from 1 to 65535 after its colon; {Example}");
        string network = colon < 0 ? text : text[..colon];
        int slash = network.IndexOf('/', StringComparison.Ordinal);
        int? length = slash < 0 ? 32 : Number(network[(slash + 1)..]);
        if (length is not (>= 0 and <= 32))
            throw Refuse(text, $"has no length from 1 to 32 after its slash; {Example}");
        if (length == 0)
            throw Refuse(text, "would open every address, those of this machine too; list the networks that are needed");
        string address = slash < 0 ? network : network[..slash];
        if (!IPAddress.TryParse(address, out IPAddress? parsed) || parsed.ToString() != address)
            throw Refuse(text, $"does not begin with an address of IPv4; names are not accepted, because what they stand for changes; {Example}");
        uint bits = BinaryPrimitives.ReadUInt32BigEndian(parsed.GetAddressBytes());
        uint mask = uint.MaxValue << (32 - length.Value);
        if ((bits & ~mask) != 0)
            throw Refuse(text, $"has bits beyond its length; write {OfBits(bits & mask)}/{length} for the network, or {address} for the one address");
        return new EgressRule(new IPNetwork(parsed, length.Value), port);
    }

    /// <summary>As it is parsed: one address without its length.</summary>
    public override string ToString() => $"{(Network.PrefixLength == 32 ? Network.BaseAddress : Network)}{(Port is null ? "" : $":{Port}")}";

    private static IPAddress OfBits(uint bits) => new([(byte)(bits >> 24), (byte)(bits >> 16), (byte)(bits >> 8), (byte)bits]);

    // Null for what is not a plain number.
    private static int? Number(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int number) && number.ToString(CultureInfo.InvariantCulture) == text ? number : null;

    private static OsaException Refuse(string text, string problem) => OsaException.Invalid("egress", "egress_rule", $"'{text}' {problem}");
}
