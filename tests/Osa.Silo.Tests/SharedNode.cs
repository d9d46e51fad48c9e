using System.Text.Json.Nodes;
using Osa.TestHooks.Support;
using Osa.Testing;
using Xunit.Sdk;

[assembly: AssemblyFixture(typeof(Osa.Silo.Tests.SharedNode))]
// Most of a test is waiting for containers.
[assembly: Xunit.v3.Parallelization(Mode = ParallelMode.All, MaxThreads = 5)]

namespace Osa.Silo.Tests;

/// <summary>One node with its own PostgreSQL for all tests that do not start, stop or break one.</summary>
public sealed class SharedNode : IAsyncLifetime
{
    private readonly TempDirectory _data = new();
    private Archive? _archive;

    public Archive Archive => _archive!;

    /// <summary>Id of a convention whose one hook does what the deposition says.</summary>
    public string Obedient { get; } = Documents.NewId("obedient");

    /// <summary>The hook of <see cref="Obedient"/>, and its table of <see cref="Documents.RowColumns"/>.</summary>
    public string ObedientHook { get; } = Documents.NewTable("obey");

    public async ValueTask InitializeAsync()
    {
        Documents.HooksDigest = await StaticPrograms.TestHooksImageAsync();
        NodeProcess node = await NodeProcess.StartAsync(new NodeSetup(_data.Path) { IsCovered = true });
        _archive = Archive.Of(node, _data.Path);
        await node.WaitForEngineAsync();
        JsonObject document = Documents.Convention(Obedient, "1.0.0", Documents.Hook(ObedientHook, Documents.RowColumns));
        await Archive.RegisterAsync(document);
    }

    public async ValueTask DisposeAsync()
    {
        if (_archive is not null)
        {
            await _archive.DisposeAsync();
        }

        _data.Dispose();
    }
}
