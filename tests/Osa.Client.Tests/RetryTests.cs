using System.Text.Json.Nodes;
using Grpc.Core;
using Osa.ScriptedNodes;
using Osa.V1;

namespace Osa.Client.Tests;

public sealed class RetryTests
{
    private static readonly OsaClientOptions Fast = new() { RetryDelay = TimeSpan.FromMilliseconds(5) };

    [Theory]
    [InlineData(StatusCode.Unavailable)]
    [InlineData(StatusCode.Aborted)]
    [InlineData(StatusCode.DeadlineExceeded)]
    public async Task A_creating_call_is_repeated_with_the_same_idempotency_key(StatusCode code)
    {
        var keys = new List<string>();
        await using var node = await ScriptedNode.StartAsync(script =>
            script.Unary<CreateDepositionRequest, Deposition>("Depositions/Create", request =>
            {
                keys.Add(request.IdempotencyKey);
                return keys.Count < 3 ? throw ScriptedNode.Error(code, "not now") : new Deposition { Srn = "urn:osa:localhost:dep:abc" };
            }));
        using var osa = OsaClient.Connect(node.Address, null, Fast);

        var deposition = await osa.Depositions.CreateAsync("proteins", new JsonObject { ["organism"] = "Homo sapiens" });

        Assert.Equal("urn:osa:localhost:dep:abc", deposition.Srn);
        Assert.Equal(3, keys.Count);
        Assert.Single(keys.Distinct());
        Assert.NotEmpty(keys[0]);
    }

    [Fact]
    public async Task Two_logical_calls_have_two_idempotency_keys()
    {
        var keys = new List<string>();
        await using var node = await ScriptedNode.StartAsync(script =>
            script.Unary<SubmitDepositionRequest, Submission>("Depositions/Submit", request =>
            {
                keys.Add(request.IdempotencyKey);
                return new Submission { RunSrn = "urn:osa:localhost:val:abc" };
            }));
        using var osa = OsaClient.Connect(node.Address, null, Fast);
        var deposition = osa.Depositions.Handle("urn:osa:localhost:dep:abc");

        await deposition.SubmitAsync();
        await deposition.SubmitAsync();

        Assert.Equal(2, keys.Distinct().Count());
    }

    [Fact]
    public async Task What_the_node_refuses_is_not_repeated_and_carries_every_violation()
    {
        await using var node = await ScriptedNode.StartAsync(script =>
            script.Unary<SetMetadataRequest, Deposition>("Depositions/SetMetadata", _ => throw ScriptedNode.Error(
                StatusCode.InvalidArgument,
                "metadata: 2 problems",
                ("metadata.organism", "required", "is missing"),
                ("metadata.year", "max_value", "must be at most 2026"))));
        using var osa = OsaClient.Connect(node.Address, null, Fast);

        var error = await Assert.ThrowsAsync<OsaClientException>(() => osa.Depositions.Handle("x").SetMetadataAsync([]));

        Assert.Equal(StatusCode.InvalidArgument, error.Code);
        Assert.Equal("metadata: 2 problems", error.Message);
        Assert.Equal(
            [new FieldViolation("metadata.organism", "required", "is missing"), new FieldViolation("metadata.year", "max_value", "must be at most 2026")],
            error.Violations);
        Assert.Single(node.Calls);
    }

    [Fact]
    public async Task Hundreds_of_violations_arrive_whole()
    {
        var violations = Enumerable.Range(0, 300).Select(i => ($"metadata.field_{i}", "required", $"field {i} of the schema has no value")).ToArray();
        await using var node = await ScriptedNode.StartAsync(script =>
            script.Unary<SubmitDepositionRequest, Submission>(
                "Depositions/Submit", _ => throw ScriptedNode.Error(StatusCode.InvalidArgument, "many", violations)));
        using var osa = OsaClient.Connect(node.Address, null, Fast);

        var error = await Assert.ThrowsAsync<OsaClientException>(() => osa.Depositions.Handle("x").SubmitAsync());

        Assert.Equal(300, error.Violations.Count);
    }

    [Fact]
    public async Task An_unreachable_node_is_named_with_the_reason()
    {
        using var osa = OsaClient.Connect(new Uri("http://127.0.0.1:1"), null, Fast with { MaxRetries = 1 });

        var error = await Assert.ThrowsAsync<OsaClientException>(() => osa.Node.InfoAsync());

        Assert.Equal(StatusCode.Unavailable, error.Code);
        Assert.StartsWith("the node at http://127.0.0.1:1/ cannot be reached: Connection refused", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_whose_deletion_lost_its_answer_counts_as_deleted()
    {
        var attempts = 0;
        await using var node = await ScriptedNode.StartAsync(script =>
        {
            script.Unary<DeleteFileRequest, Deposition>("Depositions/DeleteFile", _ =>
                throw ScriptedNode.Error(++attempts == 1 ? StatusCode.Unavailable : StatusCode.NotFound, "no such file"));
            script.Unary<GetDepositionRequest, Deposition>("Depositions/Get", request => new Deposition { Srn = request.Srn });
        });
        using var osa = OsaClient.Connect(node.Address, null, Fast);

        var deposition = await osa.Depositions.Handle("urn:osa:localhost:dep:abc").DeleteFileAsync("a.fasta");

        Assert.Equal("urn:osa:localhost:dep:abc", deposition.Srn);
    }

    [Fact]
    public async Task A_cancelled_call_is_a_cancelled_operation()
    {
        var arrived = new TaskCompletionSource();
        await using var node = await ScriptedNode.StartAsync(script =>
            script.ServerStream<WatchRunRequest, ValidationRun>("ValidationRuns/Watch", async (_, _, cancelled) =>
            {
                arrived.SetResult();
                await Task.Delay(Timeout.Infinite, cancelled);
            }));
        using var osa = OsaClient.Connect(node.Address, null, Fast);
        using var cancel = new CancellationTokenSource();

        var waiting = osa.Runs.Handle("x").WaitAsync(cancel.Token);
        await arrived.Task.WaitAsync(TimeSpan.FromSeconds(30));
        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
    }

    [Fact]
    public async Task The_token_travels_with_every_call()
    {
        await using var node = await ScriptedNode.StartAsync(script =>
            script.Unary<NodeInfoRequest, NodeInfo>("Node/Info", _ => new NodeInfo()));
        using var osa = OsaClient.Connect(node.Address, "a.b.c");

        await osa.Node.InfoAsync();

        Assert.Equal(("Node/Info", "Bearer a.b.c"), Assert.Single(node.Calls));
    }

    [Fact]
    public void A_token_does_not_travel_in_plain_text_to_another_machine()
    {
        Assert.Throws<ArgumentException>(() => OsaClient.Connect(new Uri("http://archive.example.org"), "a.b.c"));
        OsaClient.Connect(new Uri("https://archive.example.org"), "a.b.c").Dispose();
        OsaClient.Connect(new Uri("http://archive.example.org")).Dispose();
        OsaClient.Connect(new Uri("http://archive.example.org"), "a.b.c", new OsaClientOptions { AllowPlaintextToken = true }).Dispose();
    }
}
