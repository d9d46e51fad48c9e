using System.Net;
using System.Net.Sockets;

namespace Osa.Testing;

/// <summary>Ports for servers under test.</summary>
public static class FreePort
{
    // Not of those that Linux takes for outgoing connections: one of these could have it before the server does.
    private const int First = 10_000;
    private const int Last = 32_000;

    /// <summary>A loopback port that nobody listens on at this moment.</summary>
    public static int Next()
    {
        while (true)
        {
            using var listener = new TcpListener(IPAddress.Loopback, Random.Shared.Next(First, Last));
            try
            {
                listener.Start();
                return ((IPEndPoint)listener.LocalEndpoint).Port;
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressAlreadyInUse)
            {
                // Another one, then.
            }
        }
    }
}
