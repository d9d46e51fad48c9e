using System.Text.Json;
using Npgsql;
using Osa.Domain.Access;
using Osa.Domain.Conventions;
using Osa.Domain.Errors;
using Osa.Domain.Names;
using Osa.Domain.Validation;
using Osa.Storage.Conventions;

namespace Osa.Storage.Validation;

/// <summary>
/// Reading runs. Of a run its depositions' owners see what concerns their own; curators, and whoever registered the convention, all of it.
/// The log of a container that held others' depositions too is not an owner's to read.
/// </summary>
public sealed class RunQueries(Database database, NodeIdentity node, ConventionStore conventions)
{
    // $2: sees everything; $3: the caller; $4: the deposition, where one is asked for.
    private const string MaySee = "($2 or d.owner_id = $3 or v.registered_by = $3)";

    private const string From =
        """
        from osa.validation_runs r join osa.run_depositions m on m.run_id = r.id join osa.depositions d on d.id = m.deposition_id
        join osa.conventions v on v.id = r.convention_id and v.version = r.convention_version
        """;

    private const string RunColumns =
        """
        r.id, r.convention_id, r.convention_version, r.status, r.summary, r.waiting_for, r.phase = 'review' and r.status = 'running', r.cancel_because, r.trial::text, r.created_at, r.started_at, r.completed_at,
        ($2 or v.registered_by = $3), r.owner_silo, r.epoch
        """;

    /// <summary>The run: of one deposition where one is named, or where the caller may see no other.</summary>
    /// <exception cref="OsaException">NotFound: there is none, or the caller may not know of it.</exception>
    public async Task<RunView> GetAsync(Caller caller, Guid runId, Guid? depositionId, CancellationToken cancellation)
    {
        IReadOnlyList<RunView> one = await ReadAsync(
            depositionId is null ? "r.id = $1" : "r.id = $1 and m.deposition_id = $4", runId, caller, depositionId ?? Guid.Empty, 2, cancellation);
        return one switch
        {
            [{ } view] => view,
            [] => throw OsaException.NotFound(depositionId is { } named ? $"'{node.DepositionSrn(named)}' in '{node.RunSrn(runId)}'" : $"'{node.RunSrn(runId)}'"),
            _ => await ManyAsync(caller, runId, cancellation),
        };
    }

    /// <summary>Every run of a deposition, newest first; empty for whoever may not know of it.</summary>
    public Task<IReadOnlyList<RunView>> ListAsync(Caller caller, Guid depositionId, CancellationToken cancellation) =>
        ReadAsync("m.deposition_id = $1", depositionId, caller, Guid.Empty, 200, cancellation);

    /// <summary>Runs of a convention, newest first, without hooks and depositions; for curators and whoever registered it.</summary>
    /// <param name="version">Null for all versions.</param>
    /// <param name="before">The last one of the page before.</param>
    public Task<List<RunView>> ListAsync(Caller caller, string conventionId, string? version, Guid? before, int limit, CancellationToken cancellation) =>
        database.Run(
            c => c.Command(
                $"""
                select {RunColumns} from osa.validation_runs r join osa.conventions v on v.id = r.convention_id and v.version = r.convention_version
                where r.convention_id = $1 and ($2 or v.registered_by = $3) and ($4::text is null or r.convention_version = $4::text)
                  and ($5 = '' or (r.created_at, r.id) < (select b.created_at, b.id from osa.validation_runs b where b.id::text = $5))
                order by r.created_at desc, r.id desc limit $6
                """,
                conventionId, caller.Has(Role.Curator), caller.UserId, version, before?.ToString() ?? "", limit).ToList(r => Header.Read(r).View, cancellation),
            cancellation);

    /// <summary>The newest container of a hook, over one of the run's depositions where one is named, and its log as far as it is kept.</summary>
    /// <param name="hook">Null for the newest of any.</param>
    /// <returns>Null before there is one.</returns>
    /// <exception cref="OsaException">NotFound: there is no such run or deposition in it, or the caller may not know of it. PermissionDenied: others' depositions were in that container.</exception>
    public async Task<RunLog?> LogAsync(Caller caller, Guid runId, string? hook, Guid? depositionId, CancellationToken cancellation)
    {
        await GetAsync(caller, runId, depositionId, cancellation);
        (RunLog Log, bool MaySee)? found = (await database.Run(
            c => c.Command(
                $"""
                select u.hook, u.container_name, u.state, u.log,
                  ($2 or v.registered_by = $3 or not exists (
                     select from osa.run_depositions o join osa.depositions od on od.id = o.deposition_id
                     where o.run_id = u.run_id and o.ordinal between u.first_ordinal and u.last_ordinal and od.owner_id <> $3))
                from osa.run_units u join osa.validation_runs r on r.id = u.run_id join osa.conventions v on v.id = r.convention_id and v.version = r.convention_version
                where u.run_id = $1 and ($4::text is null or u.hook = $4::text)
                  and ($5 = '' or exists (
                     select from osa.run_depositions m where m.run_id = u.run_id and m.deposition_id::text = $5 and m.ordinal between u.first_ordinal and u.last_ordinal))
                order by u.state = 'claimed' desc, u.hook_ordinal desc, u.unit desc, u.attempt desc limit 1
                """,
                runId, caller.Has(Role.Curator), caller.UserId, hook, depositionId?.ToString() ?? "").ToList(
                r => (new RunLog(r.GetString(0), r.GetString(1), r.GetString(2) == "claimed", r.TextOrNull(3) ?? ""), r.GetBoolean(4)), cancellation),
            cancellation)).Select(x => ((RunLog, bool)?)x).FirstOrDefault();
        return found is null ? null
            : found.Value.MaySee ? found.Value.Log
            : throw new OsaException(ErrorCode.PermissionDenied, "Others' depositions were in the same container: only curators and whoever registered the convention read its log");
    }

    /// <summary>Where the checked features of a deposition wait that a hook gave.</summary>
    /// <returns>The convention as the run judges by it, the deposition, and its output; null for no rows.</returns>
    /// <exception cref="OsaException">NotFound; InvalidArgument: the run has several depositions and none is named; FailedPrecondition: the hook has not passed it.</exception>
    public async Task<(ConventionDocument Judged, (Guid Blob, long Offset, long Length)? Output)> FeaturesAsync(
        Caller caller, Guid runId, Guid? depositionId, string hook, CancellationToken cancellation)
    {
        RunView run = await GetAsync(caller, runId, depositionId, cancellation);
        Guid deposition = run.DepositionId ?? throw OsaException.Invalid("deposition_srn", "required", "the run has several depositions: name one");
        var output = await database.Run(
            c => c.Command(
                """
                select o.status, o.blob_id, o.byte_offset, o.byte_length, r.trial::text from osa.validation_runs r
                left join osa.run_outputs o on o.run_id = r.id and o.deposition_id = $2 and o.hook = $3 where r.id = $1
                """,
                runId, deposition, hook).FirstOrDefault(
                r => new { Status = r.TextOrNull(0), Blob = r.ValueOrNull<Guid>(1), Offset = r.ValueOrNull<long>(2), Length = r.ValueOrNull<long>(3), Trial = r.TextOrNull(4) }, cancellation),
            cancellation);
        ConventionDocument judged = await JudgedAsync(run.ConventionId, run.ConventionVersion, output?.Trial, cancellation);
        if (!judged.Hooks.Any(h => h.Name == hook))
        {
            throw OsaException.NotFound($"Hook '{hook}' of '{node.RunSrn(runId)}'; it has {string.Join(", ", judged.Hooks.Select(h => h.Name))}");
        }

        return output?.Status != "passed"
            ? throw OsaException.Precondition($"Hook '{hook}' {(output?.Status is { } status ? $"ended as {status}" : "has not ended")}: there are no features to be published")
            : (judged, output.Blob is { } blob ? (blob, output.Offset!.Value, output.Length!.Value) : null);
    }

    private async Task<IReadOnlyList<RunView>> ReadAsync(string condition, Guid id, Caller caller, Guid other, int limit, CancellationToken cancellation)
    {
        List<(Header Header, DepositionVerdict Verdict, bool IsAlone, string Attempts)> rows = await database.Run(
            c => c.Command(
                $"""
                select {RunColumns}, m.deposition_id, m.status, m.reason, m.record_srn, m.review,
                  not exists (select from osa.run_depositions o where o.run_id = r.id and o.ordinal <> m.ordinal),
                  (select coalesce(json_agg(a order by a.hook_ordinal), '[]')::text from (
                     select distinct on (u.hook_ordinal) u.hook_ordinal, u.unit, u.state, u.attempt, u.digest, u.exit_code, u.duration_ms, u.cpu_ms, u.peak_memory,
                            case when $2 or v.registered_by = $3 or u.first_ordinal = u.last_ordinal then u.log end as log,
                            o.status, o.reason, o.progress, o.rows
                     from osa.run_units u left join osa.run_outputs o on o.run_id = u.run_id and o.deposition_id = m.deposition_id and o.hook_ordinal = u.hook_ordinal
                     where u.run_id = r.id and m.ordinal between u.first_ordinal and u.last_ordinal
                     order by u.hook_ordinal, u.unit = o.unit desc nulls last, u.unit desc, u.attempt desc) a)
                {From}
                where {condition} and {MaySee}
                order by r.created_at desc, m.ordinal limit $5
                """,
                id, caller.Has(Role.Curator), caller.UserId, other, limit).ToList(
                r => (
                    Header.Read(r),
                    new DepositionVerdict(r.GetGuid(Header.Columns), r.TextOrNull(Header.Columns + 1), r.TextOrNull(Header.Columns + 2), r.TextOrNull(Header.Columns + 3), r.TextOrNull(Header.Columns + 4)),
                    r.GetBoolean(Header.Columns + 5),
                    r.GetString(Header.Columns + 6)),
                cancellation),
            cancellation);
        var views = new List<RunView>(rows.Count);
        foreach ((Header header, DepositionVerdict verdict, bool isAlone, string attempts) in rows)
        {
            ConventionDocument judged = await JudgedAsync(header.View.ConventionId, header.View.ConventionVersion, header.TrialJson, cancellation);
            // For whoever sees one of many the run is what it is for that one.
            RunStatus status = verdict.Status is null || isAlone ? header.View.Status : Of(verdict.Status);
            views.Add(header.View with
            {
                DepositionId = verdict.DepositionId,
                Status = status,
                RecordSrn = verdict.RecordSrn,
                Depositions = [verdict],
                Containers = isAlone && WasTriedAgain(attempts) ? await database.Run(c => ContainersAsync(c, header.View.RunId, cancellation), cancellation) : [],
                Hooks = Hooks(judged, status, attempts),
                Summary = isAlone || verdict.Status is null ? header.View.Summary : verdict.Reason is null ? verdict.Status.Replace('_', ' ') : $"{verdict.Status}: {verdict.Reason}",
            });
        }

        return views;
    }

    private async Task<RunView> ManyAsync(Caller caller, Guid runId, CancellationToken cancellation)
    {
        object?[] parameters = [runId, caller.Has(Role.Curator), caller.UserId];
        (Header header, List<DepositionVerdict> verdicts, List<ContainerView> containers, string sums) = await database.Run(
            async c =>
            {
                Header run = (await c.Command($"select {RunColumns} from osa.validation_runs r join osa.conventions v on v.id = r.convention_id and v.version = r.convention_version where r.id = $1", parameters)
                    .FirstOrDefault(Header.Read, cancellation))!;
                List<DepositionVerdict> members = await c.Command(
                    $"select m.deposition_id, m.status, m.reason, m.record_srn, m.review {From} where r.id = $1 and {MaySee} order by m.ordinal", parameters)
                    .ToList(r => new DepositionVerdict(r.GetGuid(0), r.TextOrNull(1), r.TextOrNull(2), r.TextOrNull(3), r.TextOrNull(4)), cancellation);
                List<ContainerView> units = !run.SeesAll ? [] : await ContainersAsync(c, runId, cancellation);
                string given = (await c.Command(
                    $"""
                    select coalesce(json_agg(s), '[]')::text from (
                      select o.hook_ordinal, o.status, count(*) as n, sum(o.rows) as rows, min(o.reason) as reason
                      {From} join osa.run_outputs o on o.run_id = r.id and o.deposition_id = m.deposition_id
                      where r.id = $1 and {MaySee} group by o.hook_ordinal, o.status) s
                    """,
                    parameters).FirstOrDefault(r => r.GetString(0), cancellation))!;
                return (run, members, units, given);
            },
            cancellation);
        ConventionDocument judged = await JudgedAsync(header.View.ConventionId, header.View.ConventionVersion, header.TrialJson, cancellation);
        using JsonDocument given = JsonDocument.Parse(sums);
        return header.View with
        {
            Depositions = verdicts,
            Containers = containers,
            Hooks = [.. judged.Hooks.Select((hook, ordinal) => Together(
                hook.Name, header.View.Status, [.. given.RootElement.EnumerateArray().Where(s => s.GetProperty("hook_ordinal").GetInt32() == ordinal)], containers.FindAll(u => u.Hook == hook.Name)))],
        };
    }

    private static Task<List<ContainerView>> ContainersAsync(NpgsqlConnection connection, Guid runId, CancellationToken cancellation) =>
        connection.Command(
            """
            select u.hook, u.unit, u.attempt, u.state,
              (select count(*) from osa.run_depositions m where m.run_id = u.run_id and m.ordinal between u.first_ordinal and u.last_ordinal),
              coalesce(u.duration_ms, 0), u.cpu_ms, u.peak_memory, u.exit_code, u.broken_because
            from osa.run_units u where u.run_id = $1 order by u.hook_ordinal, u.unit, u.attempt
            """,
            runId).ToList(
            r => new ContainerView(
                r.GetString(0), r.GetInt32(1), r.GetInt32(2), r.GetString(3), (int)r.GetInt64(4), TimeSpan.FromMilliseconds(r.GetInt64(5)),
                r.ValueOrNull<long>(6) is { } cpu ? TimeSpan.FromMilliseconds(cpu) : null, r.ValueOrNull<long>(7), r.ValueOrNull<long>(8), r.TextOrNull(9)),
            cancellation);

    // With more memory: another unit of the same deposition.
    private static bool WasTriedAgain(string attempts)
    {
        using JsonDocument document = JsonDocument.Parse(attempts);
        return document.RootElement.EnumerateArray().Any(a => a.GetProperty("unit").GetInt32() > 0);
    }

    private static HookView Together(string hook, RunStatus run, List<JsonElement> sums, List<ContainerView> containers)
    {
        bool Any(string status) => sums.Exists(s => Text(s, "status") == status);
        HookState state =
            containers.Exists(u => u.State == "claimed") && !RunLifecycle.IsFinal(run) ? HookState.Running
            : Any("failed") ? HookState.Failed
            : Any("rejected") ? HookState.Rejected
            : Any("passed") ? HookState.Passed
            : Any("cancelled") ? HookState.Cancelled
            : RunLifecycle.IsFinal(run) ? HookState.Skipped : HookState.Waiting;
        return new HookView(
            hook, state,
            sums.Count == 0 ? null : string.Join(", ", sums.Select(s => $"{s.GetProperty("n").GetInt64()} {Text(s, "status")}")),
            [], new TimeSpan(containers.Sum(u => u.Duration.Ticks)),
            containers.Exists(u => u.Cpu is not null) ? new TimeSpan(containers.Sum(u => u.Cpu?.Ticks ?? 0)) : null,
            containers.Max(u => u.PeakMemory), null, "", null, sums.Sum(s => Number(s, "rows") ?? 0), containers.Count);
    }

    private async Task<ConventionDocument> JudgedAsync(string conventionId, string version, string? trial, CancellationToken cancellation) =>
        trial is null ? (await conventions.FindAsync(conventionId, version, cancellation))!.Document : ConventionDocumentReader.Read(trial, NodeLimits.Largest);

    private static List<HookView> Hooks(ConventionDocument convention, RunStatus status, string attempts)
    {
        using JsonDocument document = JsonDocument.Parse(attempts);
        Dictionary<int, JsonElement> byHook = document.RootElement.EnumerateArray().ToDictionary(a => a.GetProperty("hook_ordinal").GetInt32());
        return [.. convention.Hooks.Select((hook, ordinal) => byHook.TryGetValue(ordinal, out JsonElement attempt)
            ? Attempted(hook.Name, attempt)
            : new HookView(hook.Name, RunLifecycle.IsFinal(status) ? HookState.Skipped : HookState.Waiting, null, [], TimeSpan.Zero, null, null, null, "", null, 0, 0))];
    }

    private static HookView Attempted(string hook, JsonElement a) => new(
        hook,
        Text(a, "status") is { } status ? WireName.Parse<HookState>(status)!.Value : a.GetProperty("state").GetString() == "claimed" ? HookState.Running : HookState.Waiting,
        Text(a, "reason"),
        a.GetProperty("progress") is { ValueKind: JsonValueKind.Array } progress ? progress.Deserialize<List<ProgressLine>>()! : [],
        TimeSpan.FromMilliseconds(Number(a, "duration_ms") ?? 0),
        Number(a, "cpu_ms") is { } cpu ? TimeSpan.FromMilliseconds(cpu) : null,
        Number(a, "peak_memory"),
        Number(a, "exit_code"),
        Text(a, "log") ?? "",
        Text(a, "digest"),
        Number(a, "rows") ?? 0,
        a.GetProperty("attempt").GetInt32());

    private static RunStatus Of(string verdict) => verdict switch
    {
        "passed" => RunStatus.Passed,
        "rejected" or "returned" => RunStatus.Rejected,
        "failed" => RunStatus.Failed,
        _ => RunStatus.Cancelled,
    };

    private static string? Text(JsonElement a, string name) => a.GetProperty(name).GetString();

    private static long? Number(JsonElement a, string name) => a.GetProperty(name) is { ValueKind: JsonValueKind.Number } n ? n.GetInt64() : null;

    private sealed record Header(RunView View, string? TrialJson, bool SeesAll)
    {
        /// <summary>How many columns <see cref="RunColumns"/> are.</summary>
        public const int Columns = 15;

        public static Header Read(NpgsqlDataReader r) => new(
            new RunView(
                r.GetGuid(0), null, r.GetString(1), r.GetString(2), WireName.Parse<RunStatus>(r.GetString(3))!.Value, r.TextOrNull(4), r.TextOrNull(5), null, r.GetBoolean(6), r.TextOrNull(7),
                !r.IsDBNull(8), r.TextOrNull(13), r.GetInt64(14), [], [], [], r.GetDateTime(9), r.ValueOrNull<DateTime>(10), r.ValueOrNull<DateTime>(11)),
            r.TextOrNull(8), r.GetBoolean(12));
    }
}

/// <summary>A container's log.</summary>
/// <param name="IsRunning">It may still grow: then what is saved is not all of it.</param>
public sealed record RunLog(string Hook, string ContainerName, bool IsRunning, string Text);
