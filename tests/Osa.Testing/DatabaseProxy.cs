using System.Net;
using System.Net.Sockets;
using Npgsql;

namespace Osa.Testing;

/// <summary>A port of PostgreSQL through which a test loses the answer to a COMMIT, or to a batch that commits by itself: the server has done it, and the client cannot know.</summary>
public sealed class DatabaseProxy : IAsyncDisposable
{
    // As Npgsql sends it: a simple query, in a message of its own.
    private static readonly byte[] Commit = "COMMIT\0"u8.ToArray();

    // The end of a batch; outside of a transaction its commit.
    private static readonly byte[] Sync = "S\0\0\0\u0004"u8.ToArray();

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly NpgsqlConnectionStringBuilder _server;
    private readonly CancellationTokenSource _closed = new();
    private readonly Task _accepting;
    private int _commitsToLose;
    private int _batchesToLose;

    public DatabaseProxy(string server)
    {
        _server = new NpgsqlConnectionStringBuilder(server);
        _listener.Start();
        var mine = new NpgsqlConnectionStringBuilder(server) { Host = IPAddress.Loopback.ToString(), Port = ((IPEndPoint)_listener.LocalEndpoint).Port };
        ConnectionString = mine.ConnectionString;
        _accepting = AcceptAsync();
    }

    public string ConnectionString { get; }

    /// <summary>From now on so many answers get lost, each with its connection.</summary>
    public int CommitsToLose
    {
        get => Volatile.Read(ref _commitsToLose);
        set => Volatile.Write(ref _commitsToLose, value);
    }

    /// <inheritdoc cref="CommitsToLose"/>
    public int BatchesToLose
    {
        get => Volatile.Read(ref _batchesToLose);
        set => Volatile.Write(ref _batchesToLose, value);
    }

    public async ValueTask DisposeAsync()
    {
        await _closed.CancelAsync();
        _listener.Dispose();
        await _accepting;
        _closed.Dispose();
    }

    private async Task AcceptAsync()
    {
        var open = new List<Task>();
        try
        {
            while (true)
            {
                open.Add(ServeAsync(await _listener.AcceptSocketAsync(_closed.Token)));
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
        using (Socket server = NewSocket())
        {
            client.NoDelay = true;
            bool losing = false;
            try
            {
                await server.ConnectAsync(EndPoint(), _closed.Token);
                Task asking = CopyAsync(client, server, part =>
                {
                    losing = (part.EndsWith(Commit) && TakeOne(ref _commitsToLose)) || (part.EndsWith(Sync) && TakeOne(ref _batchesToLose));
                    return true;
                });
                Task answering = CopyAsync(server, client, _ => !losing);
                await Task.WhenAny(asking, answering);
            }
            catch (Exception e) when (e is SocketException or OperationCanceledException)
            {
                // One side is gone, and so is the connection.
            }
        }
    }

    private async Task CopyAsync(Socket from, Socket to, Func<ReadOnlySpan<byte>, bool> mayPass)
    {
        byte[] buffer = new byte[64 << 10];
        try
        {
            int read;
            while ((read = await from.ReceiveAsync(buffer, _closed.Token)) > 0 && mayPass(buffer.AsSpan(0, read)))
            {
                for (int sent = 0; sent < read;)
                {
                    sent += await to.SendAsync(buffer.AsMemory(sent, read - sent), _closed.Token);
                }
            }
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or ObjectDisposedException)
        {
            // The connection has ended.
        }
    }

    private static bool TakeOne(ref int left) => Volatile.Read(ref left) > 0 && Interlocked.Decrement(ref left) >= 0;

    private bool IsLocal => _server.Host!.StartsWith('/');

    private Socket NewSocket() => IsLocal ? new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified) : new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };

    private EndPoint EndPoint() => IsLocal
        ? new UnixDomainSocketEndPoint(Path.Combine(_server.Host!, $".s.PGSQL.{_server.Port}"))
        : new IPEndPoint(IPAddress.Parse(_server.Host!), _server.Port);
}
