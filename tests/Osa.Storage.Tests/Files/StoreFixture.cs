using System.Security.Cryptography;
using Osa.Storage.Files;
using Osa.Testing;

namespace Osa.Storage.Tests.Files;

/// <summary>A new, proved store in a directory of its own.</summary>
public sealed class StoreFixture : IAsyncLifetime
{
    private readonly TempDirectory _directory = new();

    public string Root => _directory["store"];

    public BlobStore Store { get; private set; } = null!;

    public static string Sha256(byte[] content) => Convert.ToHexStringLower(SHA256.HashData(content));

    public string[] BlobFiles() => Directory.GetFiles(Path.Combine(Root, "blobs"), "*", SearchOption.AllDirectories);

    public string[] TemporaryFiles() => Directory.GetFiles(Path.Combine(Root, "tmp"));

    public async ValueTask InitializeAsync()
    {
        Store = new BlobStore(Root);
        await Store.ProveAsync(null, TestContext.Current.CancellationToken);
    }

    public ValueTask DisposeAsync()
    {
        _directory.Dispose();
        return ValueTask.CompletedTask;
    }
}
