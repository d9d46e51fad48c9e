using Grpc.Core;
using Osa.ScriptedNodes;
using Osa.V1;

namespace Osa.Client.Tests;

public sealed class WatchTests
{
    private static readonly OsaClientOptions Fast = new() { RetryDelay = TimeSpan.FromMilliseconds(5), MaxRetries = 1 };

    private static readonly ValidationRun Pending = new() { Srn = "urn:osa:localhost:val:abc", Status = RunStatus.Pending };
    private static readonly ValidationRun Running = new() { Srn = "urn:osa:localhost:val:abc", Status = RunStatus.Running };
    private static readonly ValidationRun Passed = new() { Srn = "urn:osa:localhost:val:abc", Status = RunStatus.Passed };

    [Fact]
    public async Task A_watch_reconnects_until_the_verdict_and_tells_each_state_once()
    {
        var calls = 0;
        await using var node = await ScriptedNode.StartAsync(script =>
            script.ServerStream<WatchRunRequest, ValidationRun>("ValidationRuns/Watch", async (_, stream, _) =>
            {
                switch (++calls)
                {
                    case 1:
                        await stream.WriteAsync(Pending);
                        await stream.WriteAsync(Running);
                        throw ScriptedNode.Error(StatusCode.Unavailable, "the node is stopping");
                    case < 6:
                        // More often than MaxRetries.
                        throw ScriptedNode.Error(StatusCode.Unavailable, "the node is starting");
                    case 6:
                        // Ends without a verdict.
                        await stream.WriteAsync(Running);
                        break;
                    default:
                        await stream.WriteAsync(Running);
                        await stream.WriteAsync(Passed);
                        break;
                }
            }));
        using var osa = OsaClient.Connect(node.Address, null, Fast);
        var lost = new Lost();

        var states = await osa.Runs.Handle("abc").WatchAsync(lost).Select(run => run.Status).ToListAsync();

        Assert.Equal([RunStatus.Pending, RunStatus.Running, RunStatus.Passed], states);
        Assert.Equal(6, lost.Count);
    }

    [Fact]
    public async Task A_watch_waits_for_a_node_that_answers_from_the_start_that_it_cannot_now()
    {
        var calls = 0;
        await using var node = await ScriptedNode.StartAsync(script =>
            script.ServerStream<WatchRunRequest, ValidationRun>("ValidationRuns/Watch", async (_, stream, _) =>
            {
                if (++calls < 5)
                {
                    // More often than MaxRetries.
                    throw ScriptedNode.Error(StatusCode.Unavailable, "the database system is starting up");
                }

                await stream.WriteAsync(Passed);
            }));
        using var osa = OsaClient.Connect(node.Address, null, Fast);

        var verdict = await osa.Runs.Handle("abc").WaitAsync();

        Assert.Equal((RunStatus.Passed, 5), (verdict.Status, calls));
    }

    [Fact]
    public async Task A_watch_survives_a_node_that_is_killed_and_started_again()
    {
        var first = await ScriptedNode.StartAsync(script =>
            script.ServerStream<WatchRunRequest, ValidationRun>("ValidationRuns/Watch", async (_, stream, cancelled) =>
            {
                await stream.WriteAsync(Running);
                await Task.Delay(Timeout.Infinite, cancelled);
            }));
        using var osa = OsaClient.Connect(first.Address, null, Fast);
        await using var watch = osa.Runs.Handle("abc").WatchAsync().GetAsyncEnumerator();
        Assert.True(await watch.MoveNextAsync());
        Assert.Equal(RunStatus.Running, watch.Current.Status);

        await first.DisposeAsync();
        await using var second = await ScriptedNode.StartAsync(
            script => script.ServerStream<WatchRunRequest, ValidationRun>("ValidationRuns/Watch", (_, stream, _) => stream.WriteAsync(Passed)),
            first.Address.Port);

        Assert.True(await watch.MoveNextAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(30)));
        Assert.Equal(RunStatus.Passed, watch.Current.Status);
        Assert.False(await watch.MoveNextAsync());
    }

    [Fact]
    public async Task A_watch_of_what_is_not_there_ends_with_the_reason()
    {
        await using var node = await ScriptedNode.StartAsync(script =>
            script.ServerStream<WatchRunRequest, ValidationRun>(
                "ValidationRuns/Watch", (_, _, _) => throw ScriptedNode.Error(StatusCode.NotFound, "the run was not found")));
        using var osa = OsaClient.Connect(node.Address, null, Fast);

        var error = await Assert.ThrowsAsync<OsaClientException>(() => osa.Runs.Handle("abc").WaitAsync());

        Assert.Equal(StatusCode.NotFound, error.Code);
        Assert.Single(node.Calls);
    }

    [Fact]
    public async Task A_registration_that_loses_its_connection_joins_again_and_ends_with_the_convention()
    {
        var calls = 0;
        await using var node = await ScriptedNode.StartAsync(script =>
            script.ServerStream<RegisterConventionRequest, RegistrationProgress>("Conventions/Register", async (_, stream, _) =>
            {
                await stream.WriteAsync(new RegistrationProgress { Step = "resolving images" });
                if (++calls == 1)
                {
                    throw ScriptedNode.Error(StatusCode.Unavailable, "the node is stopping");
                }

                await stream.WriteAsync(new RegistrationProgress { Convention = new Convention { Srn = "urn:osa:localhost:conv:p@1.0.0" }, Created = true });
            }));
        using var osa = OsaClient.Connect(node.Address, null, Fast);

        var registration = await osa.Conventions.RegisterAsync("{}");

        Assert.True(registration.Created);
        Assert.Equal("urn:osa:localhost:conv:p@1.0.0", registration.Convention.Srn);
        Assert.Equal(2, calls);
    }

    private sealed class Lost : IProgress<OsaClientException>
    {
        public int Count { get; private set; }

        public void Report(OsaClientException value) => Count++;
    }
}
