using System.Text.Json;
using Osa.Domain.Access;
using Osa.Domain.Conventions;
using Osa.Domain.Errors;
using Osa.Domain.Names;
using Osa.Domain.Validation;
using Osa.Storage.Conventions;

namespace Osa.Storage.Validation;

/// <summary>A run as its depositor sees it.</summary>
/// <param name="Hooks">One for each hook of the convention, in declared order.</param>
public sealed record RunView(
    Guid RunId, Guid DepositionId, string ConventionId, string ConventionVersion, RunStatus Status, string? Summary, string? WaitingFor, string? RecordSrn,
    IReadOnlyList<HookView> Hooks, DateTime CreatedAt, DateTime? StartedAt, DateTime? CompletedAt);

/// <summary>Where one hook of a run stands.</summary>
public enum HookState
{
    Waiting,
    Running,
    Passed,
    Rejected,
    Failed,
    Cancelled,
    Skipped,
}

/// <summary>One hook of a run: its newest attempt.</summary>
public sealed record HookView(
    string Hook, HookState State, string? Reason, IReadOnlyList<ProgressLine> Progress, TimeSpan Duration, long? PeakMemory, long? ExitCode, string Log, string? Digest, long Rows, int Attempt);

/// <summary>Reading runs. A run is its depositions' owners' and the curators'.</summary>
public sealed class RunQueries(Database database, NodeIdentity node, ConventionStore conventions)
{
    /// <exception cref="OsaException">NotFound: there is none, or the caller may not know of it.</exception>
    public async Task<RunView> GetAsync(Caller caller, Guid runId, CancellationToken cancellation) =>
        (await ReadAsync("r.id = $1", runId, caller, cancellation)) is [{ } view] ? view : throw OsaException.NotFound($"'{node.RunSrn(runId)}'");

    /// <summary>Every run of a deposition, newest first; empty for whoever may not know of it.</summary>
    public Task<IReadOnlyList<RunView>> ListAsync(Caller caller, Guid depositionId, CancellationToken cancellation) =>
        ReadAsync("m.deposition_id = $1", depositionId, caller, cancellation);

    private async Task<IReadOnlyList<RunView>> ReadAsync(string condition, Guid id, Caller caller, CancellationToken cancellation)
    {
        List<(RunView View, string Attempts)> rows = await database.Run(
            c => c.Command(
                $"""
                select r.id, m.deposition_id, r.convention_id, r.convention_version, r.status, r.summary, r.waiting_for, m.record_srn, r.created_at, r.started_at, r.completed_at,
                  (select coalesce(json_agg(a order by a.hook_ordinal), '[]')::text from (
                     select distinct on (u.hook_ordinal) u.hook_ordinal, u.state, u.attempt, u.digest, u.exit_code, u.duration_ms, u.peak_memory, u.log,
                            o.status, o.reason, o.progress, o.rows
                     from osa.run_units u left join osa.run_outputs o on o.run_id = u.run_id and o.deposition_id = m.deposition_id and o.hook_ordinal = u.hook_ordinal
                     where u.run_id = r.id and m.ordinal between u.first_ordinal and u.last_ordinal
                     order by u.hook_ordinal, u.unit desc, u.attempt desc) a)
                from osa.validation_runs r join osa.run_depositions m on m.run_id = r.id join osa.depositions d on d.id = m.deposition_id
                where {condition} and ($2 or d.owner_id = $3)
                order by r.created_at desc, m.ordinal limit 200
                """,
                id, caller.Has(Role.Curator), caller.UserId).ToList(
                r => (
                    new RunView(
                        r.GetGuid(0), r.GetGuid(1), r.GetString(2), r.GetString(3), WireName.Parse<RunStatus>(r.GetString(4))!.Value, r.TextOrNull(5), r.TextOrNull(6), r.TextOrNull(7),
                        [], r.GetDateTime(8), r.ValueOrNull<DateTime>(9), r.ValueOrNull<DateTime>(10)),
                    r.GetString(11)),
                cancellation),
            cancellation);
        var views = new List<RunView>(rows.Count);
        foreach ((RunView view, string attempts) in rows)
        {
            Convention convention = (await conventions.FindAsync(view.ConventionId, view.ConventionVersion, cancellation))!;
            views.Add(view with { Hooks = Hooks(convention.Document, view.Status, attempts) });
        }

        return views;
    }

    private static List<HookView> Hooks(ConventionDocument convention, RunStatus status, string attempts)
    {
        using JsonDocument document = JsonDocument.Parse(attempts);
        Dictionary<int, JsonElement> byHook = document.RootElement.EnumerateArray().ToDictionary(a => a.GetProperty("hook_ordinal").GetInt32());
        return [.. convention.Hooks.Select((hook, ordinal) => byHook.TryGetValue(ordinal, out JsonElement attempt)
            ? Attempted(hook.Name, attempt)
            : new HookView(hook.Name, RunLifecycle.IsFinal(status) ? HookState.Skipped : HookState.Waiting, null, [], TimeSpan.Zero, null, null, "", null, 0, 0))];
    }

    private static HookView Attempted(string hook, JsonElement a) => new(
        hook,
        Text(a, "status") is { } status ? WireName.Parse<HookState>(status)!.Value : a.GetProperty("state").GetString() == "claimed" ? HookState.Running : HookState.Waiting,
        Text(a, "reason"),
        a.GetProperty("progress") is { ValueKind: JsonValueKind.Array } progress ? progress.Deserialize<List<ProgressLine>>()! : [],
        TimeSpan.FromMilliseconds(Number(a, "duration_ms") ?? 0),
        Number(a, "peak_memory"),
        Number(a, "exit_code"),
        Text(a, "log") ?? "",
        Text(a, "digest"),
        Number(a, "rows") ?? 0,
        a.GetProperty("attempt").GetInt32());

    private static string? Text(JsonElement a, string name) => a.GetProperty(name).GetString();

    private static long? Number(JsonElement a, string name) => a.GetProperty(name) is { ValueKind: JsonValueKind.Number } n ? n.GetInt64() : null;
}
