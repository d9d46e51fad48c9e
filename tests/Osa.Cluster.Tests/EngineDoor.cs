using System.Net.Sockets;

namespace Osa.Cluster.Tests;

/// <summary>A socket where a silo is told that its container engine is: counts who knocks.</summary>
internal sealed class EngineDoor : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly Task _accepting;
    private int _knocks;

    public EngineDoor(string path)
    {
        Address = new Uri("unix://" + path);
        _listener.Bind(new UnixDomainSocketEndPoint(path));
        _listener.Listen();
        _accepting = AcceptAsync();
    }

    public Uri Address { get; }

    /// <summary>Connections so far.</summary>
    public int Knocks => Volatile.Read(ref _knocks);

    public void Dispose() => _listener.Dispose();

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                using Socket connection = await _listener.AcceptAsync();
                Interlocked.Increment(ref _knocks);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }
}
