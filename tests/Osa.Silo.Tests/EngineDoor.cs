using System.Net.Sockets;
using Osa.Testing;

namespace Osa.Silo.Tests;

/// <summary>Another socket of the engine, for one user: what membership in the group <c>docker</c> gives elsewhere.</summary>
internal sealed class EngineDoor : IAsyncDisposable
{
    private readonly Socket _listener;
    private readonly CancellationTokenSource _closed = new();
    private readonly Task _accepting;

    private EngineDoor(Socket listener)
    {
        _listener = listener;
        _accepting = AcceptAsync();
    }

    public static async Task<EngineDoor> OpenAsync(string path, string user)
    {
        var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen(64);
        (int code, string output) = await Unprivileged.RunAsync("chown", user, path);
        Assert.True(code == 0, output);
        return new EngineDoor(listener);
    }

    public async ValueTask DisposeAsync()
    {
        await _closed.CancelAsync();
        _listener.Dispose();
        await _accepting;
    }

    private async Task AcceptAsync()
    {
        var open = new List<Task>();
        try
        {
            while (true)
            {
                open.Add(ServeAsync(await _listener.AcceptAsync(_closed.Token)));
            }
        }
        catch (OperationCanceledException)
        {
            await Task.WhenAll(open);
        }
    }

    private async Task ServeAsync(Socket client)
    {
        using (client)
        using (var engine = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified))
        {
            try
            {
                await engine.ConnectAsync(new UnixDomainSocketEndPoint("/var/run/docker.sock"), _closed.Token);
                await Task.WhenAll(CopyAsync(client, engine), CopyAsync(engine, client));
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException)
            {
                // One side is gone, and so is the connection.
            }
        }
    }

    private async Task CopyAsync(Socket from, Socket to)
    {
        byte[] buffer = new byte[64 << 10];
        int read;
        while ((read = await from.ReceiveAsync(buffer, _closed.Token)) > 0)
        {
            for (int sent = 0; sent < read;)
            {
                sent += await to.SendAsync(buffer.AsMemory(sent, read - sent), _closed.Token);
            }
        }

        to.Shutdown(SocketShutdown.Send);
    }
}
