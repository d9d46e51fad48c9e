using System.Text;
using System.Text.Json.Nodes;
using Grpc.Core;
using Osa.Client;
using Osa.Client.Depositions;
using Osa.Client.Runs;
using Osa.Testing;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>Files into drafts.</summary>
public sealed class UploadTests(SharedNode shared)
{
    private const int Megabyte = 1 << 20;

    private Archive Archive => shared.Archive;

    [Fact]
    public async Task Bytes_that_differ_from_the_clients_own_SHA_256_are_refused()
    {
        DepositionHandle draft = await Archive.DraftAsync(shared.Obedient);

        RpcException refusal = await Assert.ThrowsAsync<RpcException>(() => UploadRawAsync(new UploadHeader { DepositionSrn = draft.Srn, Name = "a.txt", Sha256 = new string('0', 64) }, "hello"));

        Assert.Equal(StatusCode.InvalidArgument, refusal.StatusCode);
        Expect.Says("SHA-256", refusal.Status.Detail);
        Assert.Empty((await draft.GetAsync()).Files);
    }

    [Fact]
    public async Task Fewer_or_more_bytes_than_announced_are_refused()
    {
        DepositionHandle draft = await Archive.DraftAsync(shared.Obedient);

        foreach (long size in (long[])[4, 6])
        {
            RpcException refusal = await Assert.ThrowsAsync<RpcException>(() => UploadRawAsync(new UploadHeader { DepositionSrn = draft.Srn, Name = "a.txt", Size = size }, "hello"));
            Assert.Equal(StatusCode.InvalidArgument, refusal.StatusCode);
            Expect.Says("announced", refusal.Status.Detail);
        }

        Assert.Empty((await draft.GetAsync()).Files);
    }

    [Fact]
    public async Task A_file_that_is_too_large_is_refused_while_it_streams_and_leaves_nothing_in_the_store()
    {
        string id = Documents.NewId("large");
        JsonObject document = Documents.Convention(id, "1.0.0");
        document["file_requirements"]!["max_file_size"] = 5 * Megabyte;
        await Archive.RegisterAsync(document);
        DepositionHandle draft = await Archive.DraftAsync(id);
        using var endless = new EndlessStream();

        OsaClientException refusal = await Expect.RefusedAsync(StatusCode.ResourceExhausted, () => draft.UploadAsync("large.bin", endless).WaitAsync(Archive.Patience));

        Expect.Says("5242880", refusal.Message);
        Assert.Empty((await draft.GetAsync()).Files);
        string store = Path.Combine(Archive.Data, "store");
        await Eventually.True(
            () => !Directory.EnumerateFiles(store, "*", SearchOption.AllDirectories).Any(f => new FileInfo(f) is { Exists: true, Length: > 3 * Megabyte }),
            Archive.Patience,
            "the store keeps what was refused");

        // Announced, it is refused before the first byte.
        OsaClientException early = await Expect.RefusedAsync(StatusCode.InvalidArgument, () => draft.UploadAsync("large.bin", new MemoryStream(new byte[(5 * Megabyte) + 1])));
        Assert.Equal(("size", "max_file_size"), (Assert.Single(early.Violations).Field, early.Violations[0].Rule));
        Assert.Equal(5 * Megabyte, (await draft.UploadAsync("large.bin", new MemoryStream(new byte[5 * Megabyte]))).Size);
    }

    [Fact]
    public async Task An_upload_that_breaks_off_leaves_no_file()
    {
        DepositionHandle draft = await Archive.DraftAsync(shared.Obedient);
        using var cancel = new CancellationTokenSource();
        using var endless = new EndlessStream(() => cancel.Cancel());

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => draft.UploadAsync("half.bin", endless, cancellationToken: cancel.Token));

        Assert.Empty((await draft.GetAsync()).Files);
    }

    [Fact]
    public async Task A_file_of_the_same_name_replaces_the_one_before()
    {
        DepositionHandle draft = await Archive.DraftAsync(shared.Obedient);
        await Archive.UploadAsync(draft, "a.txt", "before");

        DepositionFile after = await Archive.UploadAsync(draft, "a.txt", "after");

        Assert.Equal(after, Assert.Single((await draft.GetAsync()).Files));
        using var content = new MemoryStream();
        await draft.DownloadAsync("a.txt", content);
        Assert.Equal("after", Encoding.UTF8.GetString(content.ToArray()));
    }

    [Fact]
    public async Task Concurrent_uploads_of_one_name_leave_one_whole_file()
    {
        DepositionHandle draft = await Archive.DraftAsync(shared.Obedient);

        DepositionFile[] stored = await Expect.AllAsync(Enumerable.Range(0, 20).Select(i => Archive.UploadAsync(draft, "a.txt", new string((char)('a' + i), 10_000 + i))));

        Assert.Contains(Assert.Single((await draft.GetAsync()).Files), stored);
        using var content = new MemoryStream();
        await draft.DownloadAsync("a.txt", content);
    }

    [Fact]
    public async Task One_file_more_than_the_convention_takes_is_refused_also_when_they_come_at_once()
    {
        string id = Documents.NewId("two");
        JsonObject document = Documents.Convention(id, "1.0.0");
        document["file_requirements"]!["max_count"] = 2;
        await Archive.RegisterAsync(document);
        DepositionHandle draft = await Archive.DraftAsync(id);

        int refused = (await Expect.AllAsync(Enumerable.Range(0, 10).Select(async i =>
        {
            try
            {
                await Archive.UploadAsync(draft, $"{i}.txt", "x");
                return 0;
            }
            catch (OsaClientException e) when (e.Code == StatusCode.InvalidArgument)
            {
                Assert.Equal(("files", "max_count"), (Assert.Single(e.Violations).Field, e.Violations[0].Rule));
                return 1;
            }
        }))).Sum();

        Assert.Equal(8, refused);
        var files = (await draft.GetAsync()).Files;
        Assert.Equal(2, files.Count);
        await Archive.UploadAsync(draft, files[0].Name, "replaced");
        await draft.DeleteFileAsync(files[1].Name);
        await Archive.UploadAsync(draft, "another.txt", "room again");
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("../evil")]
    [InlineData("a/b")]
    [InlineData("a\\b")]
    [InlineData("a\nb")]
    [InlineData("nul.txt")]
    [InlineData("a.txt.")]
    [InlineData(" a.txt")]
    [InlineData("a\u202etxt.exe")]
    [InlineData("e\u0301.txt")]
    public async Task A_name_that_is_no_file_name_everywhere_is_refused(string name)
    {
        DepositionHandle draft = await Archive.DraftAsync(shared.Obedient);

        OsaClientException refusal = await Expect.RefusedAsync(StatusCode.InvalidArgument, () => Archive.UploadAsync(draft, name, "x"));

        Assert.Equal(("name", "file_name"), (Assert.Single(refusal.Violations).Field, refusal.Violations[0].Rule));
        Assert.Empty((await draft.GetAsync()).Files);
    }

    [Fact]
    public async Task A_type_that_the_convention_does_not_accept_is_refused()
    {
        string id = Documents.NewId("fasta");
        JsonObject document = Documents.Convention(id, "1.0.0");
        document["file_requirements"]!["accepted_types"] = new JsonArray(".fasta", ".fa");
        await Archive.RegisterAsync(document);
        DepositionHandle draft = await Archive.DraftAsync(id);

        OsaClientException refusal = await Expect.RefusedAsync(StatusCode.InvalidArgument, () => Archive.UploadAsync(draft, "setup.exe", "x"));

        Expect.Says(".fasta, .fa", Assert.Single(refusal.Violations).Message);
        Assert.Equal("INSULIN.FASTA", (await Archive.UploadAsync(draft, "INSULIN.FASTA", ">x")).Name);
    }

    [Fact]
    public async Task Only_the_owner_adds_and_deletes_files()
    {
        DepositionHandle draft = await Archive.DraftAsync(shared.Obedient);
        await Archive.UploadAsync(draft, "a.txt", "x");
        DepositionHandle eves = Archive.Node.Client("depositor", "eve").Depositions.Handle(draft.Srn);
        DepositionHandle curators = Archive.Node.Client("curator", "carl").Depositions.Handle(draft.Srn);

        await Expect.RefusedAsync(StatusCode.NotFound, () => Archive.UploadAsync(eves, "b.txt", "x"));
        await Expect.RefusedAsync(StatusCode.NotFound, () => eves.DeleteFileAsync("a.txt"));
        await Expect.RefusedAsync(StatusCode.PermissionDenied, () => Archive.UploadAsync(curators, "b.txt", "x"));
        await Expect.RefusedAsync(StatusCode.PermissionDenied, () => curators.DeleteFileAsync("a.txt"));

        Assert.Equal("a.txt", Assert.Single((await draft.GetAsync()).Files).Name);
    }

    [Fact]
    public async Task A_file_is_deleted_and_cannot_be_deleted_twice()
    {
        DepositionHandle draft = await Archive.DraftAsync(shared.Obedient);
        await Archive.UploadAsync(draft, "a.txt", "x");

        Assert.Empty((await draft.DeleteFileAsync("a.txt")).Files);

        OsaClientException refusal = await Expect.RefusedAsync(StatusCode.NotFound, () => draft.DeleteFileAsync("a.txt"));
        Expect.Says("a.txt", refusal.Message);
    }

    [Fact]
    public async Task Nothing_changes_after_submit()
    {
        DepositionHandle deposition = await Archive.DraftAsync(shared.Obedient, Documents.Steps(Documents.Do("progress", ("count", 1)), Documents.Sleep(12), Documents.Rows(1)));
        await Archive.UploadAsync(deposition, "a.txt", "as submitted");
        Deposition before = await deposition.GetAsync();
        RunHandle run = await deposition.SubmitAsync();
        await Archive.WaitUntilTheHookRunsAsync(run);

        await NothingCanBeChangedAsync(deposition, "in_validation");
        ValidationRun verdict = await Archive.VerdictAsync(run);
        await NothingCanBeChangedAsync(deposition, "accepted");
        OsaClientException again = await Expect.RefusedAsync(StatusCode.FailedPrecondition, () => deposition.SubmitAsync());

        Expect.Says("accepted cannot be submitted", again.Message);
        Record record = await Archive.Admin.Records.GetAsync(verdict.RecordSrn);
        Assert.Equal(before.Files.Select(f => (f.Name, f.Checksum)), record.Files.Select(f => (f.Name, f.Checksum)));
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(before.MetadataJson), JsonNode.Parse(record.MetadataJson)));
    }

    private static async Task NothingCanBeChangedAsync(DepositionHandle deposition, string state)
    {
        foreach (Func<Task> change in (Func<Task>[])
        [
            () => deposition.SetMetadataAsync(Documents.Metadata(null, "changed")),
            () => Archive.UploadAsync(deposition, "b.txt", "x"),
            () => Archive.UploadAsync(deposition, "a.txt", "other"),
            () => deposition.DeleteFileAsync("a.txt"),
        ])
        {
            OsaClientException refusal = await Expect.RefusedAsync(StatusCode.FailedPrecondition, change);
            Expect.Says($"A deposition that is {state} cannot be changed; it must be a draft", refusal.Message);
        }
    }

    private async Task<DepositionFile> UploadRawAsync(UploadHeader header, string text)
    {
        var client = new Depositions.DepositionsClient(Archive.Channel);
        using AsyncClientStreamingCall<UploadRequest, DepositionFile> call = client.Upload(Archive.Headers("depositor", "ada"));
        await call.RequestStream.WriteAsync(new UploadRequest { Header = header });
        await call.RequestStream.WriteAsync(new UploadRequest { Data = Google.Protobuf.ByteString.CopyFromUtf8(text) });
        await call.RequestStream.CompleteAsync();
        return await call;
    }

    /// <summary>Zeros without an end and of no known length.</summary>
    private sealed class EndlessStream(Action? afterAMegabyte = null) : Stream
    {
        private long _given;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count)
        {
            buffer.AsSpan(offset, count).Clear();
            _given += count;
            if (_given > Megabyte)
            {
                afterAMegabyte?.Invoke();
            }

            return count;
        }

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }
}
