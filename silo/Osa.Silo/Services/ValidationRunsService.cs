using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Osa.Domain.Access;
using Osa.Domain.Conventions;
using Osa.Domain.Errors;
using Osa.Domain.Names;
using Osa.Domain.Validation;
using Osa.Grains;
using Osa.Grains.Hosts;
using Osa.Grains.Validation;
using Osa.Silo.Access;
using Osa.Storage;
using Osa.Storage.Depositions;
using Osa.Storage.Features;
using Osa.Storage.Validation;
using Osa.V1;
using Role = Osa.Domain.Access.Role;

namespace Osa.Silo.Services;

/// <summary>Validation runs over gRPC.</summary>
public sealed class ValidationRunsService(
    RunQueries runs, RunCommands commands, SubmissionStore submissions, DepositionStore depositions, HookTrial trial, FeaturePreview preview, NodeIdentity node, HostDirectory hosts, IGrainFactory grains,
    TimeProvider time) : ValidationRuns.ValidationRunsBase
{
    private static readonly TimeSpan Unattended = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Attended = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan LogInterval = TimeSpan.FromMilliseconds(500);

    public override async Task<ValidationRun> Get(GetRunRequest request, ServerCallContext context)
    {
        RunView run = await runs.GetAsync(CallerInterceptor.CallerOf(context), Id(request.Srn), DepositionId(request.DepositionSrn), context.CancellationToken);
        return Message(run, run.WaitingFor is null ? null : await NowAsync(run.RunId, context.CancellationToken));
    }

    public override async Task<ListRunsResponse> List(ListRunsRequest request, ServerCallContext context)
    {
        Caller caller = CallerInterceptor.CallerOf(context);
        if ((request.DepositionSrn.Length == 0) == (request.Convention.Length == 0))
        {
            throw OsaException.Invalid("deposition_srn", "one_of", "name either a deposition or a convention");
        }

        if (request.Convention.Length > 0)
        {
            (string? convention, string? version) = DepositionsService.ConventionFilter(request.Convention);
            int size = Cursor.PageSize(request.PageSize, 50, 200);
            List<RunView> page = await runs.ListAsync(caller, convention!, version, Cursor.DecodeGuid(request.Cursor), size + 1, context.CancellationToken);
            return new ListRunsResponse { Runs = { page.Take(size).Select(r => Message(r, null)) }, NextCursor = page.Count > size ? Cursor.Encode(page[size - 1].RunId.ToString()) : "" };
        }

        Guid deposition = node.LocalId(request.DepositionSrn, SrnType.Deposition, "deposition_srn");
        IReadOnlyList<RunView> found = await runs.ListAsync(caller, deposition, context.CancellationToken);
        if (found.Count == 0)
        {
            // Never submitted, or not there for this caller: only one of these is an empty list.
            await depositions.GetAsync(caller, deposition, context.CancellationToken);
        }

        return new ListRunsResponse { Runs = { found.Select(r => Message(r, null)) } };
    }

    // Rows tell the truth; the grain only says when to look, and what a running hook reports.
    public override async Task Watch(WatchRunRequest request, IServerStreamWriter<ValidationRun> responseStream, ServerCallContext context)
    {
        Caller caller = CallerInterceptor.CallerOf(context);
        Guid id = Id(request.Srn);
        Guid? deposition = DepositionId(request.DepositionSrn);
        RunPulse pulse = RunPulse.None;
        ValidationRun? sent = null;
        while (true)
        {
            RunView view = await runs.GetAsync(caller, id, deposition, context.CancellationToken);
            ValidationRun now = Message(view, pulse);
            if (!now.Equals(sent))
            {
                await responseStream.WriteAsync(now, context.CancellationToken);
                sent = now;
            }

            if (RunLifecycle.IsFinal(view.Status) || now.InReview)
            {
                return;
            }

            // While its grain says that nothing has happened, the rows are looked at only now and then.
            long seen = pulse.Version;
            long looked = time.GetTimestamp();
            do
            {
                pulse = await NextAsync(id, pulse, context.CancellationToken);
            }
            while (pulse.Version == seen && pulse.Version != 0 && time.GetElapsedTime(looked) < Attended);
        }
    }

    public override async Task Logs(RunLogsRequest request, IServerStreamWriter<LogPart> responseStream, ServerCallContext context)
    {
        Caller caller = CallerInterceptor.CallerOf(context);
        (Guid id, string? hook, Guid? deposition) = (Id(request.Srn), request.Hook.Length == 0 ? null : request.Hook, DepositionId(request.DepositionSrn));
        RunLog? following = null;
        string sent = "";
        while (true)
        {
            RunLog? log = await runs.LogAsync(caller, id, hook, deposition, context.CancellationToken);
            bool isOther = following is not null && log?.ContainerName != following.ContainerName;
            bool isRunning = log is { IsRunning: true };
            if (log is not null && !isOther)
            {
                string text = isRunning ? await LiveLogAsync(id, log.Hook, context.CancellationToken) ?? sent : log.Text;
                if (following is null || text != sent)
                {
                    await responseStream.WriteAsync(new LogPart { Hook = following is null ? log.Hook : "", Text = After(sent, text) }, context.CancellationToken);
                    sent = text;
                }

                following = log;
            }

            if (!request.Follow || isOther || (!isRunning && (log is not null || RunLifecycle.IsFinal((await runs.GetAsync(caller, id, deposition, context.CancellationToken)).Status))))
            {
                return;
            }

            await Task.Delay(LogInterval, time, context.CancellationToken);
        }
    }

    public override async Task<V1.FeatureRows> Features(RunFeaturesRequest request, ServerCallContext context)
    {
        Guid id = Id(request.Srn);
        (ConventionDocument judged, (Guid Blob, long Offset, long Length)? output) = await runs.FeaturesAsync(
            CallerInterceptor.CallerOf(context), id, DepositionId(request.DepositionSrn), request.Hook, context.CancellationToken);
        return FeaturesService.Message(
            await preview.PageAsync(judged.Hooks.First(h => h.Name == request.Hook).Manifest, id, output, request.PageSize, request.Cursor, context.CancellationToken));
    }

    public override async Task<ValidationRun> Cancel(CancelRunRequest request, ServerCallContext context)
    {
        Guid id = Id(request.Srn);
        Caller caller = CallerInterceptor.CallerOf(context);
        if (await commands.CancelAsync(caller, id, request.Reason, context.CancellationToken))
        {
            await grains.ValidationRun(id).Wake();
        }

        return Message(await runs.GetAsync(caller, id, null, context.CancellationToken), null);
    }

    public override async Task<RedriveRunResponse> Redrive(RedriveRunRequest request, ServerCallContext context)
    {
        Caller caller = CallerInterceptor.CallerOf(context);
        List<Guid> drafts = await commands.UnfinishedAsync(caller, Id(request.Srn), context.CancellationToken);
        (Guid run, _) = await submissions.SubmitManyAsync(caller, drafts, "", forOwners: caller.Has(Role.Curator), context.CancellationToken);
        await grains.ValidationRun(run).Wake();
        return new RedriveRunResponse { RunSrn = node.RunSrn(run).ToString(), Depositions = drafts.Count };
    }

    public override async Task<ValidationRun> Try(TryHookRequest request, ServerCallContext context)
    {
        Caller caller = CallerInterceptor.CallerOf(context);
        Guid run = await trial.StartAsync(
            caller, node.LocalId(request.DepositionSrn, SrnType.Deposition, "deposition_srn"), request.Hook, request.Image, request.Digest, context.CancellationToken);
        return Message(await runs.GetAsync(caller, run, null, context.CancellationToken), null);
    }

    /// <summary>What a longer log adds to what was sent of it; where its middle was cut meanwhile, what follows the last that both have.</summary>
    internal static string After(string sent, string text)
    {
        if (text.StartsWith(sent, StringComparison.Ordinal))
        {
            return text[sent.Length..];
        }

        for (int overlap = Math.Min(sent.Length, 1 << 10); overlap > 0; overlap /= 2)
        {
            int at = text.LastIndexOf(sent[^overlap..], StringComparison.Ordinal);
            if (at >= 0)
            {
                return text[(at + overlap)..];
            }
        }

        return "\n[...]\n" + text;
    }

    private async Task<string?> LiveLogAsync(Guid run, string hook, CancellationToken cancellation)
    {
        try
        {
            return await grains.ValidationRun(run).LiveLog(hook, cancellation);
        }
        catch (Exception e) when (e is OsaException or OrleansException or TimeoutException)
        {
            // Its silo or its engine is away: what is saved when it has ended is the log.
            return null;
        }
    }

    private async Task<RunPulse> NextAsync(Guid run, RunPulse seen, CancellationToken cancellation)
    {
        if (await ChangedAsync(run, seen.Version, cancellation) is { } pulse)
        {
            return pulse;
        }

        await Task.Delay(Unattended, time, cancellation);
        return RunPulse.None;
    }

    private Task<RunPulse?> NowAsync(Guid run, CancellationToken cancellation) => ChangedAsync(run, 0, cancellation);

    // Null when its silo is gone or there is none: the rows are looked at again in a moment.
    private async Task<RunPulse?> ChangedAsync(Guid run, long seen, CancellationToken cancellation)
    {
        try
        {
            return (await hosts.LiveAsync(cancellation)).Any(s => s.Row.RunsContainers) ? await grains.ValidationRun(run).Changed(seen, cancellation) : null;
        }
        catch (Exception e) when (e is OsaException or OrleansException or TimeoutException && !cancellation.IsCancellationRequested)
        {
            return null;
        }
    }

    private Guid Id(string srn) => Guid.TryParseExact(srn, "D", out Guid bare) ? bare : node.LocalId(srn, SrnType.ValidationRun, "srn");

    private Guid? DepositionId(string srn) => srn.Length == 0 ? null : node.LocalId(srn, SrnType.Deposition, "deposition_srn");

    private ValidationRun Message(RunView run, RunPulse? pulse)
    {
        bool isOpen = !RunLifecycle.IsFinal(run.Status);
        string waitingFor = (isOpen ? pulse?.WaitingFor ?? run.WaitingFor : null) ?? "";
        return new ValidationRun
        {
            Srn = node.RunSrn(run.RunId).ToString(),
            DepositionSrn = run.DepositionId is { } deposition ? node.DepositionSrn(deposition).ToString() : "",
            ConventionSrn = node.ConventionSrn(run.ConventionId, run.ConventionVersion).ToString(),
            Status = (V1.RunStatus)((int)run.Status + 1),
            Summary = run.Summary ?? "",
            WaitingFor = waitingFor,
            Hooks = { run.Hooks.Select(h => Message(h, pulse)) },
            RecordSrn = run.RecordSrn ?? "",
            CreatedAt = Timestamp.FromDateTime(run.CreatedAt),
            StartedAt = run.StartedAt is { } started ? Timestamp.FromDateTime(started) : null,
            CompletedAt = run.CompletedAt is { } completed ? Timestamp.FromDateTime(completed) : null,
            // Not while what a curator or an owner has said is being carried out.
            InReview = run.IsInReview && run.CancelBecause is null && run.Depositions.All(d => d.Status is not null || d.Review == "waiting"),
            QueuePosition = isOpen && pulse?.WaitingFor is not null ? pulse.Place + 1 : 0,
            CancelReason = run.CancelBecause ?? "",
            Trial = run.IsTrial,
            Silo = run.OwnerSilo ?? "",
            Epoch = run.Epoch,
            Depositions =
            {
                run.Depositions.Select(d => new V1.DepositionVerdict
                {
                    DepositionSrn = node.DepositionSrn(d.DepositionId).ToString(), Status = d.Status ?? "", Reason = d.Reason ?? "", RecordSrn = d.RecordSrn ?? "", Review = d.Review ?? "",
                }),
            },
            Containers = { run.Containers.Select(Message) },
        };
    }

    private static HookContainer Message(ContainerView container)
    {
        var message = new HookContainer
        {
            Hook = container.Hook,
            Unit = container.Unit,
            Attempt = container.Attempt,
            State = container.State,
            Depositions = container.Depositions,
            Duration = Duration.FromTimeSpan(container.Duration),
            CpuTime = container.Cpu is { } cpu ? Duration.FromTimeSpan(cpu) : null,
            PeakMemoryBytes = container.PeakMemory ?? 0,
            BrokenBecause = container.BrokenBecause ?? "",
        };
        if (container.ExitCode is { } code)
        {
            message.ExitCode = code;
        }

        return message;
    }

    private static HookRun Message(HookView hook, RunPulse? pulse)
    {
        var message = new HookRun
        {
            Hook = hook.Hook,
            Status = (V1.HookStatus)((int)hook.State + 1),
            Reason = hook.Reason ?? "",
            Progress = { hook.Progress.Select(p => new Progress { Status = p.Status, Step = p.Step ?? "", Message = p.Message ?? "" }) },
            // Only of what has ended; what runs shows its progress.
            Duration = hook.State is HookState.Passed or HookState.Rejected or HookState.Failed or HookState.Cancelled ? Duration.FromTimeSpan(hook.Duration) : null,
            PeakMemoryBytes = hook.PeakMemory ?? 0,
            LogTail = hook.Log,
            Digest = hook.Digest ?? "",
            Rows = hook.Rows,
            Attempt = hook.Attempt,
            CpuTime = hook.Cpu is { } cpu ? Duration.FromTimeSpan(cpu) : null,
        };
        if (hook.ExitCode is { } code)
        {
            message.ExitCode = code;
        }

        if (hook.State == HookState.Running && pulse?.Hook == hook.Hook)
        {
            message.Progress.AddRange(pulse.Progress.Select(p => new Progress { Status = p.Status, Step = p.Step ?? "", Message = p.Message ?? "" }));
        }

        return message;
    }
}
