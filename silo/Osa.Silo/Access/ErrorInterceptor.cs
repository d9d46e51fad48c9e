using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using Grpc.Core.Interceptors;
using Npgsql;
using Osa.Domain.Errors;
using Status = Google.Rpc.Status;

namespace Osa.Silo.Access;

/// <summary>The one table from domain errors to gRPC: code, message, and every violation as <c>google.rpc.BadRequest</c>.</summary>
public sealed partial class ErrorInterceptor(ILogger<ErrorInterceptor> logger) : Interceptor
{
    public override async Task<TResponse> UnaryServerHandler<TRequest, TResponse>(TRequest request, ServerCallContext context, UnaryServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
            return await continuation(request, context);
        }
        catch (Exception e)
        {
            throw Translate(e, context);
        }
    }

    public override async Task ServerStreamingServerHandler<TRequest, TResponse>(
        TRequest request, IServerStreamWriter<TResponse> responseStream, ServerCallContext context, ServerStreamingServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
            await continuation(request, responseStream, context);
        }
        catch (Exception e)
        {
            throw Translate(e, context);
        }
    }

    public override async Task<TResponse> ClientStreamingServerHandler<TRequest, TResponse>(
        IAsyncStreamReader<TRequest> requestStream, ServerCallContext context, ClientStreamingServerMethod<TRequest, TResponse> continuation)
    {
        try
        {
            return await continuation(requestStream, context);
        }
        catch (Exception e)
        {
            throw Translate(e, context);
        }
    }

    private Exception Translate(Exception e, ServerCallContext context)
    {
        switch (e)
        {
            case RpcException:
                return e;
            case OsaException known:
                return Known(known);
            case PostgresException { SqlState: PostgresErrorCodes.CharacterNotInRepertoire or PostgresErrorCodes.UntranslatableCharacter }:
                return Known(OsaException.Invalid("request", "characters", "a text of it holds U+0000, which nothing here has; leave it out"));
            case OperationCanceledException when context.CancellationToken.IsCancellationRequested:
                return new RpcException(new Grpc.Core.Status(StatusCode.Cancelled, "The call was cancelled"));
            case SiloUnavailableException or OrleansMessageRejectionException or TimeoutException:
                return Known(OsaException.Unavailable("A part of the node that this needs is restarting; try again"));
            case IOException when context.CancellationToken.IsCancellationRequested:
                return new RpcException(new Grpc.Core.Status(StatusCode.Cancelled, "The connection was closed"));
            default:
                string id = Guid.NewGuid().ToString("N")[..12];
                LogInternal(logger, e, context.Method, id);
                return new RpcException(new Grpc.Core.Status(StatusCode.Internal, $"An internal error of the node; its log has it under {id}"));
        }
    }

    // An answer's status travels in headers, of which gRPC's C core takes 16 KiB and .NET's clients 64: a longer one is no answer at all.
    private const int MaxMessageLength = 1_000;
    private const int MaxDetailBytes = 8 << 10;

    private static RpcException Known(OsaException e)
    {
        var status = new Status { Code = (int)CodeOf(e.Code), Message = Cut(e.Message) };
        if (e.Violations.Count > 0)
        {
            var details = new BadRequest();
            int room = MaxDetailBytes;
            foreach (Violation broken in e.Violations)
            {
                var violation = new BadRequest.Types.FieldViolation { Field = Cut(broken.Field), Reason = broken.Rule, Description = Cut(broken.Message) };
                room -= violation.CalculateSize();
                if (room < 0)
                {
                    details.FieldViolations.Add(new BadRequest.Types.FieldViolation { Reason = "too_many", Description = "there are more problems than an answer has room for; fix these first" });
                    break;
                }

                details.FieldViolations.Add(violation);
            }

            status.Details.Add(Any.Pack(details));
        }

        return status.ToRpcException();
    }

    private static string Cut(string text) =>
        text.Length <= MaxMessageLength ? text : string.Concat(text.AsSpan(0, char.IsHighSurrogate(text[MaxMessageLength - 1]) ? MaxMessageLength - 1 : MaxMessageLength), "…");

    private static StatusCode CodeOf(ErrorCode code) => code switch
    {
        ErrorCode.InvalidArgument => StatusCode.InvalidArgument,
        ErrorCode.NotFound => StatusCode.NotFound,
        ErrorCode.AlreadyExists => StatusCode.AlreadyExists,
        ErrorCode.FailedPrecondition => StatusCode.FailedPrecondition,
        ErrorCode.Aborted => StatusCode.Aborted,
        ErrorCode.PermissionDenied => StatusCode.PermissionDenied,
        ErrorCode.Unauthenticated => StatusCode.Unauthenticated,
        ErrorCode.ResourceExhausted => StatusCode.ResourceExhausted,
        ErrorCode.Unavailable => StatusCode.Unavailable,
        ErrorCode.Unimplemented => StatusCode.Unimplemented,
        ErrorCode.DeadlineExceeded => StatusCode.DeadlineExceeded,
        _ => StatusCode.Unknown,
    };

    [LoggerMessage(6001, LogLevel.Error, "{Method} failed, error {Id}")]
    private static partial void LogInternal(ILogger logger, Exception e, string method, string id);
}
