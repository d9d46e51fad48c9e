using System.Net.Sockets;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.Extensions.Logging;

namespace Osa.Testing;

/// <summary>A socket of the container engine through which a test makes it fail: away, hung, refusing some calls, or losing an answer. For one user, it is what membership in the group <c>docker</c> gives elsewhere.</summary>
public sealed class EngineProxy : IAsyncDisposable
{
    private const string Engine = "/var/run/docker.sock";

    // A connection cannot carry these further.
    private static readonly HashSet<string> OfOneConnection = new(StringComparer.OrdinalIgnoreCase) { "Connection", "Transfer-Encoding", "Keep-Alive", "Host" };

    private readonly WebApplication _server;
    private readonly HttpMessageInvoker _engine = new(new SocketsHttpHandler
    {
        UseProxy = false,
        ConnectCallback = static async (_, cancellation) =>
        {
            var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(Engine), cancellation);
            return new NetworkStream(socket, ownsSocket: true);
        },
    });

    private CancellationTokenSource _away = new();
    private TaskCompletionSource _thawed = Thawed();
    private int _calls;
    private int _held;
    private string? _lost;

    private EngineProxy(WebApplication server, string path) => (_server, Address) = (server, new Uri("unix://" + path));

    public Uri Address { get; }

    /// <summary>Every so many calls, one is answered with 500 and never reaches the engine; 0: none.</summary>
    public int FailEvery { get; set; }

    /// <param name="user">Whose it is; null for the user of the tests.</param>
    public static async Task<EngineProxy> StartAsync(string path, string? user = null)
    {
        WebApplicationBuilder builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.ListenUnixSocket(path);
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Limits.MinResponseDataRate = null;
        });
        WebApplication server = builder.Build();
        var proxy = new EngineProxy(server, path);
        server.Run(proxy.ForwardAsync);
        await server.StartAsync();
        if (user is not null && await Unprivileged.RunAsync("chown", user, path) is (not 0, var refusal))
        {
            throw new InvalidOperationException(refusal);
        }

        return proxy;
    }

    /// <summary>Breaks every connection, and every new one, until <see cref="Return"/>.</summary>
    public void Leave() => _away.Cancel();

    public void Return() => _away = new CancellationTokenSource();

    /// <summary>Takes every call and answers none, nor goes on with an answer, until <see cref="Thaw"/>.</summary>
    public void Hang() => (_held, _thawed) = (0, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));

    public void Thaw() => _thawed.SetResult();

    /// <summary>Calls that have met <see cref="Hang"/>.</summary>
    public int Held => Volatile.Read(ref _held);

    /// <summary>The engine does the next call whose path has this in it, and its answer gets lost.</summary>
    public void LoseAnswerTo(string path) => Volatile.Write(ref _lost, path);

    /// <summary>Whether what <see cref="LoseAnswerTo"/> asked for has happened.</summary>
    public bool HasLost => Volatile.Read(ref _lost) is null;

    public async ValueTask DisposeAsync()
    {
        Leave();
        await _server.DisposeAsync();
        _engine.Dispose();
    }

    private async Task ForwardAsync(HttpContext context)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, _away.Token);
        try
        {
            ended.Token.ThrowIfCancellationRequested();
            await WhileHungAsync(ended.Token);
            if (FailEvery > 0 && Interlocked.Increment(ref _calls) % FailEvery == 0)
            {
                context.Response.StatusCode = StatusCodes.Status500InternalServerError;
                await context.Response.WriteAsJsonAsync(new { message = "an error of the engine, made by a test" }, ended.Token);
                return;
            }

            using var request = new HttpRequestMessage(new HttpMethod(context.Request.Method), $"http://engine{context.Request.Path}{context.Request.QueryString}");
            if (context.Request.ContentLength > 0 || context.Request.Headers.TransferEncoding.Count > 0)
            {
                request.Content = new StreamContent(context.Request.Body);
                request.Content.Headers.TryAddWithoutValidation("Content-Type", context.Request.ContentType);
            }

            using HttpResponseMessage answer = await _engine.SendAsync(request, ended.Token);
            if (Volatile.Read(ref _lost) is { } lost && context.Request.Path.Value!.Contains(lost, StringComparison.Ordinal))
            {
                await answer.Content.ReadAsByteArrayAsync(ended.Token);
                Volatile.Write(ref _lost, null);
                context.Abort();
                return;
            }

            context.Response.StatusCode = (int)answer.StatusCode;
            foreach ((string name, IEnumerable<string> values) in answer.Headers.Concat(answer.Content.Headers).Where(h => !OfOneConnection.Contains(h.Key)))
            {
                context.Response.Headers[name] = values.ToArray();
            }

            await WhileHungAsync(ended.Token);
            context.Features.Get<IHttpResponseBodyFeature>()!.DisableBuffering();
            await context.Response.StartAsync(ended.Token);
            Stream content = await answer.Content.ReadAsStreamAsync(ended.Token);
            byte[] buffer = new byte[64 << 10];
            for (int read; (read = await content.ReadAsync(buffer, ended.Token)) > 0;)
            {
                await WhileHungAsync(ended.Token);
                await context.Response.Body.WriteAsync(buffer.AsMemory(0, read), ended.Token);
            }
        }
        catch (Exception e) when (e is OperationCanceledException or IOException or HttpRequestException)
        {
            context.Abort();
        }
    }

    private async Task WhileHungAsync(CancellationToken cancellation)
    {
        if (_thawed is { Task.IsCompleted: false } hung)
        {
            Interlocked.Increment(ref _held);
            await hung.Task.WaitAsync(cancellation);
        }
    }

    private static TaskCompletionSource Thawed()
    {
        var thawed = new TaskCompletionSource();
        thawed.SetResult();
        return thawed;
    }
}
