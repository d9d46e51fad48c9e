using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Osa.Testing;

namespace Osa.Silo.Tests;

/// <summary>When a node does not start: it ends with exit code 1 and says what to do.</summary>
public sealed class StartTests(SharedNode shared)
{
    [Fact]
    public async Task Without_a_signing_key_it_does_not_start()
    {
        using var data = new TempDirectory();

        await IsRefusedAsync(data, "There is no signing key at", "make one with `osa node key`", ("OSA_SIGNING_KEY_FILE", data["nowhere.key"]));
    }

    [Fact]
    public async Task With_a_short_signing_key_it_does_not_start() =>
        await KeyIsRefusedAsync(Convert.ToBase64String(RandomNumberGenerator.GetBytes(31)), "has 31 bytes; at least 32 random ones are needed");

    [Theory]
    [InlineData("changeme-changeme-changeme-changeme")]
    [InlineData("your-256-bit-secret-goes-here-please!")]
    [InlineData("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")]
    public async Task With_a_placeholder_for_a_signing_key_it_does_not_start(string placeholder) =>
        await KeyIsRefusedAsync(Convert.ToBase64String(System.Text.Encoding.ASCII.GetBytes(placeholder)), "is a placeholder, not random bytes; make one with `osa node key`");

    [Fact]
    public async Task With_a_signing_key_that_is_not_base64_it_does_not_start() => await KeyIsRefusedAsync("%%%", "is not base64; make one with `osa node key`");

    [Theory]
    [InlineData(UnixFileMode.GroupRead)]
    [InlineData(UnixFileMode.OtherRead)]
    public async Task With_a_signing_key_that_others_can_read_it_does_not_start(UnixFileMode mode) =>
        await KeyIsRefusedAsync(Convert.ToBase64String(RandomNumberGenerator.GetBytes(32)), "`chmod 600` it", mode);

    [Fact]
    public async Task Plain_http_on_an_address_that_others_reach_does_not_start()
    {
        using var data = new TempDirectory();

        await IsRefusedAsync(data, "would carry tokens in the clear", "use https with a certificate, or a loopback address", ("OSA_LISTEN", "http://0.0.0.0:7499"));
    }

    [Theory]
    [InlineData("OSA_LISTEN")]
    [InlineData("OSA_OPERATIONS")]
    [InlineData("OSA_SILO_PORT")]
    public async Task An_address_that_is_taken_does_not_start(string setting)
    {
        using var data = new TempDirectory();
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        int port = ((IPEndPoint)taken.LocalEndpoint).Port;

        await IsRefusedAsync(data, "ddress already in use", "another address with OSA_LISTEN, OSA_OPERATIONS or OSA_SILO_PORT", (setting, setting == "OSA_SILO_PORT" ? $"{port}" : $"http://127.0.0.1:{port}"));
    }

    [Fact]
    public async Task An_unknown_role_does_not_start()
    {
        using var data = new TempDirectory();

        await IsRefusedAsync(data, "'judge' is not a role; api and containers are", "OSA_ROLES", ("OSA_ROLES", "api,judge"));
    }

    [Theory]
    [InlineData("10.1.2.3, archive.example.org", "'archive.example.org' does not begin with an address of IPv4")]
    [InlineData("10.1.2.3:0", "'10.1.2.3:0' has no port from 1 to 65535")]
    [InlineData("10.1.2.3/24", "write 10.1.2.0/24 for the network, or 10.1.2.3 for the one address")]
    [InlineData("0.0.0.0/0", "would open every address")]
    public async Task A_malformed_list_of_what_sources_may_reach_does_not_start(string list, string what)
    {
        using var data = new TempDirectory();

        await IsRefusedAsync(data, "OSA_SOURCE_ALLOW: ", what, ("OSA_SOURCE_ALLOW", list));
    }

    [Fact]
    public async Task A_second_node_on_the_same_data_directory_does_not_start()
    {
        InvalidOperationException refusal = await Assert.ThrowsAsync<InvalidOperationException>(() => NodeProcess.StartAsync(new NodeSetup(shared.Archive.Data)));

        Expect.Says("the silo ended with 1:", refusal.Message);
        Expect.Says($"another node (process {shared.Archive.Node.ProcessId} on ", refusal.Message);
        Expect.Says("start this one with another data directory", refusal.Message);
        Assert.NotEmpty((await shared.Archive.Admin.Node.StatusAsync()).Silos);
    }

    private static async Task KeyIsRefusedAsync(string key, string says, UnixFileMode more = UnixFileMode.None)
    {
        using var data = new TempDirectory();
        await File.WriteAllTextAsync(data["other.key"], key);
        File.SetUnixFileMode(data["other.key"], UnixFileMode.UserRead | UnixFileMode.UserWrite | more);

        await IsRefusedAsync(data, data["other.key"], says, ("OSA_SIGNING_KEY_FILE", data["other.key"]));
    }

    private static async Task IsRefusedAsync(TempDirectory data, string what, string fix, (string Name, string Value) setting)
    {
        InvalidOperationException refusal = await Assert.ThrowsAsync<InvalidOperationException>(() => NodeProcess.StartAsync(new NodeSetup(data.Path)
        {
            Environment = new Dictionary<string, string>(StringComparer.Ordinal) { [setting.Name] = setting.Value },
        }));

        Expect.Says("the silo ended with 1:", refusal.Message);
        Expect.Says("The node does not start: ", refusal.Message);
        Expect.Says(what, refusal.Message);
        Expect.Says(fix, refusal.Message);
    }
}
