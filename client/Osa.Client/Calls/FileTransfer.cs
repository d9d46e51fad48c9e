using System.Buffers;
using System.Security.Cryptography;
using Google.Protobuf;
using Grpc.Core;
using Osa.V1;

namespace Osa.Client.Calls;

/// <summary>Files to and from the node, checked by SHA-256 on the way.</summary>
internal static class FileTransfer
{
    private const int ChunkBytes = 128 << 10;

    /// <summary>Sends one file. What can seek is hashed first and repeated after a broken connection; what cannot is sent once.</summary>
    public static async Task<DepositionFile> UploadAsync(
        this NodeCalls calls,
        V1.Depositions.DepositionsClient client,
        UploadHeader header,
        Stream content,
        IProgress<long>? progress,
        CancellationToken cancellationToken)
    {
        if (!content.CanSeek)
        {
            return await calls.TranslateAsync(token => SendAsync(calls, client, header, content, progress, token), cancellationToken);
        }

        var start = content.Position;
        header.Size = content.Length - start;
        header.Sha256 = Convert.ToHexStringLower(await SHA256.HashDataAsync(content, cancellationToken));
        return await calls.RetryAsync(
            token =>
            {
                content.Position = start;
                return SendAsync(calls, client, header, content, progress, token);
            },
            cancellationToken);
    }

    /// <summary>Receives one file and compares it with what the node says that it is.</summary>
    /// <exception cref="OsaClientException">DataLoss: other bytes than announced.</exception>
    public static async Task DownloadAsync(
        this NodeCalls calls,
        Func<CallOptions, AsyncServerStreamingCall<FileChunk>> open,
        (string Name, long Size, string Checksum) file,
        Stream destination,
        IProgress<long>? progress,
        CancellationToken cancellationToken)
    {
        if (!destination.CanSeek)
        {
            await calls.TranslateAsync(token => ReceiveAsync(calls, open, file, destination, progress, token), cancellationToken);
            return;
        }

        var start = destination.Position;
        await calls.RetryAsync(
            token =>
            {
                destination.Position = start;
                destination.SetLength(start);
                return ReceiveAsync(calls, open, file, destination, progress, token);
            },
            cancellationToken);
    }

    private static async Task<DepositionFile> SendAsync(
        NodeCalls calls,
        V1.Depositions.DepositionsClient client,
        UploadHeader header,
        Stream content,
        IProgress<long>? progress,
        CancellationToken cancellationToken)
    {
        using var call = client.Upload(calls.StreamOptions(cancellationToken));
        using var sha256 = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = ArrayPool<byte>.Shared.Rent(ChunkBytes);
        long sent = 0;
        try
        {
            if (await WriteAsync(call, new UploadRequest { Header = header }, cancellationToken))
            {
                int read;
                while ((read = await content.ReadAsync(buffer.AsMemory(0, ChunkBytes), cancellationToken)) > 0)
                {
                    sha256.AppendData(buffer, 0, read);
                    // Written out when WriteAsync returns, so that the buffer may be used again.
                    var chunk = new UploadRequest { Data = UnsafeByteOperations.UnsafeWrap(buffer.AsMemory(0, read)) };
                    if (!await WriteAsync(call, chunk, cancellationToken))
                    {
                        break;
                    }

                    sent += read;
                    progress?.Report(sent);
                }
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        await CompleteAsync(call);
        var stored = await call.ResponseAsync;
        var digest = $"sha256:{Convert.ToHexStringLower(sha256.GetHashAndReset())}";
        if (stored.Checksum != digest || stored.Size != sent)
        {
            throw new OsaClientException(
                StatusCode.DataLoss,
                $"{header.Name}: sent {sent} bytes with {digest}, but the node stored {stored.Size} with {stored.Checksum}: upload it again");
        }

        return stored;
    }

    /// <summary>False when the node has ended the call already; its answer says why.</summary>
    private static async Task<bool> WriteAsync(
        AsyncClientStreamingCall<UploadRequest, DepositionFile> call, UploadRequest part, CancellationToken cancellationToken)
    {
        try
        {
            await call.RequestStream.WriteAsync(part, cancellationToken);
            return true;
        }
        catch (Exception error) when (error is RpcException or InvalidOperationException or IOException or HttpRequestException)
        {
            return false;
        }
    }

    private static async Task CompleteAsync(AsyncClientStreamingCall<UploadRequest, DepositionFile> call)
    {
        try
        {
            await call.RequestStream.CompleteAsync();
        }
        catch (Exception error) when (error is RpcException or InvalidOperationException or IOException or HttpRequestException)
        {
            // The call has ended already; its answer says why.
        }
    }

    private static async Task<bool> ReceiveAsync(
        NodeCalls calls,
        Func<CallOptions, AsyncServerStreamingCall<FileChunk>> open,
        (string Name, long Size, string Checksum) file,
        Stream destination,
        IProgress<long>? progress,
        CancellationToken cancellationToken)
    {
        using var call = open(calls.StreamOptions(cancellationToken));
        using var sha256 = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        long received = 0;
        while (received <= file.Size && await call.ResponseStream.MoveNext(cancellationToken))
        {
            var data = call.ResponseStream.Current.Data.Memory;
            sha256.AppendData(data.Span);
            await destination.WriteAsync(data, cancellationToken);
            received += data.Length;
            progress?.Report(received);
        }

        var digest = $"sha256:{Convert.ToHexStringLower(sha256.GetHashAndReset())}";
        if (received != file.Size || digest != file.Checksum)
        {
            throw new OsaClientException(
                StatusCode.DataLoss,
                $"{file.Name}: expected {file.Size} bytes with {file.Checksum}, received {received} with {digest}: do not use what was received, download it again");
        }

        return true;
    }
}
