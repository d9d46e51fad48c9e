using Osa.Benchmarks;
using Osa.Benchmarks.Features;
using Osa.Benchmarks.Nodes;

// dotnet run -c Release --project tests/Osa.Benchmarks -- <name>...
var benchmarks = new Dictionary<string, IBenchmark>(StringComparer.Ordinal)
{
    ["batch"] = new BatchBenchmark(),
    ["burst"] = new BurstBenchmark(),
    ["check"] = new CheckBenchmark(),
    ["copy"] = new CopyBenchmark(),
    ["copy-memory"] = new CopyMemoryBenchmark(),
    ["edits"] = new EditsBenchmark(),
    ["events"] = new EventsBenchmark(),
    ["neighbour"] = new NeighbourBenchmark(),
    ["long-pull"] = new LongPullBenchmark(),
    ["pull"] = new PullBenchmark(),
    ["query"] = new QueryBenchmark(),
    ["restart"] = new RestartBenchmark(),
    ["share"] = new ShareBenchmark(),
    ["submit"] = new SubmitBenchmark(),
};

string[] unknown = [.. args.Where(a => !benchmarks.ContainsKey(a))];
if (args.Length == 0 || unknown.Length > 0)
{
    Console.Error.WriteLine($"Name the benchmarks to run: {string.Join(", ", benchmarks.Keys)}");
    return 2;
}

bool reached = true;
foreach (string name in args)
{
    Console.WriteLine($"== {name}");
    reached &= await benchmarks[name].RunAsync(CancellationToken.None);
}

return reached ? 0 : 1;
