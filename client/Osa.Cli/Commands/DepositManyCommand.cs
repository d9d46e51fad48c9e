using System.Text.Json.Nodes;
using Osa.Cli.Input;
using Osa.Cli.Output;
using Osa.Client;
using Osa.V1;

namespace Osa.Cli.Commands;

/// <summary>
/// <c>osa deposit DIRECTORY</c> or <c>osa deposit TABLE.csv</c>: many in one go, in runs of up to 1,000. Once more with the same set, it goes
/// on where it was interrupted.
/// </summary>
internal static class DepositManyCommand
{
    private const int AtOnce = 8;
    private const int LargestRun = 1_000;

    public static async Task<int> RunAsync(CommandContext context, string convention, FileSystemInfo source, Embargo? embargo, bool checkOnly)
    {
        var version = await context.Osa.Conventions.GetAsync(convention, context.CancellationToken);
        var planned = await KeyedDeposition.OfAsync(
            version.Srn,
            source is DirectoryInfo directory
                ? await DepositionSet.FromDirectoryAsync(directory, context.CancellationToken)
                : DepositionSet.FromTable((FileInfo)source, version.Fields),
            context.CancellationToken);
        var depositions = new Deposition[planned.Count];
        var invalid = 0;
        await Parallel.ForAsync(0, planned.Count, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = context.CancellationToken }, async (i, token) =>
        {
            var (found, violations) = await MakeAsync(context.Osa, version.Srn, planned[i], embargo, token);
            depositions[i] = found;
            if (violations.Count > 0)
            {
                Interlocked.Increment(ref invalid);
            }

            lock (planned)
            {
                Tell(context.Screen, planned[i].Planned, found, violations);
            }
        });
        if (invalid > 0 || checkOnly)
        {
            context.Screen.Note($"{invalid} of {planned.Count} would be refused; nothing was submitted, and the drafts stay: osa deposition list --status draft");
            return invalid > 0 ? ExitCode.Invalid : ExitCode.Ok;
        }

        // What an interrupted call has submitted is in a run already.
        var runs = depositions.Where(static deposition => deposition.Status is not (DepositionStatus.Draft or DepositionStatus.Withdrawn)).Select(static deposition => deposition.RunSrn).ToHashSet();
        foreach (var part in depositions.Where(static deposition => deposition.Status == DepositionStatus.Draft).Chunk(LargestRun))
        {
            var run = await context.Osa.Depositions.SubmitManyAsync(part.Select(static draft => draft.Srn), null, context.CancellationToken);
            runs.Add(run.Srn);
            context.Screen.Done(
                DepositCommand.Event("submitted", new JsonObject { ["run_srn"] = run.Srn, ["depositions"] = part.Length }), $"submitted {part.Length}, run {run.Srn}");
        }

        var names = planned.Zip(depositions).ToDictionary(static pair => pair.Second.Srn, static pair => pair.First.Planned.Name);
        var code = await WatchAsync(context, runs, names);
        if (depositions.Count(static deposition => deposition.Status == DepositionStatus.Withdrawn) is > 0 and var withdrawn)
        {
            context.Screen.Note($"{withdrawn} of {planned.Count} were withdrawn since an earlier call: they are not submitted again unless their metadata or files change, or each is deposited by itself");
            return ExitCode.Verdict;
        }

        return code;
    }

    /// <summary>Makes a draft with its files, or what is missing of the one that an interrupted call has made.</summary>
    private static async Task<(Deposition Deposition, IReadOnlyList<RuleViolation> Violations)> MakeAsync(
        OsaClient osa, string convention, KeyedDeposition planned, Embargo? embargo, CancellationToken cancellationToken)
    {
        var handle = await osa.Depositions.CreateAsync(convention, planned.Planned.Metadata, planned.Key, cancellationToken);
        var deposition = await handle.GetAsync(cancellationToken);
        if (deposition.Status != DepositionStatus.Draft)
        {
            return (deposition, []);
        }

        var stored = deposition.Files.Select(static file => (file.Name, file.Checksum)).ToHashSet();
        foreach (var (file, checksum) in planned.Planned.Files.Zip(planned.Checksums).Where(pair => !stored.Contains((pair.First.Name, pair.Second))))
        {
            await handle.UploadFileAsync(file.FullName, cancellationToken: cancellationToken);
        }

        if (embargo is not null)
        {
            await handle.SetEmbargoAsync(embargo, cancellationToken);
        }

        return (deposition, await handle.ValidateAsync(cancellationToken));
    }

    /// <summary>Tells the verdicts of those that have a name.</summary>
    private static async Task<int> WatchAsync(CommandContext context, IEnumerable<string> runs, Dictionary<string, string> names)
    {
        var code = ExitCode.Ok;
        foreach (var srn in runs)
        {
            ValidationRun run;
            try
            {
                run = await context.Osa.Runs.Handle(srn).WaitAsync(context.CancellationToken);
            }
            catch (Exception error) when (error is OperationCanceledException or OsaClientException { IsTransient: true })
            {
                context.Screen.Note($"The runs go on without you. Watch on with: osa run watch {srn}");
                throw;
            }

            foreach (var verdict in run.Depositions)
            {
                if (!names.TryGetValue(verdict.DepositionSrn, out var name))
                {
                    continue;
                }

                var status = verdict.Status.Length > 0 ? verdict.Status : "in_review";
                context.Screen.Done(
                    DepositCommand.Event("verdict", new JsonObject
                    {
                        ["name"] = name,
                        ["deposition_srn"] = verdict.DepositionSrn,
                        ["status"] = status,
                        ["record_srn"] = verdict.RecordSrn.Length > 0 ? verdict.RecordSrn : null,
                        ["reason"] = verdict.Reason.Length > 0 ? verdict.Reason : null,
                    }),
                    $"{name}: {status.Replace('_', ' ')}{(verdict.RecordSrn.Length > 0 ? $" as {verdict.RecordSrn}" : "")}{(verdict.Reason.Length > 0 ? $": {verdict.Reason}" : "")}");
                code = status is "passed" or "in_review" ? code : ExitCode.Verdict;
            }

            context.Screen.Note(run.Summary);
        }

        return code;
    }

    private static void Tell(Screen screen, PlannedDeposition planned, Deposition deposition, IReadOnlyList<RuleViolation> violations)
    {
        var state = ProtoJson.State(deposition.Status)!;
        screen.Done(
            DepositCommand.Event("created", new JsonObject
            {
                ["name"] = planned.Name,
                ["deposition_srn"] = deposition.Srn,
                ["status"] = state,
                ["violations"] = new JsonArray([.. violations.Select(static violation => violation.ToJson())]),
            }),
            $"{planned.Name}: {state.Replace('_', ' ')} {deposition.Srn}{(violations.Count > 0 ? ", which would be refused" : "")}");
        if (!screen.Json)
        {
            screen.WriteViolations(violations);
        }
    }
}
