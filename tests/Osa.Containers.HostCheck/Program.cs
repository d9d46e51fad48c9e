using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Osa.Containers;
using Osa.Containers.Output;
using Osa.Domain.Hooks;

// Passes the self-test, runs a hook that leaves what its user alone may touch, and removes it: DIRECTORY PROBE DIGEST
string directory = args[0];
string data = Path.Combine(directory, "data");
string name = Path.GetFileName(directory);
Directory.CreateDirectory(data);
string upload = Path.Combine(data, "upload");
await File.WriteAllTextAsync(upload, "MALWMRLLPL");
await using ContainerEngine engine = new(
    new ContainerHostOptions { ScratchDirectory = Path.Combine(data, "scratch"), DataDirectory = data, ClusterId = "check" + name, ProbeBinary = args[1] },
    TimeProvider.System,
    NullLogger<ContainerEngine>.Instance);
HookDefinition hook = new("osa-test-hooks:latest", args[2], null, HookLimits.Default, new HookManifest("h", "r", HookContract.Record, FeatureCardinality.Many, []));
string config = """{"do":"steps","steps":[{"do":"echo"},{"do":"output","kind":"locked-directory"},{"do":"output","kind":"unreadable","file":"secret"}]}""";
ContainerJob job = ContainerJob.ForRecord(
    "osa-check-" + name, new JobLabels("r", "h", "0", 1), hook, "{}"u8.ToArray(), Encoding.UTF8.GetBytes(config), [new InputFile("upload", upload)], 1 << 20, 100);

await engine.SelfTestAsync(default);
ContainerOutcome outcome = await engine.RunAsync((PreparedContainer)await engine.PrepareAsync(job, default), _ => Task.CompletedTask, default);
string problem = outcome.ExitCode == 0 ? "" : outcome.Log;
if (outcome.Output.Open("features.json", 1 << 20) is OutputFile.Readable features)
{
    using StreamReader reader = new(features.Content);
    string seen = await reader.ReadToEndAsync();
    if (!seen.Contains("\"files\":{\"upload\":", StringComparison.Ordinal))
        problem += $"the hook saw {seen}\n";
}
else
{
    problem += "features.json could not be read\n";
}

await engine.RemoveAsync(job.Name, outcome.ContainerId, default);
if (engine.ListScratch().Count > 0)
    problem += "scratch is not empty\n";
await Console.Error.WriteAsync(problem);
return problem.Length == 0 ? 0 : 1;
