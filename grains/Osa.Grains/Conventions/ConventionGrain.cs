using Microsoft.Extensions.Logging;
using Osa.Domain.Access;
using Osa.Domain.Conventions;
using Osa.Domain.Errors;
using Osa.Domain.Hooks;
using Osa.Domain.Sources;
using Osa.Grains.Features;
using Osa.Grains.Hosts;
using Osa.Storage;
using Osa.Storage.Conventions;
using Osa.Storage.Features;

namespace Osa.Grains.Conventions;

/// <inheritdoc cref="IConventionGrain"/>
public sealed partial class ConventionGrain(
    ConventionRegistration registration, FeatureTables tables, NodeIdentity node, NodeLimits limits, ImagePins pins, TimeProvider time, ILogger<ConventionGrain> logger)
    : Grain, IConventionGrain
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    // Nothing of a registration holds longer than this: a pull has its own, shorter, deadline.
    private static readonly TimeSpan Deadline = TimeSpan.FromMinutes(20);

    // By content; a finished one stays for those who come back for its outcome.
    private readonly Dictionary<string, Registration> _registrations = [];
    private int _running;

    // Versions of one convention are registered one after the other, in the order they came.
    private readonly SemaphoreSlim _oneAtATime = new(1);

    public async Task<RegistrationStep> Register(Caller caller, string documentJson, string seen, CancellationToken cancellation)
    {
        ConventionDocument document = ConventionDocumentReader.Read(documentJson, limits);
        string hash = ConventionDocumentWriter.ContentHash(document);
        // Whoever was told of a step comes back for what became of it; whoever asks for the first time begins anew.
        if (!_registrations.TryGetValue(hash, out Registration? running) || (seen.Length == 0 && running.Work.IsCompleted))
        {
            if (await registration.FindSameAsync(document, cancellation) is { } existing)
            {
                return new RegistrationStep("registered", existing.Srn, false);
            }

            if (!_registrations.TryGetValue(hash, out running) || running.Work.IsCompleted)
            {
                running = _registrations[hash] = new Registration();
                running.Work = RunAsync(caller, document, running);
            }
        }

        if (running.Step == seen)
        {
            await Task.WhenAny(running.Work, running.Moved, Task.Delay(Patience, time, cancellation));
        }

        return running.Work.IsCompleted ? await running.Work : new RegistrationStep(running.Step, null, false);
    }

    public async Task<RegistrationPlan> Plan(string documentJson, CancellationToken cancellation)
    {
        ConventionDocument document = ConventionDocumentReader.Read(documentJson, limits);
        bool unchanged = await registration.FindSameAsync(document, cancellation) is not null;
        var plans = new List<TablePlan>();
        var refusals = new List<OsaException>();
        foreach (HookDefinition hook in document.Hooks)
        {
            try
            {
                var plan = await tables.PlanAsync(document.Id, hook.Manifest, cancellation);
                plans.Add(new TablePlan(plan.Name, Domain.Names.WireName.Of(plan.Change), [.. plan.AddedColumns.Select(c => c.Name)]));
            }
            catch (OsaException refusal) when (refusal.Violations.Count > 0)
            {
                refusals.Add(refusal);
            }
        }

        return refusals switch
        {
            [] => new RegistrationPlan(node.ConventionSrn(document.Id, document.Version).ToString(), unchanged, plans),
            [{ } only] => throw only,
            _ => throw new OsaException(refusals[0].Code, string.Join("; ", refusals.Select(r => r.Message)), [.. refusals.SelectMany(r => r.Violations)]),
        };
    }

    private async Task<RegistrationStep> RunAsync(Caller caller, ConventionDocument document, Registration running)
    {
        // On the grain's scheduler, off the call that started it.
        await Task.CompletedTask.ConfigureAwait(ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.ForceYielding);
        RequestContext.Clear();
        _running++;
        DelayDeactivation(Deadline);
        using var deadline = new CancellationTokenSource(Deadline, time);
        string name = $"{document.Id}@{document.Version}";
        await _oneAtATime.WaitAsync(deadline.Token);
        try
        {
            var hooks = new List<HookDefinition>(document.Hooks.Count);
            foreach (HookDefinition hook in document.Hooks)
            {
                hooks.Add(await pins.PinAsync(hook, running.Say, deadline.Token));
            }

            SourceDefinition? source = document.Source is null ? null : await pins.PinAsync(document.Source, running.Say, deadline.Token);
            ConventionDocument pinned = document with { Hooks = hooks, Source = source };
            running.Say("creating feature tables");
            (Convention convention, bool created) = await InTurnAsync(pinned, () => registration.RegisterAsync(caller, document, pinned, deadline.Token), deadline.Token);
            if (created && source is not null)
            {
                await GrainFactory.Source(document.Id).Wake();
            }

            NodeTelemetry.Registrations.Add(created ? 1 : 0);
            LogRegistered(logger, convention.Srn, created, caller.UserId);
            return new RegistrationStep("registered", convention.Srn, created);
        }
        catch (OperationCanceledException) when (deadline.IsCancellationRequested)
        {
            throw new OsaException(ErrorCode.DeadlineExceeded, $"Registering {name} took longer than {Deadline.TotalMinutes:0} minutes; try again");
        }
        catch (OsaException refusal)
        {
            LogRefused(logger, name, refusal.Message);
            throw;
        }
        finally
        {
            _oneAtATime.Release();
            if (--_running == 0)
            {
                DelayDeactivation(TimeSpan.Zero);
            }
        }
    }

    /// <summary>Enters the queues of the document's tables in name order, does the work, and leaves them.</summary>
    private async Task<T> InTurnAsync<T>(ConventionDocument document, Func<Task<T>> work, CancellationToken cancellation)
    {
        string ticket = Guid.NewGuid().ToString("N");
        var entered = new List<IFeatureTableGrain>();
        try
        {
            foreach (HookManifest manifest in document.Hooks.Select(h => h.Manifest).OrderBy(m => m.Name, StringComparer.Ordinal))
            {
                IFeatureTableGrain table = GrainFactory.FeatureTable(manifest.Name);
                entered.Add(table);
                while (await table.Enter(ticket, document.Id, manifest, cancellation) is null)
                {
                }
            }

            for (int attempt = 1; ; attempt++)
            {
                try
                {
                    return await work();
                }
                catch (OsaException busy) when (busy.Code == ErrorCode.Aborted && attempt < 40)
                {
                    // An ALTER behind a reader gave up after 200 ms so that others need not queue behind it.
                    await Task.Delay(TimeSpan.FromMilliseconds(Random.Shared.Next(100, 600)), time, cancellation);
                }
            }
        }
        finally
        {
            foreach (IFeatureTableGrain table in entered)
            {
                await table.Leave(ticket);
            }
        }
    }

    [LoggerMessage(3001, LogLevel.Information, "Convention {Convention} registered (new: {Created}) by {User}")]
    private static partial void LogRegistered(ILogger logger, string convention, bool created, Guid user);

    [LoggerMessage(3002, LogLevel.Information, "Convention {Convention} refused: {Reason}")]
    private static partial void LogRefused(ILogger logger, string convention, string reason);

    private sealed class Registration
    {
        private TaskCompletionSource _moved = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public string Step { get; private set; } = "waiting for its turn";

        public Task Moved => _moved.Task;

        public Task<RegistrationStep> Work { get; set; } = null!;

        public void Say(string step)
        {
            if (step != Step)
            {
                Step = step;
                TaskCompletionSource moved = _moved;
                _moved = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                moved.TrySetResult();
            }
        }
    }
}
