using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using Npgsql;
using Osa.Testing;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>What sources reach through the node's own settings, and an upstream that is away.</summary>
public sealed class SourceNetworkTests(HostileNode hostile) : IClassFixture<HostileNode>
{
    private Archive Archive => hostile.Archive;

    [Fact]
    public async Task A_source_reaches_what_the_operator_allows_and_nothing_else_of_this_machine()
    {
        string id = Documents.NewId("reach");
        using var other = new TcpListener(IPAddress.Parse(hostile.Bridge), 0);
        other.Start();
        string allowed = $"tcp {hostile.Bridge} {hostile.UpstreamPort}";
        string[] closed =
        [
            $"tcp {hostile.Bridge} {((IPEndPoint)other.LocalEndpoint).Port}",
            $"tcp {hostile.Bridge} {Archive.Node.Address.Port}",
            $"tcp {hostile.Bridge} {new NpgsqlConnectionStringBuilder(hostile.Database).Port}",
            $"tcp {hostile.Bridge} 2375",
            $"tcp 10.0.0.1 {hostile.UpstreamPort}",
            "tcp 169.254.169.254 80",
        ];
        JsonObject source = Pulls.Source(total: 1);
        // What it finds is no record, and so kept as it is.
        source["config"] = new JsonObject { ["do"] = "reach", ["file"] = "records.jsonl", ["targets"] = new JsonArray([allowed, .. closed.Select(t => JsonValue.Create(t))]) };
        await Archive.RegisterAsync(Pulls.Convention(id, "1.0.0", source));

        Pull pull = await Archive.PullAsync(id);

        Assert.Equal(1, pull.Counts.Quarantined);
        QuarantinedLine line = await Archive.Admin.Sources.GetQuarantinedAsync(id, (await Archive.QuarantineAsync(id)).Single().Id);
        using JsonDocument found = JsonDocument.Parse(line.Line.Memory);
        Assert.Equal("reached", found.RootElement.GetProperty(allowed).GetProperty("found").GetString());
        Assert.All(closed, target => Assert.Equal((target, nameof(SocketError.HostUnreachable)), (target, found.RootElement.GetProperty(target).GetProperty("found").GetString())));
        OsaCommand shown = await OsaCommand.DoneAsync(Archive, "curator", "source", "show", id);
        Expect.Says($"public IPv4 addresses; {hostile.Bridge}:{hostile.UpstreamPort} (allowed by the operator); {hostile.Bridge}:{hostile.DeadPort} (allowed by the operator)", shown.Output);
        await Pulls.AreGoneAsync(Archive, pull);
    }

    [Fact]
    public async Task A_pull_goes_on_by_itself_once_upstream_has_recovered()
    {
        string id = Documents.NewId("recovers");
        await Archive.RegisterAsync(Pulls.Convention(id, "1.0.0", Pulls.Script(hostile.Image, $"nc -w 20 {hostile.Bridge} {hostile.DeadPort} > records.jsonl || {{ echo upstream is away >&2; exit 1; }}")));

        string begun = (await Archive.Admin.Sources.RunAsync(id)).Id;
        Pull waiting = new();
        await Eventually.True(
            async () => (waiting = await Archive.Admin.Sources.GetPullAsync(begun)).WaitingFor.Contains("upstream is away", StringComparison.Ordinal), Archive.Patience, () => $"a pull that waits for upstream, but: {waiting}");
        using var upstream = new TcpListener(IPAddress.Parse(hostile.Bridge), hostile.DeadPort);
        upstream.Start();
        Task served = ServeAsync(upstream);
        Pull pull = await Archive.Admin.Sources.WaitAsync(begun).WaitAsync(Archive.Patience);

        Assert.True(pull is { Status: PullStatus.Completed, Counts.Published: 1 }, pull.ToString());
        await served;
        IReadOnlyList<PullContainer> containers = await Archive.Admin.Sources.ContainersAsync(begun);
        Assert.Equal(["done", "failed"], [containers[0].State, containers[^1].State]);
        await Pulls.AreGoneAsync(Archive, pull);
    }

    private static async Task ServeAsync(TcpListener upstream)
    {
        using TcpClient client = await upstream.AcceptTcpClientAsync().WaitAsync(Archive.Patience);
        await client.GetStream().WriteAsync(Encoding.UTF8.GetBytes("""{"source_id":"a","metadata":{"title":"a"}}""" + "\n"));
    }
}
