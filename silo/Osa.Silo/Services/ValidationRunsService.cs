using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Osa.Domain.Access;
using Osa.Domain.Errors;
using Osa.Domain.Names;
using Osa.Domain.Validation;
using Osa.Grains;
using Osa.Grains.Hosts;
using Osa.Grains.Validation;
using Osa.Silo.Access;
using Osa.Storage;
using Osa.Storage.Depositions;
using Osa.Storage.Validation;
using Osa.V1;

namespace Osa.Silo.Services;

/// <summary>Validation runs over gRPC.</summary>
public sealed class ValidationRunsService(RunQueries runs, DepositionStore depositions, NodeIdentity node, HostDirectory hosts, IGrainFactory grains, TimeProvider time)
    : ValidationRuns.ValidationRunsBase
{
    private static readonly TimeSpan Unattended = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Attended = TimeSpan.FromSeconds(30);

    public override async Task<ValidationRun> Get(GetRunRequest request, ServerCallContext context) =>
        Message(await runs.GetAsync(CallerInterceptor.CallerOf(context), Id(request.Srn), context.CancellationToken), null);

    public override async Task<ListRunsResponse> List(ListRunsRequest request, ServerCallContext context)
    {
        Guid deposition = node.LocalId(request.DepositionSrn, SrnType.Deposition, "deposition_srn");
        Caller caller = CallerInterceptor.CallerOf(context);
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
        RunPulse pulse = new(0, null, []);
        ValidationRun? sent = null;
        while (true)
        {
            RunView view = await runs.GetAsync(caller, id, context.CancellationToken);
            ValidationRun now = Message(view, pulse);
            if (!now.Equals(sent))
            {
                await responseStream.WriteAsync(now, context.CancellationToken);
                sent = now;
            }

            if (RunLifecycle.IsFinal(view.Status))
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

    private async Task<RunPulse> NextAsync(Guid run, RunPulse seen, CancellationToken cancellation)
    {
        try
        {
            if ((await hosts.LiveAsync(cancellation)).Any(s => s.Row.RunsContainers))
            {
                return await grains.ValidationRun(run).Changed(seen.Version, cancellation);
            }
        }
        catch (Exception e) when (e is OsaException or OrleansException or TimeoutException && !cancellation.IsCancellationRequested)
        {
            // Its silo is gone or there is none: the rows are looked at again in a moment.
        }

        await Task.Delay(Unattended, time, cancellation);
        return new RunPulse(0, null, []);
    }

    private Guid Id(string srn) => Guid.TryParseExact(srn, "D", out Guid bare) ? bare : node.LocalId(srn, SrnType.ValidationRun, "srn");

    private ValidationRun Message(RunView run, RunPulse? pulse)
    {
        var message = new ValidationRun
        {
            Srn = node.RunSrn(run.RunId).ToString(),
            DepositionSrn = node.DepositionSrn(run.DepositionId).ToString(),
            ConventionSrn = node.ConventionSrn(run.ConventionId, run.ConventionVersion).ToString(),
            Status = (V1.RunStatus)((int)run.Status + 1),
            Summary = run.Summary ?? "",
            WaitingFor = run.WaitingFor ?? "",
            Hooks = { run.Hooks.Select(h => Message(h, pulse)) },
            RecordSrn = run.RecordSrn ?? "",
            CreatedAt = Timestamp.FromDateTime(run.CreatedAt),
            StartedAt = run.StartedAt is { } started ? Timestamp.FromDateTime(started) : null,
            CompletedAt = run.CompletedAt is { } completed ? Timestamp.FromDateTime(completed) : null,
        };
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
