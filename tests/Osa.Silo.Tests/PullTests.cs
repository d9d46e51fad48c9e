using System.Text.Json.Nodes;
using Osa.Client.Conventions;
using Osa.Client.Depositions;
using Osa.Client.Runs;
using Osa.Testing;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>Images that a registry has and the engine does not, before they are registered.</summary>
public sealed class PullTests(SharedNode shared) : IAsyncLifetime
{
    private ImageRegistry _registry = null!;

    private Archive Archive => shared.Archive;

    public async ValueTask InitializeAsync() => _registry = await ImageRegistry.StartAsync();

    public ValueTask DisposeAsync() => _registry.DisposeAsync();

    [Fact]
    public async Task A_tag_is_pulled_at_registration_and_what_runs_is_what_it_meant_then()
    {
        PushedImage first = await _registry.PushAsync(Documents.HooksDigest, "group/hooks:1");

        (Registration registration, string table) = await RegisterAsync(Documents.Hook(Documents.NewTable("pulled"), Documents.RowColumns, image: first.Reference));
        PushedImage second = await _registry.PushAsync(Documents.HooksDigest, "group/hooks:1");

        Assert.NotEqual(first.Digest, second.Digest);
        Assert.Equal(first.Digest, Assert.Single(registration.Convention.Hooks).Digest);
        await RunsAsync(registration, table, first);
    }

    [Fact]
    public async Task A_digest_of_a_repository_is_pulled_by_that_digest()
    {
        PushedImage wanted = await _registry.PushAsync(Documents.HooksDigest, "group/hooks:1");
        // The tag means another image by now.
        await _registry.PushAsync(Documents.HooksDigest, "group/hooks:1");
        JsonObject hook = Documents.Hook(Documents.NewTable("pinned"), Documents.RowColumns, image: wanted.Reference);
        hook["digest"] = wanted.Digest;

        (Registration registration, string table) = await RegisterAsync(hook);

        Assert.Equal(wanted.Digest, Assert.Single(registration.Convention.Hooks).Digest);
        await RunsAsync(registration, table, wanted);
    }

    private async Task<(Registration Registration, string Table)> RegisterAsync(JsonObject hook) =>
        (await Archive.RegisterAsync(Documents.Convention(Documents.NewId("pull"), "1.0.0", hook)), hook["manifest"]!["name"]!.GetValue<string>());

    private async Task RunsAsync(Registration registration, string table, PushedImage image)
    {
        // Says that it runs, and goes on long enough to be looked at on a slow machine.
        (DepositionHandle deposition, RunHandle handle) = await Archive.SubmitAsync(
            registration.Convention.Id, Documents.Steps(Documents.Do("progress", ("count", 1)), Documents.Sleep(12), Documents.Rows(3)));
        await Archive.WaitUntilTheHookRunsAsync(handle);
        (int code, string ran) = await Unprivileged.RunAsync("docker", "inspect", "--format", "{{.Image}}", Assert.Single(await Archive.ContainersOfAsync(handle.Srn)));
        ValidationRun run = await Archive.VerdictAsync(handle);

        Assert.Equal((0, image.Id), (code, ran.Trim()));
        Assert.True(run.Status == RunStatus.Passed, run.Summary);
        Assert.Equal(3, (await Archive.RowsAsync(table)).Count);
        Assert.Equal(DepositionStatus.Accepted, (await deposition.GetAsync()).Status);
    }
}
