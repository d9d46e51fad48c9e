using System.Net.Sockets;
using System.Text;
using Osa.Containers.Engine;
using Osa.Domain.Errors;

namespace Osa.Containers.Tests;

/// <summary>Connections to the engine that are kept, against a socket that says what it was sent.</summary>
public sealed class KeptConnectionsTests
{
    [Fact]
    public async Task An_order_whose_answer_is_lost_is_not_given_again()
    {
        string directory = Directory.CreateTempSubdirectory("osa-test-").FullName;
        string path = Path.Combine(directory, "docker.sock");
        using Socket listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen();
        List<string> orders = [];
        int connections = 0;
        using CancellationTokenSource over = new();
        Task engine = ServeAsync();
        using EngineApi api = new(new Uri("unix://" + path), TimeSpan.FromSeconds(30), TimeProvider.System);

        await api.KillAsync("one", default);
        OsaException lost = await Assert.ThrowsAsync<OsaException>(() => api.KillAsync("two", default));

        Assert.Equal(ErrorCode.Unavailable, lost.Code);
        Assert.Equal(["POST /containers/one/kill?signal=KILL HTTP/1.1", "POST /containers/two/kill?signal=KILL HTTP/1.1"], orders);
        Assert.Equal(1, connections);
        await over.CancelAsync();
        await engine;
        Directory.Delete(directory, recursive: true);

        async Task ServeAsync()
        {
            while (!over.IsCancellationRequested)
            {
                try
                {
                    using Socket connection = await listener.AcceptAsync(over.Token);
                    connections++;
                    await using NetworkStream stream = new(connection);
                    using StreamReader reader = new(stream, Encoding.ASCII);
                    while (await reader.ReadLineAsync(over.Token) is { Length: > 0 } order)
                    {
                        while (await reader.ReadLineAsync(over.Token) is { Length: > 0 })
                        {
                        }

                        orders.Add(order);
                        if (orders.Count > 1)
                            break;
                        await stream.WriteAsync("HTTP/1.1 204 No Content\r\n\r\n"u8.ToArray(), over.Token);
                    }
                }
                catch (OperationCanceledException)
                {
                    return;
                }
            }
        }
    }
}
