using System.Security.Cryptography;
using CsCheck;
using Google.Protobuf;
using Grpc.Core;
using Osa.ScriptedNodes;
using Osa.V1;
using Record = Osa.V1.Record;

namespace Osa.Client.Tests;

public sealed class TransferTests
{
    private static readonly OsaClientOptions Fast = new() { RetryDelay = TimeSpan.FromMilliseconds(5) };

    private static string Checksum(byte[] bytes) => $"sha256:{Convert.ToHexStringLower(SHA256.HashData(bytes))}";

    private static byte[] Bytes(int count)
    {
        var bytes = new byte[count];
        new Random(count).NextBytes(bytes);
        return bytes;
    }

    [Fact]
    public async Task A_file_is_hashed_before_it_is_sent_and_sent_again_after_a_broken_connection()
    {
        var content = Bytes(1_000_000);
        var headers = new List<UploadHeader>();
        await using var node = await ScriptedNode.StartAsync(script =>
            script.ClientStream<UploadRequest, DepositionFile>("Depositions/Upload", async stream =>
            {
                var received = new MemoryStream();
                await foreach (var part in stream.ReadAllAsync())
                {
                    if (part.Header is not null)
                    {
                        headers.Add(part.Header);
                        continue;
                    }

                    part.Data.WriteTo(received);
                    if (headers.Count == 1)
                    {
                        throw ScriptedNode.Error(StatusCode.Unavailable, "the node is stopping");
                    }
                }

                return new DepositionFile { Name = headers[^1].Name, Size = received.Length, Checksum = Checksum(received.ToArray()) };
            }));
        using var osa = OsaClient.Connect(node.Address, null, Fast);
        using var stream = new MemoryStream([.. Bytes(7), .. content]) { Position = 7 };
        var progress = new Sent();

        var file = await osa.Depositions.Handle("d").UploadAsync("a.fasta", stream, "text/plain", progress);

        Assert.Equal(content.Length, file.Size);
        Assert.Equal(Checksum(content), file.Checksum);
        Assert.Equal(content.Length, progress.Last);
        Assert.Equal(2, headers.Count);
        Assert.All(headers, header => Assert.Equal(Checksum(content), $"sha256:{header.Sha256}"));
        Assert.All(headers, header => Assert.Equal(content.Length, header.Size));
    }

    [Fact]
    public async Task A_stream_that_cannot_seek_is_sent_once_and_checked_afterwards()
    {
        var content = Bytes(300_000);
        var damage = false;
        await using var node = await ScriptedNode.StartAsync(script =>
            script.ClientStream<UploadRequest, DepositionFile>("Depositions/Upload", async stream =>
            {
                var received = new MemoryStream();
                await foreach (var part in stream.ReadAllAsync())
                {
                    Assert.Equal("", part.Header?.Sha256 ?? "");
                    part.Data.WriteTo(received);
                }

                if (damage)
                {
                    received.GetBuffer()[0] ^= 1;
                }

                return new DepositionFile { Size = received.Length, Checksum = Checksum(received.ToArray()) };
            }));
        using var osa = OsaClient.Connect(node.Address, null, Fast);

        await osa.Depositions.Handle("d").UploadAsync("a.fasta", new Pipe(content));
        damage = true;
        var error = await Assert.ThrowsAsync<OsaClientException>(() => osa.Depositions.Handle("d").UploadAsync("a.fasta", new Pipe(content)));

        Assert.Equal(StatusCode.DataLoss, error.Code);
    }

    [Fact]
    public async Task A_refusal_in_the_middle_of_an_upload_arrives_with_its_reason()
    {
        await using var node = await ScriptedNode.StartAsync(script =>
            script.ClientStream<UploadRequest, DepositionFile>("Depositions/Upload", async stream =>
            {
                await stream.MoveNext();
                throw ScriptedNode.Error(StatusCode.InvalidArgument, "files: larger than 1 MiB", ("files", "max_file_size", "larger than 1 MiB"));
            }));
        using var osa = OsaClient.Connect(node.Address, null, Fast);

        var error = await Assert.ThrowsAsync<OsaClientException>(() => osa.Depositions.Handle("d").UploadAsync("a.fasta", new MemoryStream(Bytes(20_000_000))));

        Assert.Equal(StatusCode.InvalidArgument, error.Code);
        Assert.Equal("max_file_size", Assert.Single(error.Violations).Rule);
    }

    [Fact]
    public async Task A_download_is_whole_even_when_the_connection_broke_half_way()
    {
        var content = Bytes(500_000);
        var calls = 0;
        await using var node = await ScriptedNode.StartAsync(script => Serve(script, content, content, async stream =>
        {
            if (++calls == 1)
            {
                await stream.WriteAsync(new FileChunk { Data = ByteString.CopyFrom(content, 0, 1000) });
                throw ScriptedNode.Error(StatusCode.Unavailable, "the node is stopping");
            }
        }));
        using var osa = OsaClient.Connect(node.Address, null, Fast);
        using var destination = new MemoryStream();

        await osa.Records.DownloadAsync("r@1", "a.bin", destination);

        Assert.Equal(content, destination.ToArray());
        Assert.Equal(2, calls);
    }

    [Fact]
    public Task A_download_of_other_bytes_than_announced_is_refused() =>
        Gen.Byte.Array[0, 3000].Select(Gen.Byte.Array[0, 3000]).Where((announced, sent) => !announced.AsSpan().SequenceEqual(sent)).SampleAsync(
            async (announced, sent) =>
            {
                await using var node = await ScriptedNode.StartAsync(script => Serve(script, announced, sent, static _ => Task.CompletedTask));
                using var osa = OsaClient.Connect(node.Address, null, Fast);

                var error = await Assert.ThrowsAsync<OsaClientException>(() => osa.Records.DownloadAsync("r@1", "a.bin", new MemoryStream()));

                Assert.Equal(StatusCode.DataLoss, error.Code);
                Assert.Contains("a.bin", error.Message, StringComparison.Ordinal);
            },
            iter: 30);

    [Fact]
    public async Task A_file_that_is_not_there_is_said_so()
    {
        await using var node = await ScriptedNode.StartAsync(script => Serve(script, [], [], static _ => Task.CompletedTask));
        using var osa = OsaClient.Connect(node.Address, null, Fast);

        var error = await Assert.ThrowsAsync<OsaClientException>(() => osa.Records.DownloadAsync("r@1", "b.bin", new MemoryStream()));

        Assert.Equal(StatusCode.NotFound, error.Code);
    }

    private static void Serve(ScriptedOperations script, byte[] announced, byte[] sent, Func<IServerStreamWriter<FileChunk>, Task> before)
    {
        script.Unary<GetRecordRequest, Record>("Records/Get", request => new Record
        {
            Srn = request.Srn,
            Files = { new RecordFile { Name = "a.bin", Size = announced.Length, Checksum = Checksum(announced) } },
        });
        script.ServerStream<DownloadRecordFileRequest, FileChunk>("Records/Download", async (_, stream, _) =>
        {
            await before(stream);
            foreach (var chunk in sent.Chunk(64_000))
            {
                await stream.WriteAsync(new FileChunk { Data = ByteString.CopyFrom(chunk) });
            }
        });
    }

    private sealed class Sent : IProgress<long>
    {
        public long Last { get; private set; }

        public void Report(long value) => Last = value;
    }

    private sealed class Pipe(byte[] content) : MemoryStream(content)
    {
        public override bool CanSeek => false;
    }
}
