using Microsoft.Extensions.Logging;
using Osa.Domain.Conventions;
using Osa.Domain.Faults;
using Osa.Domain.Sources;
using Osa.Grains.Hosts;
using Osa.Storage.Conventions;
using Osa.Storage.Sources;
using Osa.Storage.Validation;

namespace Osa.Grains.Sources;

/// <inheritdoc cref="ISourceGrain"/>
[ContainersPlacement]
[CollectionAgeLimit(Minutes = 2)]
public sealed partial class SourceGrain : DrivenGrain, ISourceGrain, IRemindable
{
    private const string Reminder = "schedule";
    private const int Attempts = 3;
    private static readonly TimeSpan FirstPause = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Soonest = TimeSpan.FromSeconds(1);

    // The sweep makes up for a tick that was lost, so a reminder need not repeat soon.
    private static readonly TimeSpan Repeat = TimeSpan.FromHours(1);

    private readonly SourceStore _sources;
    private readonly PullStore _pulls;
    private readonly ConventionStore _conventions;
    private readonly PullRunner _runner;
    private readonly PullIntake _intake;
    private readonly LocalSilo _silo;
    private readonly NodeLimits _limits;
    private readonly TimeProvider _time;
    private readonly ILogger<SourceGrain> _logger;
    private PullDrive? _running;
    private DateTime? _reminded;

    public SourceGrain(
        SourceStore sources, PullStore pulls, ConventionStore conventions, PullRunner runner, PullIntake intake, LocalSilo silo, NodeLimits limits, TimeProvider time, ILogger<SourceGrain> logger)
        : base(pulls, time, logger)
    {
        (_sources, _pulls, _conventions, _runner, _intake, _silo, _limits, _time, _logger) = (sources, pulls, conventions, runner, intake, silo, limits, time, logger);
    }

    private string ConventionId => GrainKeys.Subject(this.GetPrimaryKeyString());

    public async Task Wake()
    {
        if (!Drive() && _running is { Wish.Because: null } running)
        {
            await running.Wish.LookAsync(_pulls, running.Fence, Stopping);
            // A time that comes during a pull is passed over now, or it would make a second one at its end.
            await RemindAsync(await _sources.BeginDueAsync(ConventionId, Stopping));
        }
    }

    public async Task<string?> LiveLog(CancellationToken cancellation) =>
        _running?.Running is { } container ? await _runner.LiveLogAsync(container, cancellation) : null;

    public Task ReceiveReminder(string reminderName, TickStatus status) => Wake();

    // Whoever watches a pull reads its rows.
    protected override void Beat()
    {
    }

    protected override async Task AttemptAsync()
    {
        while (true)
        {
            await RemindAsync(await _sources.BeginDueAsync(ConventionId, Stopping));
            if (await _sources.OpenAsync(ConventionId, Stopping) is not { } open
                || await _pulls.ClaimAsync(open, _silo.Address, Held?.Subject == open ? Held.Epoch : null, Stopping) is not { } pull)
            {
                return;
            }

            LogClaimed(_logger, open, ConventionId, pull.Fence.Epoch);
            FaultPoint.Reached("pull.claimed");
            var wish = new Wish();
            if (pull.CancelBecause is { } because)
            {
                wish.Say(because);
            }

            try
            {
                await HoldAsync(pull.Fence, lost => PullOrGiveUpAsync(pull, wish, lost));
            }
            finally
            {
                _running = null;
            }
        }
    }

    private async Task PullOrGiveUpAsync(ClaimedPull pull, Wish wish, CancellationToken cancellation)
    {
        Convention convention = (await _conventions.FindAsync(pull.ConventionId, pull.ConventionVersion, cancellation))!;
        _running = new PullDrive(pull, convention, wish);
        try
        {
            string? failure = pull.Phase == "pulling" ? await PullAsync(_running, cancellation) : null;
            await EndAsync(_running, failure, cancellation);
        }
        catch (Exception e) when (pull.SetBackFor.TotalSeconds > _limits.MaxSetbackSeconds && e is not FenceLostException and not ElsewhereException && !cancellation.IsCancellationRequested)
        {
            await _runner.LeaveAsync(_running, cancellation);
            await EndAsync(_running, $"infrastructure was away for {pull.SetBackFor:d\\.hh\\:mm\\:ss}: {Said(e)}. What was taken stays; pull again when it is back", cancellation);
        }
    }

    /// <summary>Chunk after chunk, until upstream has no more or the limit is reached.</summary>
    /// <returns>Why the pull failed, or null.</returns>
    private async Task<string?> PullAsync(PullDrive drive, CancellationToken cancellation)
    {
        while (drive.Wish.Because is null)
        {
            PullAttempt? newest = drive.Attempts.LastOrDefault();
            if (newest is { State: "taking" })
            {
                if (await _intake.TakeAsync(drive, newest, cancellation) is { } taken && await FinishAsync(drive, newest, taken, cancellation))
                {
                    return null;
                }

                continue;
            }

            if (newest is { State: "failed" })
            {
                int failures = drive.Attempts.Count(a => a.State == "failed");
                if (newest.IsHopeless || failures >= Attempts)
                {
                    return failures == 1 ? $"the source failed in chunk {newest.Chunk}: {newest.Because}" : $"the source failed {failures} times in chunk {newest.Chunk}; the last time: {newest.Because}";
                }

                TimeSpan pause = FirstPause * Math.Pow(4, failures - 1);
                await _pulls.WaitAsync(drive.Fence, $"upstream, after the source failed: {newest.Because}", pause + Fence.Lease, setback: false, cancellation);
                await PauseAsync(pause, drive.Wish.Token, cancellation);
                if (drive.Wish.Because is not null)
                {
                    break;
                }
            }

            await _runner.RunAsync(drive, newest, cancellation);
        }

        await _runner.AbandonAsync(drive, cancellation);
        return null;
    }

    /// <returns>True after the last chunk.</returns>
    private async Task<bool> FinishAsync(PullDrive drive, PullAttempt attempt, Intake taken, CancellationToken cancellation)
    {
        // The same session again, or nothing that the pull had not met: twice in a row it leads nowhere.
        bool isIdle = attempt.SessionJson is not null && (attempt.SessionJson == drive.SessionJson || taken.Fresh == 0);
        int idle = isIdle ? drive.IdleChunks + 1 : 0;
        bool isAtLimit = drive.Limit is { } limit && drive.Offset + taken.Lines >= limit;
        bool goesOn = attempt.SessionJson is not null && taken.Lines > 0 && !isAtLimit;
        string? endless = goesOn && idle >= 2
            ? $"the source goes round in circles: chunks {attempt.Chunk - 1} and {attempt.Chunk} left {(attempt.SessionJson == drive.SessionJson ? "the same session" : "a session but no id that the pull had not met")}"
            : null;
        bool more = goesOn && endless is null;
        // A source that was not stopped by the limit has gone on behind what was taken: the next pull begins with this chunk again.
        string? session = taken.IsCut ? drive.SessionJson : attempt.SessionJson;
        await _pulls.FinishChunkAsync(drive.Fence, attempt, session, idle, more, exhausted: !goesOn && !isAtLimit, endless, cancellation);
        FaultPoint.Reached("pull.chunk_finished");
        _runner.RemoveLater(attempt.ContainerName);
        drive.NextChunk(taken.Lines, attempt.SessionJson, idle);
        return !more;
    }

    private async Task EndAsync(PullDrive drive, string? failure, CancellationToken cancellation)
    {
        PullCounts counts = (await _sources.PullAsync(drive.Fence.Subject, cancellation)).Counts;
        string met = $"{counts.Pulled} records: {counts.Taken} new or changed, {counts.Unchanged} unchanged, {counts.Quarantined} in quarantine{(counts.Blocked > 0 ? $", {counts.Blocked} withdrawn here" : "")}";
        PullStatus status = failure is not null ? PullStatus.Failed : drive.Wish.Because is not null ? PullStatus.Cancelled : PullStatus.Completed;
        status = await _pulls.EndAsync(drive.Fence, status, failure ?? drive.Wish.Because ?? met, cancellation);
        FaultPoint.Reached("pull.ended");
        LogEnded(_logger, drive.Fence.Subject, ConventionId, status, failure ?? met);
    }

    private async Task PauseAsync(TimeSpan pause, CancellationToken wish, CancellationToken cancellation)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(wish, cancellation);
        await Task.Delay(pause, _time, either.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        cancellation.ThrowIfCancellationRequested();
    }

    /// <summary>The reminder is the heartbeat of the schedule; when it is due is the row's to say.</summary>
    private async Task RemindAsync(DateTime? due)
    {
        if (due == _reminded)
        {
            return;
        }

        if (due is { } time)
        {
            TimeSpan wait = time - _time.GetUtcNow().UtcDateTime;
            await this.RegisterOrUpdateReminder(Reminder, wait > Soonest ? wait : Soonest, Repeat);
        }
        else if (await this.GetReminder(Reminder) is { } reminder)
        {
            await this.UnregisterReminder(reminder);
        }

        _reminded = due;
    }

    [LoggerMessage(6001, LogLevel.Information, "Pull {Pull} of {Convention} claimed, epoch {Epoch}")]
    private static partial void LogClaimed(ILogger logger, Guid pull, string convention, long epoch);

    [LoggerMessage(6002, LogLevel.Information, "Pull {Pull} of {Convention} ended: {Status}, {Summary}")]
    private static partial void LogEnded(ILogger logger, Guid pull, string convention, PullStatus status, string summary);
}
