using System.Globalization;
using Grpc.Core;
using Osa.Testing;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>Readers of the event stream who stop reading, or die.</summary>
public sealed class SlowReaderTests
{
    private const int Readers = 200;
    private const int Depositions = 2_000;

    // Held for them, the events would be several times as much.
    private const long Allowed = 128 << 20;

    [Fact]
    public async Task Readers_who_stop_cost_no_memory_and_delay_nobody()
    {
        using var data = new TempDirectory();
        await using Archive archive = await Archive.StartAsync(data.Path, await PostgresServer.CreateDatabaseAsync(), engine: false);
        await archive.RegisterAsync(Documents.Convention("slow", "1.0.0"));
        await CreateAsync(archive, Depositions);
        long before = Memory(archive);

        var calls = new List<AsyncServerStreamingCall<Event>>();
        for (int i = 0; i < Readers; i++)
        {
            AsyncServerStreamingCall<Event> call = new Door(archive, "admin", "slow").Events.Watch(new WatchEventsRequest { After = 0 });
            Assert.True(await call.ResponseStream.MoveNext(default));
            calls.Add(call);
        }

        long last = (await archive.Admin.Events.ReadAsync().LastAsync()).Position;
        Task<List<Event>> lively = archive.Admin.Events.WatchAsync(last).Take(Depositions).ToListAsync().AsTask();
        await CreateAsync(archive, Depositions);
        List<Event> seen = await lively.WaitAsync(TimeSpan.FromSeconds(20));
        long grown = Memory(archive) - before;
        calls.ForEach(c => c.Dispose());

        Assert.Equal(Enumerable.Range(1, Depositions).Select(i => last + i), seen.Select(e => e.Position));
        Assert.True(grown < Allowed, $"{Readers} readers who stopped cost {grown >> 20} MiB");
    }

    private static Task CreateAsync(Archive archive, int count) => Parallel.ForAsync(
        0, count, new ParallelOptions { MaxDegreeOfParallelism = 16 }, async (_, _) => await archive.DraftAsync("slow"));

    private static long Memory(Archive archive) => 1024 * long.Parse(
        File.ReadLines($"/proc/{archive.Node.ProcessId}/status").Single(l => l.StartsWith("VmRSS:", StringComparison.Ordinal)).Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);
}
