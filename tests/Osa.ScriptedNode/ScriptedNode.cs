using System.Collections.Concurrent;
using System.Net;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.AspNetCore.Server.Model;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace Osa.ScriptedNodes;

/// <summary>
/// NOT a node: the other end of the protocol for tests of the client and the command line. A real gRPC server (Kestrel, HTTP/2 without TLS) on
/// a loopback port that answers each operation as the test scripts it, and anything else with UNIMPLEMENTED.
/// </summary>
public sealed class ScriptedNode : IAsyncDisposable
{
    private readonly WebApplication app;

    private ScriptedNode(WebApplication app, ScriptedOperations operations)
    {
        this.app = app;
        Calls = operations.Calls;
        Address = new Uri(app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.Single());
    }

    public Uri Address { get; }

    /// <summary>Every call that arrived, in order: operation and authorization header.</summary>
    public ConcurrentQueue<(string Operation, string? Authorization)> Calls { get; }

    /// <param name="port">0 takes a free one.</param>
    public static async Task<ScriptedNode> StartAsync(Action<ScriptedOperations> script, int port = 0)
    {
        var operations = new ScriptedOperations();
        script(operations);
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, port, listen => listen.Protocols = HttpProtocols.Http2));
        builder.Services.AddGrpc();
        builder.Services.AddSingleton<IServiceMethodProvider<ScriptedService>>(operations);
        var node = builder.Build();
        node.MapGrpcService<ScriptedService>();
        await node.StartAsync();
        return new ScriptedNode(node, operations);
    }

    /// <summary>Drops every connection at once, as a killed process does.</summary>
    public async ValueTask DisposeAsync()
    {
        using var now = new CancellationTokenSource(0);
        await app.StopAsync(now.Token);
        await app.DisposeAsync();
    }

    /// <summary>An error as the node sends it: <c>google.rpc.Status</c> with one <c>BadRequest</c> violation per (field, rule, message).</summary>
    public static RpcException Error(StatusCode code, string message, params (string Field, string Rule, string Message)[] violations)
    {
        var status = new Google.Rpc.Status { Code = (int)code, Message = message };
        if (violations.Length > 0)
        {
            var details = new BadRequest();
            details.FieldViolations.AddRange(violations.Select(violation => new BadRequest.Types.FieldViolation
            {
                Field = violation.Field,
                Reason = violation.Rule,
                Description = violation.Message,
            }));
            status.Details.Add(Any.Pack(details));
        }

        return status.ToRpcException();
    }
}

/// <summary>What the scripted node answers, operation by operation, e.g. <c>Depositions/Create</c>.</summary>
public sealed class ScriptedOperations : IServiceMethodProvider<ScriptedService>
{
    private readonly List<Action<ServiceMethodProviderContext<ScriptedService>>> methods = [];

    internal ConcurrentQueue<(string Operation, string? Authorization)> Calls { get; } = new();

    public void Unary<TRequest, TResponse>(string operation, Func<TRequest, TResponse> answer)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new() =>
        methods.Add(context => context.AddUnaryMethod(
            Describe<TRequest, TResponse>(MethodType.Unary, operation),
            [],
            (ScriptedService _, TRequest request, ServerCallContext call) =>
            {
                Note(operation, call);
                return Task.FromResult(answer(request));
            }));

    public void ServerStream<TRequest, TResponse>(string operation, Func<TRequest, IServerStreamWriter<TResponse>, CancellationToken, Task> answer)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new() =>
        methods.Add(context => context.AddServerStreamingMethod(
            Describe<TRequest, TResponse>(MethodType.ServerStreaming, operation),
            [],
            (ScriptedService _, TRequest request, IServerStreamWriter<TResponse> stream, ServerCallContext call) =>
            {
                Note(operation, call);
                return answer(request, stream, call.CancellationToken);
            }));

    public void ClientStream<TRequest, TResponse>(string operation, Func<IAsyncStreamReader<TRequest>, Task<TResponse>> answer)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new() =>
        methods.Add(context => context.AddClientStreamingMethod(
            Describe<TRequest, TResponse>(MethodType.ClientStreaming, operation),
            [],
            (ScriptedService _, IAsyncStreamReader<TRequest> stream, ServerCallContext call) =>
            {
                Note(operation, call);
                return answer(stream);
            }));

    void IServiceMethodProvider<ScriptedService>.OnServiceMethodDiscovery(ServiceMethodProviderContext<ScriptedService> context) =>
        methods.ForEach(method => method(context));

    private static Method<TRequest, TResponse> Describe<TRequest, TResponse>(MethodType type, string operation)
        where TRequest : class, IMessage<TRequest>, new()
        where TResponse : class, IMessage<TResponse>, new()
    {
        var (service, method) = (operation.Split('/')[0], operation.Split('/')[1]);
        return new Method<TRequest, TResponse>(type, $"osa.v1.{service}", method, Marshaller<TRequest>(), Marshaller<TResponse>());
    }

    private static Marshaller<T> Marshaller<T>()
        where T : class, IMessage<T>, new() =>
        Marshallers.Create(static message => message.ToByteArray(), static bytes => new MessageParser<T>(static () => new T()).ParseFrom(bytes));

    private void Note(string operation, ServerCallContext call) => Calls.Enqueue((operation, call.RequestHeaders.GetValue("authorization")));
}

/// <summary>The type that gRPC's routing wants; its operations come from <see cref="ScriptedOperations"/>.</summary>
public sealed class ScriptedService;
