using System.Net.Sockets;
using Docker.DotNet;

namespace Osa.Containers.Engine;

/// <summary>Keeps connections to the engine open from one request to the next; Docker.DotNet by itself opens one for each.</summary>
/// <param name="endpoint">The engine's API.</param>
internal sealed class KeptConnections(Uri endpoint) : Credentials
{
    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(30);

    public override bool IsTlsCredentials() => false;

    public override HttpMessageHandler GetHandler(HttpMessageHandler innerHandler)
    {
        innerHandler.Dispose();
        SocketsHttpHandler connections = new() { UseProxy = false, UseCookies = false, AllowAutoRedirect = false, PooledConnectionIdleTimeout = Idle };
        if (endpoint.Scheme == "unix")
            connections.ConnectCallback = (_, cancellationToken) => ConnectAsync(endpoint.LocalPath, cancellationToken);
        return new Once(connections);
    }

    private static async ValueTask<Stream> ConnectAsync(string path, CancellationToken cancellationToken)
    {
        Socket socket = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Has no order repeated behind our back, where a kept connection ends before its answer: a container started twice runs twice.</summary>
    private sealed class Once(HttpMessageHandler connections) : DelegatingHandler(connections)
    {
        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            // A request with a body is never sent again, however short that is.
            if (request.Method != HttpMethod.Get)
                request.Content ??= new ByteArrayContent([]);
            return base.SendAsync(request, cancellationToken);
        }
    }
}
