using System.Net;
using System.Net.Sockets;

namespace Osa.Testing;

/// <summary>Ports for servers under test.</summary>
public static class FreePort
{
    /// <summary>A loopback port that nobody listens on at this moment.</summary>
    public static int Next()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
