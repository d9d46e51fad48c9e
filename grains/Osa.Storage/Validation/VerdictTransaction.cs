using System.Text.Json;
using Npgsql;
using Osa.Domain.Conventions;
using Osa.Domain.Depositions;
using Osa.Domain.Events;
using Osa.Domain.Features;
using Osa.Domain.Hooks;
using Osa.Domain.Names;
using Osa.Domain.Validation;
using Osa.Storage.Conventions;
using Osa.Storage.Depositions;
using Osa.Storage.Events;
using Osa.Storage.Features;
using Osa.Storage.Files;
using Osa.Storage.Records;

namespace Osa.Storage.Validation;


/// <summary>
/// The one function that ends a run, over 1 or 1,000 depositions: records, every feature row by binary COPY, statuses and events
/// commit together or not at all.
/// </summary>
public sealed class VerdictTransaction(Database database, NodeIdentity node, ConventionStore conventions, BlobStore blobs)
{
    /// <summary>
    /// Ends the run by what its hooks said. Called again after a lost answer to COMMIT it finds the run final and is done. Depositions
    /// that are no longer in this run's validation are left out.
    /// </summary>
    /// <exception cref="FenceLostException"/>
    public Task<RunStatus> CommitAsync(Fence fence, string conventionId, string conventionVersion, CancellationToken cancellation) =>
        database.BulkTransaction(
            async c =>
            {
                string? status = await c.Command(
                    "select status from osa.validation_runs where id = $1 and epoch = $2 for update", fence.RunId, fence.Epoch).FirstOrDefault(r => r.GetString(0), cancellation)
                    ?? throw new FenceLostException(fence.RunId);
                if (status != "running")
                {
                    return WireName.Parse<RunStatus>(status)!.Value;
                }

                Convention convention = (await conventions.FindAsync(conventionId, conventionVersion, cancellation))!;
                List<Submitted> members = await c.Command(
                    $"""
                    select {DepositionRows.Columns}, m.ordinal from osa.run_depositions m
                    join osa.depositions d on d.id = m.deposition_id where m.run_id = $1 order by d.id for update of d
                    """,
                    fence.RunId).ToList(r => new Submitted(r.GetInt32(12), DepositionRows.Read(r)), cancellation);
                ILookup<Guid, RunOutput> outputs = (await RunStore.OutputsAsync(c, fence.RunId, cancellation)).ToLookup(o => o.DepositionId);
                Dictionary<(int Hook, int Unit, int Attempt), (string? Digest, TimeSpan Duration)> containers = (await c.Command(
                    "select hook_ordinal, unit, attempt, digest, duration_ms from osa.run_units where run_id = $1 and state = 'done'", fence.RunId)
                    .ToList(r => (Key: (r.GetInt32(0), r.GetInt32(1), r.GetInt32(2)), Digest: r.TextOrNull(3), Duration: TimeSpan.FromMilliseconds(r.GetInt64(4))), cancellation))
                    .ToDictionary(x => x.Key, x => (x.Digest, x.Duration));

                List<Decision> decisions = [.. members.Select(m => Decide(m, fence.RunId, convention.Document, [.. outputs[m.Deposition.Id].OrderBy(o => o.HookOrdinal)], containers))];
                List<Decision> passed = [.. decisions.Where(d => d.Outcome == Outcome.Passed)];
                FaultPoint.Reached("verdict.before_write");
                if (passed.Count > 0)
                {
                    await InsertRecordsAsync(c, fence.RunId, convention, passed, cancellation);
                    await CopyFeaturesAsync(c, fence.RunId, convention.Document, passed, cancellation);
                }

                RunStatus verdict = passed.Count > 0 ? RunStatus.Passed
                    : decisions.Exists(d => d.Outcome == Outcome.Failed) ? RunStatus.Failed
                    : decisions.Exists(d => d.Outcome == Outcome.Rejected) ? RunStatus.Rejected
                    : RunStatus.Cancelled;
                await SettleAsync(c, fence, convention, decisions, verdict, cancellation);
                FaultPoint.Reached("verdict.before_commit");
                return verdict;
            },
            cancellation);

    /// <summary>True where PostgreSQL refused a value that had been checked: repeating it would refuse it again.</summary>
    public static bool IsDataError(Exception e) =>
        e is InvalidDataException
        || (e is PostgresException { SqlState: { } kind } && (kind.StartsWith("22", StringComparison.Ordinal) || kind.StartsWith("23", StringComparison.Ordinal)));

    /// <summary>Turns what the run's last hook said of its depositions into failures with that reason.</summary>
    /// <exception cref="FenceLostException"/>
    public Task GiveUpAsync(Fence fence, string reason, CancellationToken cancellation) =>
        database.Run(
            async c => await c.Command(
                """
                with fence as (select id from osa.validation_runs where id = $1 and epoch = $2 and status = 'running' for update)
                update osa.run_outputs o set status = 'failed', reason = $3, blob_id = null, rows = 0 from fence
                where o.run_id = fence.id and o.hook_ordinal = (select max(hook_ordinal) from osa.run_outputs where run_id = $1)
                """,
                fence.RunId, fence.Epoch, reason).Execute(cancellation) is > 0 and var changed ? changed : throw new FenceLostException(fence.RunId),
            cancellation);

    private Decision Decide(
        Submitted member, Guid runId, ConventionDocument convention, List<RunOutput> outputs, Dictionary<(int Hook, int Unit, int Attempt), (string? Digest, TimeSpan Duration)> containers)
    {
        List<HookResult> results = [.. outputs.Select(o =>
        {
            (string? digest, TimeSpan duration) = containers.GetValueOrDefault((o.HookOrdinal, o.Unit, o.Attempt));
            return new HookResult(
                o.Hook, WireName.Parse<HookStatus>(o.Status)!.Value, o.Reason, JsonSerializer.Deserialize<List<ProgressLine>>(o.ProgressJson)!, duration, null, null, "", digest, o.Rows);
        })];
        RunOutput? decisive = outputs.Find(o => o.Status != "passed");
        Outcome outcome =
            member.Deposition.Status != DepositionStatus.InValidation || member.Deposition.RunId != runId ? Outcome.LeftOut
            : decisive?.Status == "rejected" ? Outcome.Rejected
            : decisive is not null ? Outcome.Failed
            : outputs.Count == convention.Hooks.Count ? Outcome.Passed
            : throw new InvalidOperationException($"The verdict over {node.DepositionSrn(member.Deposition.Id)} was asked before all of its hooks had run");
        return new Decision(member.Ordinal, member.Deposition, outcome, decisive is null ? null : $"{decisive.Hook}: {decisive.Reason}", results, outputs, outcome == Outcome.Passed ? Srn.Record(node.Domain, Guid.NewGuid(), 1) : null);
    }

    private static async Task InsertRecordsAsync(NpgsqlConnection connection, Guid runId, Convention convention, List<Decision> passed, CancellationToken cancellation)
    {
        await using var batch = new NpgsqlBatch(connection);
        batch
            .And(
                """
                insert into osa.records (srn, id, version, convention_id, convention_version, schema_srn, deposition_id, run_id, metadata, hooks)
                select r.srn, r.id, 1, $1, $2, $3, d.id, $4, d.metadata, r.hooks::jsonb
                from unnest($5::text[], $6::uuid[], $7::uuid[], $8::text[]) as r(srn, id, deposition_id, hooks) join osa.depositions d on d.id = r.deposition_id
                """,
                convention.Id, convention.Version, convention.SchemaSrn, runId,
                passed.Select(d => d.Record!.ToString()).ToArray(), passed.Select(d => Guid.Parse(d.Record!.Id)).ToArray(), passed.Select(d => d.Deposition.Id).ToArray(),
                passed.Select(HooksJson).ToArray())
            .And(
                """
                insert into osa.record_files (record_srn, name, blob_id, size, sha256, content_type)
                select r.srn, f.name, f.blob_id, f.size, f.sha256, f.content_type
                from unnest($1::text[], $2::uuid[]) as r(srn, deposition_id) join osa.deposition_files f on f.deposition_id = r.deposition_id
                """,
                passed.Select(d => d.Record!.ToString()).ToArray(), passed.Select(d => d.Deposition.Id).ToArray());
        await batch.ExecuteNonQueryAsync(cancellation);
    }

    // Table by table in name order, as every transaction that takes feature tables does.
    private async Task CopyFeaturesAsync(NpgsqlConnection connection, Guid runId, ConventionDocument convention, List<Decision> passed, CancellationToken cancellation)
    {
        foreach (HookDefinition hook in convention.Hooks.OrderBy(h => h.Name, StringComparer.Ordinal))
        {
            List<(string RecordSrn, RunOutput Output)> filled =
            [
                .. passed.Select(d => (d.Record!.ToString(), d.Outputs.Find(o => o.Hook == hook.Name)!)).Where(x => x.Item2.Rows > 0),
            ];
            if (filled.Count > 0)
            {
                FeatureTable table = (await FeatureTables.ReadAsync(connection, [hook.Name], cancellation)).Single();
                long copied = await FeatureCopy.PublishAsync(
                    connection, table, filled.Select(x => new PublishedFeatures(x.RecordSrn, runId, blobs.OpenRead(x.Output.BlobId!.Value))), cancellation);
                long expected = filled.Sum(x => x.Output.Rows);
                if (copied != expected)
                {
                    throw new InvalidOperationException($"{copied} rows were copied into {hook.Name} where {expected} were checked");
                }
            }
        }
    }

    private async Task SettleAsync(NpgsqlConnection connection, Fence fence, Convention convention, List<Decision> decisions, RunStatus verdict, CancellationToken cancellation)
    {
        string summary = decisions is [{ } only]
            ? only.Outcome == Outcome.LeftOut ? "the deposition was taken out while it ran" : RunSummary.Of(only.Results)
            : string.Join(", ", decisions.GroupBy(d => d.Outcome).OrderBy(g => g.Key).Select(g => $"{g.Count()} {WireName.Of(g.Key).Replace('_', ' ')}"));
        await using var batch = new NpgsqlBatch(connection);
        batch
            .And(
                """
                with v as (select * from unnest($2::int[], $3::uuid[], $4::text[], $5::text[], $6::text[]) as v(ordinal, deposition_id, status, reason, record_srn)),
                members as (
                  update osa.run_depositions m set status = v.status, reason = v.reason, record_srn = v.record_srn
                  from v where m.run_id = $1 and m.ordinal = v.ordinal)
                update osa.depositions d
                set status = case v.status when 'passed' then 'accepted' else 'draft' end, record_srn = v.record_srn,
                    reasons = case when v.reason is null then '{}' else array[v.reason] end, updated_at = now()
                from v where d.id = v.deposition_id and v.status <> 'left_out'
                """,
                fence.RunId, decisions.Select(d => d.Ordinal).ToArray(), decisions.Select(d => d.Deposition.Id).ToArray(), decisions.Select(d => WireName.Of(d.Outcome)).ToArray(),
                decisions.Select(d => d.Reason).ToArray(), decisions.Select(d => d.Record?.ToString()).ToArray())
            .And(
                """
                update osa.validation_runs set status = $3, summary = $4, completed_at = now(), waiting_for = null where id = $1 and epoch = $2
                """,
                fence.RunId, fence.Epoch, WireName.Of(verdict), summary)
            .And("insert into osa.released_blobs (blob_id) select distinct blob_id from osa.run_outputs where run_id = $1 and blob_id is not null on conflict do nothing", fence.RunId);
        foreach (Decision decision in decisions.Where(d => d.Outcome != Outcome.LeftOut))
        {
            AppendEvents(batch, node.RunSrn(fence.RunId), convention.Name, decision);
        }

        await batch.ExecuteNonQueryAsync(cancellation);
    }

    private void AppendEvents(NpgsqlBatch batch, Srn run, Srn convention, Decision decision)
    {
        Srn deposition = node.DepositionSrn(decision.Deposition.Id);
        Guid owner = decision.Deposition.OwnerId;
        string metadata = decision.Deposition.MetadataJson;
        if (decision.Record is null)
        {
            RunStatus status = decision.Outcome == Outcome.Rejected ? RunStatus.Rejected : RunStatus.Failed;
            EventLog.Append(batch, owner, DomainEvents.ValidationFailed(run, deposition, convention, status, [decision.Reason!]));
            return;
        }

        EventLog.Append(batch, owner, DomainEvents.ValidationCompleted(run, deposition, convention, decision.Results, metadata));
        EventLog.Append(batch, owner, DomainEvents.DepositionApproved(run, deposition, metadata));
        EventLog.Append(batch, owner, DomainEvents.RecordPublished(decision.Record, deposition, run, metadata));
    }

    private static string HooksJson(Decision decision) => JsonSerializer.Serialize(decision.Results.Select(r => new HookProvenance(r.Hook, r.Digest, r.Rows)));

    private enum Outcome
    {
        Passed,
        Rejected,
        Failed,
        LeftOut,
    }

    private sealed record Submitted(int Ordinal, Deposition Deposition);

    private sealed record Decision(
        int Ordinal, Deposition Deposition, Outcome Outcome, string? Reason, IReadOnlyList<HookResult> Results, List<RunOutput> Outputs, Srn? Record);
}
