using System.Globalization;
using Docker.DotNet;
using Docker.DotNet.Models;
using Osa.Containers.Engine;
using Osa.Containers.Output;
using Osa.Containers.Scratch;
using Osa.Domain.Errors;
using Osa.Domain.Faults;
using Osa.Domain.Validation;

namespace Osa.Containers;

public sealed partial class ContainerEngine
{
    private static readonly TimeSpan FirstLook = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan LongestLook = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan LivenessInterval = TimeSpan.FromSeconds(15);

    /// <summary>
    /// Starts the container if it never was, waits for its end, and says what it did. A container that runs beyond its time (by the engine's
    /// clock, so that one found again keeps its clock) or its output limit is killed.
    /// </summary>
    /// <param name="beforeKill">Awaited before a kill is sent: records the reason durably. When it throws, nothing is killed and its exception leaves.</param>
    /// <param name="cancellationToken">Ends the waiting; the container goes on.</param>
    /// <exception cref="OsaException">Unavailable: the engine is away, or the container is gone. The attempt can be prepared again.</exception>
    public async Task<ContainerOutcome> RunAsync(PreparedContainer container, Func<KillReason, Task> beforeKill, CancellationToken cancellationToken)
    {
        ContainerJob job = container.Job;
        TimeSpan timeout = TimeSpan.FromSeconds(job.Limits.TimeoutSeconds);
        string? startError = null;
        TimeSpan left = timeout;
        if (container.State == PreparedState.Created)
            startError = await StartAsync(container, cancellationToken);
        FaultPoint.Reached("unit.started");
        container.Area.Seal(job.Name);
        FaultPoint.Reached("unit.sealed");
        if (container.State == PreparedState.Running)
            left = timeout - await RunningForAsync(container, cancellationToken);
        OutputDirectory output = new(container.Area.OutputOf(job.Name));
        Watch watch = new(this, container, timeout, beforeKill);
        if (startError is null && container.State != PreparedState.Exited)
            await watch.UntilEndAsync(left, cancellationToken);

        // Waiting also ends for a container that never started, so what counts is what the engine says now.
        Task<string> log = ContainerLog.ReadAsync(_api, container.Id, cancellationToken);
        ContainerInspectResponse ended = await _api.InspectAsync(container.Id, cancellationToken) ?? throw Gone(job);
        if (startError is null && (ended.State.Status is not ("exited" or "dead") || ParseTime(ended.State.StartedAt) is null))
            throw OsaException.Unavailable($"container {job.Name} was waited for, and its state is {ended.State.Status}");
        // An attempt to start it again, foreign or late, was refused by the engine, which overwrote the exit code with its own.
        if (startError is null && ended.State.Error is { Length: > 0 } error)
            throw OsaException.Unavailable($"the engine cannot tell how container {job.Name} ended: {error}");
        bool outOfMemory = ended.State.OOMKilled || (startError is null && await HadOutOfMemoryEventAsync(ended, cancellationToken));
        (IReadOnlyList<ProgressLine> progress, string? problem) = ProgressLog.Read(output);
        DateTimeOffset? started = ParseTime(ended.State.StartedAt);
        (long outputBytes, bool exceeded) = MeasureOutput(container);
        return new ContainerOutcome(
            container.Id,
            ended.Image,
            ended.State.ExitCode,
            outOfMemory,
            started,
            started is { } from && ParseTime(ended.State.FinishedAt) is { } to && to > from ? to - from : TimeSpan.Zero,
            watch.Use.PeakBytes,
            await log,
            output,
            progress)
        {
            Files = job.WritableFiles ? new OutputDirectory(container.Area.FilesOf(job.Name)) : null,
            CpuTime = watch.Use.Cpu,
            Kill = watch.Killed,
            OutputBytes = outputBytes,
            OutputLimitExceeded = exceeded,
            StartError = startError,
            ProgressProblem = problem,
        };
    }

    private static (long Bytes, bool Exceeds) MeasureOutput(PreparedContainer container)
    {
        ContainerJob job = container.Job;
        (long bytes, long entries) = UnixTree.Measure(container.Area.OutputOf(job.Name), job.MaxOutputBytes, job.MaxOutputFiles);
        if (job.WritableFiles)
        {
            (long moreBytes, long moreEntries) = UnixTree.Measure(container.Area.FilesOf(job.Name), job.MaxOutputBytes - bytes, job.MaxOutputFiles - entries);
            bytes += moreBytes;
            entries += moreEntries;
        }

        return (bytes, bytes > job.MaxOutputBytes || entries > job.MaxOutputFiles);
    }

    /// <returns>Why the image's command cannot be run, or null when it was started.</returns>
    private Task<string?> StartAsync(PreparedContainer container, CancellationToken cancellationToken) => _api.CallAsync<string?>(
        "start a container",
        async (client, token) =>
        {
            try
            {
                await client.Containers.StartContainerAsync(container.Id, new ContainerStartParameters(), token);
                return null;
            }
            catch (DockerContainerNotFoundException)
            {
                throw Gone(container.Job);
            }
            catch (DockerApiException e)
            {
                // 126 and 127 say that the command is not executable or not there; everything else is the host's trouble.
                ContainerInspectResponse? found = await _api.InspectAsync(container.Id, token);
                if (found is { State: { ExitCode: 126 or 127, Running: false } })
                    return EngineApi.Message(e);
                throw;
            }
        },
        cancellationToken);

    private async Task<TimeSpan> RunningForAsync(PreparedContainer container, CancellationToken cancellationToken)
    {
        ContainerInspectResponse found = await _api.InspectAsync(container.Id, cancellationToken) ?? throw Gone(container.Job);
        return ParseTime(found.State.StartedAt) is { } started ? await EngineTimeAsync(cancellationToken) - started : TimeSpan.Zero;
    }

    // The engine keeps its latest events; best effort beside the flag, which older engines set for the first process only.
    private async Task<bool> HadOutOfMemoryEventAsync(ContainerInspectResponse ended, CancellationToken cancellationToken)
    {
        if (ParseTime(ended.State.StartedAt) is not { } started || ParseTime(ended.State.FinishedAt) is not { } finished)
            return false;
        Collected events = new();
        await _api.CallAsync(
            "list its events",
            (client, token) => client.System.MonitorEventsAsync(
                new ContainerEventsParameters
                {
                    // The end of a short container is on record before its start.
                    Since = Seconds(started < finished ? started : finished),
                    Until = Seconds(started < finished ? finished : started),
                    Filters = new Dictionary<string, IDictionary<string, bool>>
                    {
                        ["container"] = new Dictionary<string, bool> { [ended.ID] = true },
                        ["event"] = new Dictionary<string, bool> { ["oom"] = true },
                    },
                },
                events,
                token),
            cancellationToken);
        return events.Any;
    }

    private static string Seconds(DateTimeOffset time)
    {
        long ticks = time.UtcTicks - DateTimeOffset.UnixEpoch.Ticks;
        return string.Create(CultureInfo.InvariantCulture, $"{ticks / TimeSpan.TicksPerSecond}.{ticks % TimeSpan.TicksPerSecond:0000000}00");
    }

    private static OsaException Gone(ContainerJob job) => OsaException.Unavailable($"container {job.Name} is gone from the engine");

    private sealed class Collected : IProgress<Message>
    {
        public bool Any { get; private set; }

        public void Report(Message value) => Any = true;
    }

    /// <summary>Watches one container until its end.</summary>
    private sealed class Watch(ContainerEngine engine, PreparedContainer container, TimeSpan timeout, Func<KillReason, Task> beforeKill)
    {
        public ResourceUse Use { get; } = new(engine._api, container.Id);

        /// <summary>The kill that was sent.</summary>
        public KillReason? Killed { get; private set; }

        public async Task UntilEndAsync(TimeSpan left, CancellationToken cancellationToken)
        {
            EngineApi api = engine._api;
            TimeProvider time = api.Time;
            using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            Task ended = api.CallAsync("wait for a container", (client, token) => client.Containers.WaitContainerAsync(container.Id, token), stop.Token, Timeout.InfiniteTimeSpan);
            try
            {
                long checkedAt = time.GetTimestamp();
                long deadlineFrom = checkedAt;
                TimeSpan look = FirstLook;
                while (true)
                {
                    TimeSpan remaining = left - time.GetElapsedTime(deadlineFrom);
                    TimeSpan pause = Killed is null && remaining < look ? remaining : look;
                    if (pause > TimeSpan.Zero)
                        await Task.WhenAny(ended, Task.Delay(pause, time, stop.Token));
                    if (ended.IsCompleted)
                        break;
                    cancellationToken.ThrowIfCancellationRequested();
                    if (Killed is not null)
                    {
                        if (time.GetElapsedTime(checkedAt) > api.RequestTimeout)
                            throw OsaException.Unavailable($"container {container.Job.Name} was killed and has not ended within {api.RequestTimeout.TotalSeconds:0} s");
                        continue;
                    }

                    if (left - time.GetElapsedTime(deadlineFrom) <= TimeSpan.Zero)
                    {
                        // This node's clock only says when to ask; the engine's decides.
                        left = timeout - await engine.RunningForAsync(container, cancellationToken);
                        deadlineFrom = time.GetTimestamp();
                        if (left <= TimeSpan.Zero)
                        {
                            await KillAsync(KillReason.TimedOut, cancellationToken);
                            checkedAt = time.GetTimestamp();
                            continue;
                        }
                    }

                    long before = time.GetTimestamp();
                    if (MeasureOutput(container).Exceeds)
                    {
                        await KillAsync(KillReason.OutputLimit, cancellationToken);
                        checkedAt = time.GetTimestamp();
                        continue;
                    }

                    await Use.SampleAsync(cancellationToken);
                    // The first looks come soon, for short containers; later ones cost at most a twentieth of the time.
                    TimeSpan cost = time.GetElapsedTime(before);
                    look = look * 2 < LongestLook ? look * 2 : LongestLook > cost * 20 ? LongestLook : cost * 20;
                    if (time.GetElapsedTime(checkedAt) > LivenessInterval)
                    {
                        // A hung engine never ends the wait, but fails to answer this.
                        checkedAt = time.GetTimestamp();
                        ContainerInspectResponse found = await api.InspectAsync(container.Id, cancellationToken) ?? throw Gone(container.Job);
                        if (!found.State.Running && !found.State.Restarting)
                            return;
                    }
                }

                await ended;
            }
            finally
            {
                await stop.CancelAsync();
                await ended.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }

        private async Task KillAsync(KillReason reason, CancellationToken cancellationToken)
        {
            engine.LogKill(container.Job.Name, reason);
            await beforeKill(reason);
            Killed = reason;
            await engine._api.KillAsync(container.Id, cancellationToken);
        }
    }
}
