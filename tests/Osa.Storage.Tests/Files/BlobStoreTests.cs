using System.Diagnostics;
using CsCheck;
using Osa.Domain.Errors;
using Osa.Storage.Files;
using Osa.Testing;

namespace Osa.Storage.Tests.Files;

public sealed class BlobStoreTests : IAsyncLifetime
{
    private static readonly BlobLimits Roomy = new(MaxBytes: 10_000_000);

    private readonly StoreFixture _fixture = new();

    private BlobStore Store => _fixture.Store;

    public ValueTask InitializeAsync() => _fixture.InitializeAsync();

    public ValueTask DisposeAsync() => _fixture.DisposeAsync();

    [Fact]
    public async Task What_streams_in_by_chunks_of_any_size_is_read_back_exactly() =>
        await Gen.Select(Gen.Byte.Array[0, 300_000], Gen.Int[1, 200_000].Array[1, 8]).SampleAsync(
            async (content, sizes) =>
            {
                Blob blob = await Store.WriteAsync(Chunks(content, sizes), Roomy with { ExpectedSize = content.Length, ExpectedSha256 = StoreFixture.Sha256(content) }, CancellationToken.None);

                await using FileStream read = Store.OpenRead(blob.Id);
                var back = new MemoryStream();
                await read.CopyToAsync(back);
                return back.ToArray().AsSpan().SequenceEqual(content) && blob.Size == content.Length && blob.Sha256 == StoreFixture.Sha256(content);
            },
            iter: 100);

    [Fact]
    public async Task A_stream_and_small_appends_give_the_same_blob_as_one_write()
    {
        byte[] content = Random.Shared.GetItems("ACGT\n"u8.ToArray(), 700_001);
        Blob streamed = await Store.WriteAsync(new MemoryStream(content), Roomy, CancellationToken.None);

        await using BlobWriter writer = Store.OpenWriter(Roomy);
        foreach (byte[] line in content.Chunk(61))
        {
            writer.Write(line);
        }

        Blob appended = await writer.CompleteAsync(CancellationToken.None);
        Assert.Equal((streamed.Size, streamed.Sha256), (appended.Size, appended.Sha256));
        Assert.NotEqual(streamed.Id, appended.Id);
    }

    [Fact]
    public async Task A_blob_is_read_only_for_everybody_below_a_private_directory()
    {
        Blob blob = await Store.WriteAsync(new MemoryStream([1, 2, 3]), Roomy, CancellationToken.None);

        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead, File.GetUnixFileMode(Store.PathOf(blob.Id)));
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(_fixture.Root));
        Assert.Empty(_fixture.TemporaryFiles());
    }

    [Fact]
    public async Task A_file_beyond_the_limit_is_refused_while_it_streams_and_leaves_nothing()
    {
        int asked = 0;
        async IAsyncEnumerable<ReadOnlyMemory<byte>> Endless()
        {
            while (true)
            {
                asked++;
                yield return new byte[1000];
                await Task.Yield();
            }
        }

        OsaException error = await Assert.ThrowsAsync<OsaException>(() => Store.WriteAsync(Endless(), new BlobLimits(2500, Field: "files[a.fasta]"), CancellationToken.None));

        Assert.Equal(ErrorCode.ResourceExhausted, error.Code);
        Assert.Equal(new Violation("files[a.fasta]", "max_size", "the file may have at most 2500 bytes and goes on after that"), Assert.Single(error.Violations));
        Assert.Equal(3, asked);
        AssertNothingIsLeft();
    }

    [Theory]
    [InlineData(4L, null, "size", "4 bytes were announced, and more were sent")]
    [InlineData(6L, null, "size", "6 bytes were announced and 5 arrived; send the whole file again")]
    [InlineData(-1L, null, "size", "the announced size is -1; a size is 0 or more bytes")]
    [InlineData(null, "abc", "sha256", "the announced checksum is not a SHA-256: 64 hexadecimal digits")]
    [InlineData(
        null,
        "0000000000000000000000000000000000000000000000000000000000000000",
        "sha256",
        "what arrived has SHA-256 74f81fe167d99b4cb41d6d0ccda82278caee9f3e2f25d5e5a3936ff3dcec60d0, announced was 0000000000000000000000000000000000000000000000000000000000000000; send the file again")]
    public async Task A_file_that_is_not_what_was_announced_is_refused_and_leaves_nothing(long? size, string? sha256, string rule, string message)
    {
        OsaException error = await Assert.ThrowsAsync<OsaException>(() =>
            Store.WriteAsync(new MemoryStream([1, 2, 3, 4, 5]), new BlobLimits(100, size, sha256), CancellationToken.None));

        Assert.Equal(ErrorCode.InvalidArgument, error.Code);
        Violation violation = Assert.Single(error.Violations);
        Assert.Equal((rule, message), (violation.Rule, violation.Message));
        AssertNothingIsLeft();
    }

    [Fact]
    public void An_announced_size_beyond_the_limit_is_refused_before_a_byte_is_read()
    {
        OsaException error = Assert.Throws<OsaException>(() => Store.OpenWriter(new BlobLimits(100, 101)));

        Assert.Equal(ErrorCode.ResourceExhausted, error.Code);
        Assert.Contains("at most 100 bytes and is 101 bytes", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_sender_that_breaks_off_or_is_cancelled_leaves_nothing()
    {
        async IAsyncEnumerable<ReadOnlyMemory<byte>> Broken()
        {
            yield return new byte[500_000];
            await Task.Yield();
            throw new InvalidDataException("the line was cut");
        }

        await Assert.ThrowsAsync<InvalidDataException>(() => Store.WriteAsync(Broken(), Roomy, CancellationToken.None));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Store.WriteAsync(new MemoryStream(new byte[10]), Roomy, new CancellationToken(canceled: true)));
        await using (BlobWriter abandoned = Store.OpenWriter(Roomy))
        {
            await abandoned.WriteAsync(new byte[200_000]);
        }

        AssertNothingIsLeft();
    }

    [Fact]
    public async Task A_writer_that_has_failed_takes_and_completes_nothing_more()
    {
        await using BlobWriter writer = Store.OpenWriter(new BlobLimits(10));
        await writer.WriteAsync(new byte[8]);
        await Assert.ThrowsAsync<OsaException>(async () => await writer.WriteAsync(new byte[3]));

        await Assert.ThrowsAsync<InvalidOperationException>(async () => await writer.WriteAsync(new byte[1]));
        await Assert.ThrowsAsync<InvalidOperationException>(() => writer.CompleteAsync(CancellationToken.None));
    }

    [Fact]
    public async Task Many_writers_at_once_in_two_stores_on_one_directory_do_not_meet()
    {
        BlobStore[] stores = [Store, new BlobStore(_fixture.Root)];
        byte[][] contents = [.. Enumerable.Range(0, 40).Select(i => Enumerable.Repeat((byte)i, 50_000 + i).ToArray())];

        Blob[] blobs = await Task.WhenAll(contents.Select((content, i) => Task.Run(() => stores[i % 2].WriteAsync(Chunks(content, [997]), Roomy, CancellationToken.None))));

        Assert.Equal(contents.Select(StoreFixture.Sha256), blobs.Select(b => b.Sha256));
        Assert.All(blobs.Zip(contents), pair => Assert.Equal(pair.Second, File.ReadAllBytes(Store.PathOf(pair.First.Id))));
        Assert.Equal(40, _fixture.BlobFiles().Length);
    }

    [Fact]
    public async Task A_deleted_blob_is_gone_and_its_hard_links_live_on()
    {
        Blob blob = await Store.WriteAsync(new MemoryStream([1, 2, 3]), Roomy, CancellationToken.None);
        string link = Path.Combine(_fixture.Root, "input");
        Assert.Equal(0, (await Unprivileged.RunAsync("ln", Store.PathOf(blob.Id), link)).ExitCode);

        Store.Delete(blob.Id);
        Store.Delete(blob.Id);

        Assert.Equal([1, 2, 3], File.ReadAllBytes(link));
        OsaException error = Assert.Throws<OsaException>(() => Store.OpenRead(blob.Id));
        Assert.Equal(ErrorCode.Unavailable, error.Code);
    }

    [Fact]
    public async Task The_sweep_sees_old_blobs_and_removes_old_leftovers_only()
    {
        Blob old = await Store.WriteAsync(new MemoryStream([1]), Roomy, CancellationToken.None);
        Blob young = await Store.WriteAsync(new MemoryStream([2]), Roomy, CancellationToken.None);
        string leftover = Path.Combine(_fixture.Root, "tmp", "leftover");
        File.WriteAllBytes(leftover, [3]);
        await Unprivileged.RunAsync("touch", "-d", "25 hours ago", Store.PathOf(old.Id), leftover);
        await using BlobWriter running = Store.OpenWriter(Roomy);

        Assert.Equal([old.Id], Store.ListOlderThan(TimeSpan.FromDays(1)));
        Assert.Equal(new[] { old.Id, young.Id }.Order(), Store.ListOlderThan(TimeSpan.Zero).Order());
        Assert.Equal(1, Store.DeleteAbandoned(TimeSpan.FromDays(1)));
        Assert.False(File.Exists(leftover));
        Assert.Single(_fixture.TemporaryFiles());
    }

    [Fact]
    public async Task A_full_disk_is_told_as_such_and_leaves_no_partial_file()
    {
        Assert.SkipUnless(Environment.IsPrivilegedProcess, "only root can mount a small file system");
        using var directory = new TempDirectory();
        (int exit, string output) = await Unprivileged.RunAsync("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", directory.Path);
        Assert.SkipUnless(exit == 0, $"no file system can be mounted here: {output}");
        try
        {
            var store = new BlobStore(directory["store"]);
            await store.ProveAsync(null, CancellationToken.None);
            OsaException error = await Assert.ThrowsAsync<OsaException>(() => store.WriteAsync(new MemoryStream(new byte[3_000_000]), Roomy, CancellationToken.None));

            Assert.Equal(ErrorCode.ResourceExhausted, error.Code);
            Assert.Contains($"no space is left in the file store at {directory["store"]}", error.Message, StringComparison.Ordinal);
            Assert.Empty(Directory.GetFiles(directory["store/tmp"]));
            Blob small = await store.WriteAsync(new MemoryStream(new byte[1000]), Roomy, CancellationToken.None);
            Assert.Equal(1000, small.Size);
        }
        finally
        {
            await Unprivileged.RunAsync("umount", "-l", directory.Path);
        }
    }

    [Fact]
    public async Task A_store_whose_directory_went_away_is_unavailable_and_is_not_made_again()
    {
        Directory.Delete(_fixture.Root, recursive: true);

        OsaException error = await Assert.ThrowsAsync<OsaException>(() => Store.WriteAsync(new MemoryStream([1]), Roomy, CancellationToken.None));

        Assert.Equal(ErrorCode.Unavailable, error.Code);
        Assert.Contains("is its mount away?", error.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_fixture.Root));
    }

    [Fact]
    public async Task Memory_does_not_grow_with_the_size_of_the_file()
    {
        var watch = Stopwatch.StartNew();
        long before = GC.GetTotalAllocatedBytes();
        var chunk = new byte[256 * 1024];
        await using BlobWriter writer = Store.OpenWriter(new BlobLimits(1 << 30));
        for (int i = 0; i < 400; i++)
        {
            await writer.WriteAsync(chunk);
        }

        Blob blob = await writer.CompleteAsync(CancellationToken.None);
        long allocated = GC.GetTotalAllocatedBytes() - before;
        TestContext.Current.SendDiagnosticMessage($"{blob.Size >> 20} MiB in {watch.ElapsedMilliseconds} ms, {allocated >> 10} KiB allocated");
        Assert.InRange(allocated, 0, 20_000_000);
    }

    private static async IAsyncEnumerable<ReadOnlyMemory<byte>> Chunks(byte[] content, int[] sizes)
    {
        int start = 0;
        for (int i = 0; start < content.Length; i++)
        {
            int length = Math.Min(sizes[i % sizes.Length], content.Length - start);
            yield return content.AsMemory(start, length);
            start += length;
            await Task.Yield();
        }
    }

    private void AssertNothingIsLeft()
    {
        Assert.Empty(_fixture.BlobFiles());
        Assert.Empty(_fixture.TemporaryFiles());
    }
}
