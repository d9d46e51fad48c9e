using Osa.Domain.Errors;
using Osa.Storage.Files;
using Osa.Testing;

namespace Osa.Storage.Tests.Files;

public sealed class StoreProofTests : IDisposable
{
    private readonly TempDirectory _directory = new();

    public void Dispose() => _directory.Dispose();

    [Fact]
    public async Task A_store_names_itself_once_whoever_is_first()
    {
        BlobStore[] stores = [.. Enumerable.Range(0, 16).Select(_ => new BlobStore(_directory["store"]))];

        Guid[] ids = await Task.WhenAll(stores.Select(s => s.ProveAsync(null, CancellationToken.None)));

        Guid id = Assert.Single(ids.Distinct());
        Assert.Equal(id, await stores[0].ProveAsync(id, CancellationToken.None));
        Assert.Empty(Directory.GetFiles(_directory["store/tmp"]));
    }

    [Fact]
    public async Task Two_silos_with_two_stores_are_told_that_they_do_not_share_one()
    {
        Guid known = await new BlobStore(_directory["a"]).ProveAsync(null, CancellationToken.None);
        Guid other = await new BlobStore(_directory["b"]).ProveAsync(null, CancellationToken.None);

        OsaException error = await Assert.ThrowsAsync<OsaException>(() => new BlobStore(_directory["b"]).ProveAsync(known, CancellationToken.None));

        Assert.Equal(ErrorCode.FailedPrecondition, error.Code);
        Assert.Equal($"the database belongs to file store {known}, and {_directory["b"]} is store {other}: all silos of one database must share one store", error.Message);
    }

    [Fact]
    public async Task A_missing_mount_is_told_and_nothing_is_made_in_its_place()
    {
        OsaException error = await Assert.ThrowsAsync<OsaException>(() => new BlobStore(_directory["store"]).ProveAsync(Guid.NewGuid(), CancellationToken.None));

        Assert.Equal(ErrorCode.FailedPrecondition, error.Code);
        Assert.Contains("mount the store that the other silos use", error.Message, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_directory["store"]));
    }

    [Fact]
    public async Task A_damaged_id_is_told_and_not_replaced()
    {
        Directory.CreateDirectory(_directory["store"]);
        File.WriteAllText(_directory["store/id"], "");

        OsaException error = await Assert.ThrowsAsync<OsaException>(() => new BlobStore(_directory["store"]).ProveAsync(null, CancellationToken.None));

        Assert.Contains("does not hold the id of a file store", error.Message, StringComparison.Ordinal);
    }
}
