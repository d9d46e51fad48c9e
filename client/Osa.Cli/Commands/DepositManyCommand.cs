using System.Text.Json.Nodes;
using Osa.Cli.Input;
using Osa.Cli.Output;
using Osa.Client;
using Osa.Client.Depositions;
using Osa.V1;

namespace Osa.Cli.Commands;

/// <summary><c>osa deposit DIRECTORY</c> or <c>osa deposit TABLE.csv</c>: many in one go, in runs of up to 1,000.</summary>
internal static class DepositManyCommand
{
    private const int AtOnce = 8;
    private const int LargestRun = 1_000;

    public static async Task<int> RunAsync(CommandContext context, string convention, FileSystemInfo source, Embargo? embargo, bool checkOnly)
    {
        var version = await context.Osa.Conventions.GetAsync(convention, context.CancellationToken);
        var planned = source is DirectoryInfo directory
            ? await DepositionSet.FromDirectoryAsync(directory, context.CancellationToken)
            : DepositionSet.FromTable((FileInfo)source, version.Fields);
        var drafts = new DepositionHandle[planned.Count];
        var invalid = 0;
        await Parallel.ForAsync(0, planned.Count, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = context.CancellationToken }, async (i, token) =>
        {
            drafts[i] = await context.Osa.Depositions.CreateAsync(version.Srn, planned[i].Metadata, null, token);
            foreach (var file in planned[i].Files)
            {
                await drafts[i].UploadFileAsync(file.FullName, cancellationToken: token);
            }

            if (embargo is not null)
            {
                await drafts[i].SetEmbargoAsync(embargo, token);
            }

            var violations = await drafts[i].ValidateAsync(token);
            if (violations.Count > 0)
            {
                Interlocked.Increment(ref invalid);
            }

            lock (planned)
            {
                Tell(context.Screen, "created", planned[i], drafts[i].Srn, new JsonArray([.. violations.Select(static violation => violation.ToJson())]), violations);
            }
        });
        if (invalid > 0 || checkOnly)
        {
            context.Screen.Note($"{invalid} of {planned.Count} would be refused; nothing was submitted, and the drafts stay: osa deposition list --status draft");
            return invalid > 0 ? ExitCode.Invalid : ExitCode.Ok;
        }

        var names = planned.Zip(drafts).ToDictionary(static pair => pair.Second.Srn, static pair => pair.First.Name);
        var code = ExitCode.Ok;
        var handles = new List<Client.Runs.RunHandle>();
        foreach (var part in drafts.Chunk(LargestRun))
        {
            handles.Add(await context.Osa.Depositions.SubmitManyAsync(part.Select(static draft => draft.Srn), null, context.CancellationToken));
            context.Screen.Done(
                DepositCommand.Event("submitted", new JsonObject { ["run_srn"] = handles[^1].Srn, ["depositions"] = part.Length }), $"submitted {part.Length}, run {handles[^1].Srn}");
        }

        foreach (var handle in handles)
        {
            ValidationRun run;
            try
            {
                run = await handle.WaitAsync(context.CancellationToken);
            }
            catch (Exception error) when (error is OperationCanceledException or OsaClientException { IsTransient: true })
            {
                context.Screen.Note($"The runs go on without you. Watch on with: osa run watch {handle.Srn}");
                throw;
            }

            foreach (var verdict in run.Depositions)
            {
                var status = verdict.Status.Length > 0 ? verdict.Status : "in_review";
                context.Screen.Done(
                    DepositCommand.Event("verdict", new JsonObject
                    {
                        ["name"] = names[verdict.DepositionSrn],
                        ["deposition_srn"] = verdict.DepositionSrn,
                        ["status"] = status,
                        ["record_srn"] = verdict.RecordSrn.Length > 0 ? verdict.RecordSrn : null,
                        ["reason"] = verdict.Reason.Length > 0 ? verdict.Reason : null,
                    }),
                    $"{names[verdict.DepositionSrn]}: {status.Replace('_', ' ')}{(verdict.RecordSrn.Length > 0 ? $" as {verdict.RecordSrn}" : "")}{(verdict.Reason.Length > 0 ? $": {verdict.Reason}" : "")}");
                code = status is "passed" or "in_review" ? code : ExitCode.Verdict;
            }

            context.Screen.Note(run.Summary);
        }

        return code;
    }

    private static void Tell(Screen screen, string name, PlannedDeposition planned, string srn, JsonArray violations, IReadOnlyList<RuleViolation> refused)
    {
        screen.Done(
            DepositCommand.Event(name, new JsonObject { ["name"] = planned.Name, ["deposition_srn"] = srn, ["violations"] = violations }),
            $"{planned.Name}: draft {srn}{(refused.Count > 0 ? ", which would be refused" : "")}");
        if (!screen.Json)
        {
            screen.WriteViolations(refused);
        }
    }
}
