using System.Net;
using Osa.Domain.Errors;

namespace Osa.Containers.Tests;

/// <summary>The operator's list, and the rules that come of it.</summary>
public sealed class EgressPolicyTests
{
    [Theory]
    [InlineData("10.1.2.3", "10.1.2.3/32", null)]
    [InlineData("10.1.2.3/32", "10.1.2.3/32", null)]
    [InlineData("10.1.2.3:8080", "10.1.2.3/32", 8080)]
    [InlineData("10.1.2.0/24", "10.1.2.0/24", null)]
    [InlineData("10.1.2.0/24:443", "10.1.2.0/24", 443)]
    [InlineData("128.0.0.0/1:65535", "128.0.0.0/1", 65535)]
    public void An_entry_names_a_network_and_perhaps_a_port(string text, string network, int? port)
    {
        EgressRule rule = EgressRule.Parse(text);

        Assert.Equal((network, port), (rule.Network.ToString(), rule.Port));
        Assert.Equal(rule, EgressRule.Parse(rule.ToString()));
        Assert.Equal(text.Replace("/32", "", StringComparison.Ordinal), rule.ToString());
    }

    [Theory]
    [InlineData("10.1.2.3/8", "write 10.0.0.0/8 for the network, or 10.1.2.3 for the one address")]
    [InlineData("10.1.2.3/31:80", "write 10.1.2.2/31 for the network")]
    [InlineData("0.0.0.0/0", "would open every address")]
    [InlineData("10.0.0.0/33", "no length from 1 to 32")]
    [InlineData("10.0.0.0/", "no length from 1 to 32")]
    [InlineData("10.0.0.0/-1", "no length from 1 to 32")]
    [InlineData("10.0.0.0/08", "no length from 1 to 32")]
    [InlineData("10.0.0.0/24/24", "no length from 1 to 32")]
    [InlineData("10.1.2.3:0", "no port from 1 to 65535")]
    [InlineData("10.1.2.3:65536", "no port from 1 to 65535")]
    [InlineData("10.1.2.3:", "no port from 1 to 65535")]
    [InlineData("10.1.2.3:http", "no port from 1 to 65535")]
    [InlineData("10.1.2.3: 80", "no port from 1 to 65535")]
    [InlineData("10.1.2.3:+80", "no port from 1 to 65535")]
    [InlineData("fd00::1", "IPv6")]
    [InlineData("[fd00::1]:80", "IPv6")]
    [InlineData("::/0", "IPv6")]
    [InlineData("database.example.org", "names are not accepted")]
    [InlineData("localhost:5432", "names are not accepted")]
    [InlineData("10.1.2", "names are not accepted")]
    [InlineData("10.1.2.03", "names are not accepted")]
    [InlineData("0x0a.1.2.3", "names are not accepted")]
    [InlineData("167772161", "names are not accepted")]
    [InlineData(" 10.1.2.3", "names are not accepted")]
    [InlineData("10.1.2.3 ", "names are not accepted")]
    [InlineData("", "names are not accepted")]
    public void What_is_not_an_entry_is_refused_with_the_reason(string text, string reason)
    {
        OsaException refused = Assert.Throws<OsaException>(() => EgressRule.Parse(text));

        Assert.Equal(ErrorCode.InvalidArgument, refused.Code);
        Assert.Contains(reason, refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Any_entry_is_parsed_as_it_is_written()
    {
        Random random = new(20261127);
        for (int i = 0; i < 10_000; i++)
        {
            int length = random.Next(1, 33);
            uint bits = (uint)random.NextInt64(1L << 32) & (uint.MaxValue << (32 - length));
            IPNetwork network = new(Address(bits), length);
            EgressRule rule = new(network, random.Next(3) == 0 ? random.Next(1, 65536) : null);

            Assert.Equal(rule, EgressRule.Parse(rule.ToString()));
        }
    }

    [Theory]
    [InlineData("0.0.0.0")]
    [InlineData("10.0.0.1")]
    [InlineData("100.64.0.1")]
    [InlineData("100.100.100.200")]
    [InlineData("127.0.0.1")]
    [InlineData("168.63.129.16")]
    [InlineData("169.254.169.254")]
    [InlineData("172.16.0.1")]
    [InlineData("172.31.255.255")]
    [InlineData("192.0.0.192")]
    [InlineData("192.168.1.1")]
    [InlineData("198.19.0.1")]
    [InlineData("224.0.0.1")]
    [InlineData("239.255.255.250")]
    [InlineData("255.255.255.255")]
    public void Private_and_special_addresses_are_closed(string address)
    {
        EgressPolicy policy = new([], [], []);

        Assert.False(Passes(policy, address, "tcp", 443));
        Assert.False(Passes(policy, address, "udp", 53));
    }

    [Theory]
    [InlineData("1.1.1.1")]
    [InlineData("9.255.255.255")]
    [InlineData("11.0.0.0")]
    [InlineData("100.63.255.255")]
    [InlineData("100.128.0.0")]
    [InlineData("172.15.255.255")]
    [InlineData("172.32.0.0")]
    [InlineData("192.0.1.0")]
    [InlineData("198.17.255.255")]
    [InlineData("198.20.0.0")]
    [InlineData("223.255.255.255")]
    public void Public_addresses_are_open_unless_they_are_this_machines(string address)
    {
        EgressPolicy policy = new([], [], []);

        Assert.True(Passes(policy, address, "tcp", 443));
        Assert.True(Passes(policy, address, "udp", 443));
        Assert.False(Passes(policy, address, "tcp", 443, machine: address));
    }

    [Fact]
    public void What_is_allowed_is_open_at_its_port_alone_or_altogether()
    {
        EgressPolicy policy = Policy(["10.1.2.3:8080", "10.2.0.0/16"]);

        Assert.True(Passes(policy, "10.1.2.3", "tcp", 8080));
        Assert.False(Passes(policy, "10.1.2.3", "udp", 8080));
        Assert.False(Passes(policy, "10.1.2.3", "tcp", 8081));
        Assert.False(Passes(policy, "10.1.2.4", "tcp", 8080));
        Assert.True(Passes(policy, "10.2.255.1", "udp", 9));
        Assert.False(Passes(policy, "10.3.0.0", "tcp", 80));
    }

    [Fact]
    public void A_denied_endpoint_stays_closed_whatever_is_allowed()
    {
        EgressPolicy policy = Policy(["10.0.0.0/8", "10.1.2.3:5432", "10.1.2.4"], "10.1.2.3:5432", "10.1.2.4:0", "[::ffff:10.1.2.5]:80", "[fd00::1]:80", "127.0.0.1:80");

        Assert.False(Passes(policy, "10.1.2.3", "tcp", 5432));
        Assert.False(Passes(policy, "10.1.2.3", "udp", 5432));
        Assert.True(Passes(policy, "10.1.2.3", "tcp", 5433));
        Assert.False(Passes(policy, "10.1.2.4", "tcp", 1));
        Assert.False(Passes(policy, "10.1.2.5", "tcp", 80));
        Assert.True(Passes(policy, "10.1.2.6", "tcp", 80));
    }

    [Theory]
    [InlineData("0.0.0.0:8080")]
    [InlineData("[::]:8080")]
    public void A_port_denied_at_every_address_of_the_machine_is_closed_there_and_in_allowed_networks(string denied)
    {
        EgressPolicy policy = Policy(["172.16.0.0/12", "10.1.2.3", "10.1.2.0/24:8080", "10.9.9.9:8080", "10.9.9.9"], denied);

        Assert.False(Passes(policy, "172.18.0.1", "tcp", 8080));
        Assert.True(Passes(policy, "172.18.0.1", "tcp", 8081));
        // Named by its one address or with the very port, it is meant.
        Assert.True(Passes(policy, "10.1.2.3", "tcp", 8080));
        Assert.True(Passes(policy, "10.1.2.99", "tcp", 8080));
        Assert.False(Passes(policy, "10.9.9.9", "tcp", 8080, machine: "10.9.9.9"));
        Assert.True(Passes(policy, "10.9.9.9", "tcp", 8081, machine: "10.9.9.9"));
    }

    [Fact]
    public void Name_servers_answer_at_their_port_and_at_no_other()
    {
        EgressPolicy policy = new([], [], [IPAddress.Parse("10.0.0.53"), IPAddress.Parse("fd00::53")]);

        Assert.True(Passes(policy, "10.0.0.53", "udp", 53));
        Assert.True(Passes(policy, "10.0.0.53", "tcp", 53));
        Assert.False(Passes(policy, "10.0.0.53", "tcp", 853));
        Assert.False(Passes(policy, "10.0.0.54", "udp", 53));
    }

    [Fact]
    public void The_machines_name_servers_are_those_that_a_container_can_ask() =>
        Assert.Equal(
            ["10.0.0.53", "9.9.9.9"],
            EgressPolicy.ParseNameServers(["# nameserver 1.2.3.4", "search example.org", "nameserver 127.0.0.53", "nameserver\t10.0.0.53 # ours", " nameserver fd00::53", "nameserver", "nameserver nothing", "nameserver 9.9.9.9"])
                .Select(address => address.ToString()));

    [Fact]
    public void A_policy_is_told_from_another_and_not_by_what_the_machine_is_called()
    {
        Assert.Equal(Policy(["10.0.0.0/8"], "10.1.1.1:1").Fingerprint(), Policy(["10.0.0.0/8"], "10.1.1.1:1").Fingerprint());
        Assert.NotEqual(Policy(["10.0.0.0/8"]).Fingerprint(), Policy(["10.0.0.0/9"]).Fingerprint());
        Assert.NotEqual(Policy(["10.0.0.0/8"]).Fingerprint(), Policy(["10.0.0.0/8"], "10.1.1.1:1").Fingerprint());
    }

    private static EgressPolicy Policy(string[] allowed, params string[] denied) => new([.. allowed.Select(EgressRule.Parse)], [.. denied.Select(IPEndPoint.Parse)], []);

    // The gate's reading of its rules.
    private static bool Passes(EgressPolicy policy, string address, string protocol, int port, params string[] machine)
    {
        foreach (string[] rule in policy.Rules(machine.Select(IPAddress.Parse)).Select(rule => rule.Split(' ')))
        {
            bool matches = IPNetwork.Parse(rule[1]).Contains(IPAddress.Parse(address))
                && (rule.Length == 2 || ((rule[2] == "any" || rule[2] == protocol) && int.Parse(rule[3]) == port));
            if (matches)
                return rule[0] == "accept";
        }

        return false;
    }

    private static IPAddress Address(uint bits) => new([(byte)(bits >> 24), (byte)(bits >> 16), (byte)(bits >> 8), (byte)bits]);
}
