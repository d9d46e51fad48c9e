using Google.Protobuf.Reflection;
using Grpc.Core;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>Every operation of the protocol, called with any bytes.</summary>
internal static class RawCalls
{
    public static Marshaller<byte[]> Bytes { get; } = Marshallers.Create(b => b, b => b);

    public static IReadOnlyList<MethodDescriptor> Methods { get; } =
    [
        .. new[]
        {
            ConventionsReflection.Descriptor, DepositionsReflection.Descriptor, RunsReflection.Descriptor, CurationReflection.Descriptor, RecordsReflection.Descriptor, FeaturesReflection.Descriptor,
            QueriesReflection.Descriptor, EventsReflection.Descriptor, SourcesReflection.Descriptor, NodeReflection.Descriptor,
        }.SelectMany(f => f.Services).SelectMany(s => s.Methods),
    ];

    /// <summary>Of a stream of answers the first is read; a stream of requests has this one, or none where it is empty.</summary>
    public static async Task<StatusCode> CallAsync(Archive archive, MethodDescriptor descriptor, Metadata headers, byte[] request, DateTime deadline)
    {
        MethodType type = descriptor.IsClientStreaming ? MethodType.ClientStreaming : descriptor.IsServerStreaming ? MethodType.ServerStreaming : MethodType.Unary;
        var method = new Method<byte[], byte[]>(type, descriptor.Service.FullName, descriptor.Name, Bytes, Bytes);
        CallInvoker invoker = archive.Channel.CreateCallInvoker();
        var options = new CallOptions(headers, deadline);
        try
        {
            switch (type)
            {
                case MethodType.ClientStreaming:
                    using (AsyncClientStreamingCall<byte[], byte[]> call = invoker.AsyncClientStreamingCall(method, null, options))
                    {
                        if (request.Length > 0)
                        {
                            await call.RequestStream.WriteAsync(request);
                        }

                        await call.RequestStream.CompleteAsync();
                        await call;
                    }

                    break;
                case MethodType.ServerStreaming:
                    using (AsyncServerStreamingCall<byte[]> call = invoker.AsyncServerStreamingCall(method, null, options, request))
                    {
                        // A watch has no end: whoever gets its first message was admitted.
                        await call.ResponseStream.MoveNext();
                    }

                    break;
                default:
                    await invoker.AsyncUnaryCall(method, null, options, request);
                    break;
            }

            return StatusCode.OK;
        }
        catch (RpcException e)
        {
            return e.StatusCode;
        }
    }
}
