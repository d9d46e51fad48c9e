using System.Text.Json;
using Npgsql;
using Osa.Domain.Conventions;
using Osa.Domain.Depositions;
using Osa.Domain.Faults;
using Osa.Domain.Features;
using Osa.Domain.Hooks;
using Osa.Domain.Names;
using Osa.Domain.Validation;
using Osa.Storage.Conventions;
using Osa.Storage.Depositions;
using Osa.Storage.Events;
using Osa.Storage.Features;
using Osa.Storage.Files;

namespace Osa.Storage.Validation;

/// <summary>
/// The one function that settles the depositions of a run, one or 1,000 of them: records, every feature row by binary COPY, statuses
/// and events commit together or not at all. What waits for a curator stays open, and settles by the same function later.
/// </summary>
public sealed class VerdictTransaction(Database database, NodeIdentity node, BlobStore blobs)
{
    /// <summary>
    /// Settles by what the hooks said, and by what curators have said since. Called again after a lost answer to COMMIT it finds
    /// nothing left to do. Depositions that are no longer in this run are left out. A deposition whose checked output PostgreSQL
    /// refuses fails alone.
    /// </summary>
    /// <param name="judged">What the run judges by: a convention, or a trial's changed copy of it.</param>
    /// <param name="isTrial">Nothing is published, and no deposition changes.</param>
    /// <param name="onDataError">Told of each output that had been checked and was refused: this node's bug.</param>
    /// <returns>How the run ended, or null where it waits for a curator.</returns>
    /// <exception cref="FenceLostException"/>
    public async Task<RunStatus?> SettleAsync(Fence fence, Convention judged, bool isTrial, Action<Guid, Exception> onDataError, CancellationToken cancellation)
    {
        FaultPoint.Reached("verdict.before_begin");
        try
        {
            return await CommitAsync(fence, judged, isTrial, null, cancellation);
        }
        catch (Exception e) when (IsDataError(e))
        {
            Guid[] open = await database.Run(
                async c => (Guid[])[.. await c.Command("select deposition_id from osa.run_depositions where run_id = $1 and status is null order by deposition_id", fence.Subject)
                    .ToList(r => r.GetGuid(0), cancellation)],
                cancellation);
            await IsolateAsync(fence, judged, isTrial, open, e, onDataError, cancellation);
            return await CommitAsync(fence, judged, isTrial, null, cancellation);
        }
    }

    // Halves until the guilty one is alone; the others are published on the way.
    private async Task IsolateAsync(Fence fence, Convention judged, bool isTrial, Guid[] suspects, Exception error, Action<Guid, Exception> onDataError, CancellationToken cancellation)
    {
        if (suspects is [Guid guilty])
        {
            onDataError(guilty, error);
            await GiveUpAsync(fence, guilty, $"the node could not store what the hooks emitted: {error.Message}", cancellation);
            return;
        }

        foreach (Guid[] half in suspects.Chunk((suspects.Length + 1) / 2))
        {
            try
            {
                await CommitAsync(fence, judged, isTrial, half, cancellation);
            }
            catch (Exception e) when (IsDataError(e))
            {
                await IsolateAsync(fence, judged, isTrial, half, e, onDataError, cancellation);
            }
        }
    }

    private async Task<RunStatus?> CommitAsync(Fence fence, Convention judged, bool isTrial, Guid[]? only, CancellationToken cancellation)
    {
        List<Decision> committed = [];
        RunStatus? status = await database.BulkTransaction<RunStatus?>(
            async c =>
            {
                await using var reads = new NpgsqlBatch(c);
                reads
                    .And(
                        """
                        select status, cancel_because,
                          (select coalesce(json_object_agg(s.status, s.n), '{}')::text from (
                             select status, count(*) as n from osa.run_depositions where run_id = $1 and status is not null group by status) s)
                        from osa.validation_runs where id = $1 and epoch = $2 for update
                        """,
                        fence.Subject, fence.Epoch)
                    // Of whoever has lost the fence it locks nothing: a run is locked before its depositions.
                    .And(
                        $"""
                        select {DepositionRows.ColumnsOfList}, m.ordinal, m.review, m.review_reason, coalesce(d.embargo_until > now(), false), d.source_id, d.source_sequence from osa.run_depositions m
                        join osa.depositions d on d.id = m.deposition_id
                        where m.run_id = $1 and m.status is null and ($2::uuid[] is null or d.id = any ($2::uuid[]))
                          and exists (select from osa.validation_runs where id = $1 and epoch = $3)
                        order by d.id {(isTrial ? "" : "for update of d")}
                        """,
                        fence.Subject, only, fence.Epoch)
                    .And(RunStore.OutputsQuery, fence.Subject, only)
                    .And("select hook_ordinal, unit, attempt, digest, duration_ms from osa.run_units where run_id = $1 and state = 'done'", fence.Subject);
                await using NpgsqlDataReader reader = await reads.ExecuteReaderAsync(cancellation);
                OpenRun run = (await reader.Rows(
                    r => new OpenRun(WireName.Parse<RunStatus>(r.GetString(0))!.Value, r.TextOrNull(1), isTrial, JsonSerializer.Deserialize<Dictionary<string, int>>(r.GetString(2))!),
                    cancellation)).FirstOrDefault() ?? throw new FenceLostException(fence.Subject);
                if (RunLifecycle.IsFinal(run.Status))
                {
                    return run.Status;
                }

                List<Member> members = await reader.Rows(
                    r => new Member(DepositionRows.Read(r), r.GetInt32(DepositionRows.Count), r.TextOrNull(DepositionRows.Count + 1), r.TextOrNull(DepositionRows.Count + 2), r.GetBoolean(DepositionRows.Count + 3),
                        r.TextOrNull(DepositionRows.Count + 4), r.ValueOrNull<long>(DepositionRows.Count + 5)),
                    cancellation);
                ILookup<Guid, RunOutput> outputs = (await reader.Rows(RunStore.ReadOutput, cancellation)).ToLookup(o => o.DepositionId);
                Dictionary<(int Hook, int Unit, int Attempt), (string? Digest, TimeSpan Duration)> containers = (await reader.Rows(
                    r => (Key: (r.GetInt32(0), r.GetInt32(1), r.GetInt32(2)), Digest: r.TextOrNull(3), Duration: TimeSpan.FromMilliseconds(r.GetInt64(4))), cancellation))
                    .ToDictionary(x => x.Key, x => (x.Digest, x.Duration));
                await reader.CloseAsync();

                Dictionary<string, Item> items = run.IsTrial ? [] : await ItemsAsync(c, judged.Id, members, cancellation);
                Guid? SeriesOf(Member member) => member.SourceId is { } source ? items.GetValueOrDefault(source)?.Series : member.Deposition.Revises;
                Dictionary<Guid, Series> series = await SeriesAsync(c, [.. members.Select(SeriesOf).OfType<Guid>()], cancellation);
                List<Decision> decisions = [.. members.Select(m => Decide(m, SeriesOf(m) is { } its && series[its].IsWithdrawn, m.SourceId is { } source && items.TryGetValue(source, out Item? item) && item.Published >= m.SourceSequence, fence.Subject, run, judged.Document, [.. outputs[m.Deposition.Id].OrderBy(o => o.HookOrdinal)], containers))];
                FaultPoint.Reached("verdict.before_write");
                await using var writes = new NpgsqlBatch(c);
                if (!run.IsTrial && decisions.FindAll(d => d.Outcome == Outcome.Passed) is { Count: > 0 } passed)
                {
                    foreach (Decision decision in passed)
                    {
                        // Version 7: what is published together stands together in every index.
                        decision.Record = SeriesOf(decision.Member) is { } revised ? Srn.Record(node.Domain, revised, series[revised].Newest + 1) : Srn.Record(node.Domain, Guid.CreateVersion7(), 1);
                    }

                    AppendRecords(writes, fence.Subject, judged, passed);
                    if (passed.Exists(d => d.Outputs.Exists(o => o.Rows > 0)))
                    {
                        // Rows refer to their records.
                        await writes.ExecuteNonQueryAsync(cancellation);
                        writes.BatchCommands.Clear();
                        await CopyFeaturesAsync(c, fence.Subject, judged.Document, passed, cancellation);
                    }

                    FaultPoint.Reached("verdict.copied");
                }

                RunStatus? verdict = AppendVerdict(writes, fence, run, judged, decisions, only is null);
                if (writes.BatchCommands.Count > 0)
                {
                    await writes.ExecuteNonQueryAsync(cancellation);
                }

                FaultPoint.Reached("verdict.before_commit");
                committed = run.IsTrial ? [] : decisions;
                return verdict;
            },
            cancellation);
        NodeTelemetry.FeatureRows.Add(committed.Where(d => d.Outcome == Outcome.Passed).Sum(d => d.Outputs.Sum(o => o.Rows)));
        foreach (IGrouping<Outcome, Decision> outcome in committed.GroupBy(d => d.Outcome))
        {
            NodeTelemetry.Depositions.Add(outcome.Count(), new KeyValuePair<string, object?>("status", WireName.Of(outcome.Key)));
        }

        return status;
    }

    // True where PostgreSQL refused a value that had been checked: repeating it would refuse it again.
    private static bool IsDataError(Exception e) =>
        e is InvalidDataException
        || (e is PostgresException { SqlState: { } kind } && (kind.StartsWith("22", StringComparison.Ordinal) || kind.StartsWith("23", StringComparison.Ordinal)));

    // Turns what the last hook said of the deposition into a failure with that reason.
    private Task<int> GiveUpAsync(Fence fence, Guid deposition, string reason, CancellationToken cancellation) =>
        database.Run(
            async c => await c.Command(
                """
                with fence as (select id from osa.validation_runs where id = $1 and epoch = $2 and status = 'running' for update)
                update osa.run_outputs o set status = 'failed', reason = $3, blob_id = null, rows = 0 from fence
                where o.run_id = fence.id and o.deposition_id = $4
                  and o.hook_ordinal = (select max(hook_ordinal) from osa.run_outputs where run_id = $1 and deposition_id = $4)
                """,
                fence.Subject, fence.Epoch, reason, deposition).Execute(cancellation) is > 0 and var changed ? changed : throw new FenceLostException(fence.Subject),
            cancellation);

    private Decision Decide(
        Member member, bool isOfWithdrawn, bool isSuperseded, Guid runId, OpenRun run, ConventionDocument convention, List<RunOutput> outputs,
        Dictionary<(int Hook, int Unit, int Attempt), (string? Digest, TimeSpan Duration)> containers)
    {
        List<HookResult> results = [.. outputs.Select(o =>
        {
            (string? digest, TimeSpan duration) = containers.GetValueOrDefault((o.HookOrdinal, o.Unit, o.Attempt));
            return new HookResult(
                o.Hook, WireName.Parse<HookStatus>(o.Status)!.Value, o.Reason, JsonSerializer.Deserialize<List<ProgressLine>>(o.ProgressJson)!, duration, null, null, "", digest, o.Rows);
        })];
        RunOutput? decisive = outputs.Find(o => o.Status != "passed");
        bool isIn = run.IsTrial || (member.Deposition.RunId == runId && (member.Deposition.Status is DepositionStatus.InValidation or DepositionStatus.InReview));
        (Outcome outcome, string? reason) =
            !isIn ? (Outcome.LeftOut, null)
            : run.CancelBecause is { } because ? (Outcome.Cancelled, because)
            : isOfWithdrawn && !run.IsTrial ? (Outcome.Failed, "the record that it is a new version of was withdrawn")
            : decisive is not null ? (decisive.Status == "rejected" ? Outcome.Rejected : Outcome.Failed, $"{decisive.Hook}: {decisive.Reason}")
            : outputs.Count != convention.Hooks.Count ? throw new InvalidOperationException($"The verdict over {node.DepositionSrn(member.Deposition.Id)} was asked before all of its hooks had run")
            : isSuperseded ? (Outcome.Superseded, "something newer under its upstream id is published")
            : run.IsTrial || convention.Curation == Curation.Automatic || member.Review == "approved" ? (Outcome.Passed, null)
            : member.Review == "returned" ? (Outcome.Returned, member.ReviewReason)
            : (Outcome.Waiting, (string?)null);
        return new Decision(member, outcome, reason, results, outputs);
    }

    // Locked: revisions of one series get their numbers one transaction after the other, and none is published behind a withdrawal.
    private static async Task<Dictionary<Guid, Series>> SeriesAsync(NpgsqlConnection connection, Guid[] revised, CancellationToken cancellation) =>
        revised.Length == 0 ? [] : (await connection.Command(
            "select id, version, is_current and withdrawn_at is not null from osa.records where id = any ($1) order by id, version for update", (object)revised)
            .ToList(r => (Id: r.GetGuid(0), Version: r.GetInt32(1), IsWithdrawn: r.GetBoolean(2)), cancellation))
            .GroupBy(r => r.Id).ToDictionary(g => g.Key, g => new Series(g.Max(r => r.Version), g.Any(r => r.IsWithdrawn)));

    // Locked in the order of their ids, as every transaction that takes them does: of one upstream id what was ingested last is published last.
    private static async Task<Dictionary<string, Item>> ItemsAsync(NpgsqlConnection connection, string conventionId, List<Member> members, CancellationToken cancellation)
    {
        string[] ids = [.. members.Select(m => m.SourceId).OfType<string>()];
        return ids.Length == 0 ? [] : (await connection.Command(
            """
            select source_id, published_sequence, series from osa.source_items where convention_id = $1 and source_id = any ($2) order by source_id collate "C" for update
            """,
            conventionId, ids).ToList(r => (Id: r.GetString(0), Item: new Item(r.GetInt64(1), r.ValueOrNull<Guid>(2))), cancellation))
            .ToDictionary(x => x.Id, x => x.Item, StringComparer.Ordinal);
    }

    private static void AppendRecords(NpgsqlBatch batch, Guid runId, Convention convention, List<Decision> passed)
    {
        if (passed.Exists(d => d.Record!.RecordVersion > 1))
        {
            batch.And("update osa.records set is_current = false where id = any ($1) and is_current", (object)passed.Where(d => d.Record!.RecordVersion > 1).Select(d => Guid.Parse(d.Record!.Id)).ToArray());
        }

        batch
            .And(
                """
                insert into osa.records (srn, id, version, convention_id, convention_version, schema_srn, deposition_id, run_id, metadata, hooks, owner_id, embargo_until)
                select r.srn, r.id, r.version, $1, $2, $3, d.id, $4, d.metadata, r.hooks::jsonb, d.owner_id, case when d.embargo_until > now() then d.embargo_until end
                from unnest($5::text[], $6::uuid[], $7::int[], $8::uuid[], $9::text[]) as r(srn, id, version, deposition_id, hooks) join osa.depositions d on d.id = r.deposition_id
                """,
                convention.Id, convention.Version, convention.SchemaSrn, runId,
                passed.Select(d => d.Record!.ToString()).ToArray(), passed.Select(d => Guid.Parse(d.Record!.Id)).ToArray(), passed.Select(d => d.Record!.RecordVersion).ToArray(),
                passed.Select(d => d.Deposition.Id).ToArray(), passed.Select(d => d.HooksJson).ToArray())
            .And(
                """
                insert into osa.record_files (record_srn, name, blob_id, size, sha256, content_type)
                select r.srn, f.name, f.blob_id, f.size, f.sha256, f.content_type
                from unnest($1::text[], $2::uuid[]) as r(srn, deposition_id) join osa.deposition_files f on f.deposition_id = r.deposition_id
                """,
                passed.Select(d => d.Record!.ToString()).ToArray(), passed.Select(d => d.Deposition.Id).ToArray());
        if (passed.FindAll(d => d.Member.SourceId is not null) is { Count: > 0 } sourced)
        {
            batch.And(
                """
                update osa.source_items i set published_sequence = p.sequence, series = p.series
                from unnest($2::text[], $3::bigint[], $4::uuid[]) as p(source_id, sequence, series) where i.convention_id = $1 and i.source_id = p.source_id
                """,
                convention.Id, sourced.Select(d => d.Member.SourceId!).ToArray(), sourced.Select(d => d.Member.SourceSequence!.Value).ToArray(), sourced.Select(d => Guid.Parse(d.Record!.Id)).ToArray());
        }
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
                using var segments = new BlobSegments(blobs);
                long copied = await FeatureCopy.PublishAsync(
                    connection, table, filled.Select(x => new PublishedFeatures(x.RecordSrn, runId, segments.Open(x.Output.BlobId!.Value, x.Output.Offset, x.Output.Length))), cancellation);
                long expected = filled.Sum(x => x.Output.Rows);
                if (copied != expected)
                {
                    throw new InvalidOperationException($"{copied} rows were copied into {hook.Name} where {expected} were checked");
                }
            }
        }
    }

    private RunStatus? AppendVerdict(NpgsqlBatch batch, Fence fence, OpenRun run, Convention convention, List<Decision> decisions, bool all)
    {
        List<Decision> settled = decisions.FindAll(d => d.Outcome != Outcome.Waiting);
        List<Decision> entering = decisions.FindAll(d => d.Outcome == Outcome.Waiting && d.Member.Review is null);
        if (settled.Count > 0)
        {
            batch.And(
                """
                with v as (select * from unnest($2::int[], $3::uuid[], $4::text[], $5::text[], $6::text[]) as v(ordinal, deposition_id, status, reason, record_srn)),
                members as (
                  update osa.run_depositions m set status = v.status, reason = v.reason, record_srn = v.record_srn, settled_at = now()
                  from v where m.run_id = $1 and m.ordinal = v.ordinal)
                update osa.depositions d
                set status = case when v.status = 'passed' then 'accepted' when d.source_id is null then 'draft' when v.status in ('rejected', 'superseded') then v.status
                      when v.status = 'returned' then 'rejected' else 'failed' end, record_srn = coalesce(v.record_srn, d.record_srn),
                    reasons = case when v.reason is null then array[]::text[] else array[v.reason] end, updated_at = now()
                from v where d.id = v.deposition_id and v.status <> 'left_out' and not $7
                """,
                fence.Subject, settled.Select(d => d.Member.Ordinal).ToArray(), settled.Select(d => d.Deposition.Id).ToArray(), settled.Select(d => WireName.Of(d.Outcome)).ToArray(),
                settled.Select(d => d.Reason).ToArray(), settled.Select(d => d.Record?.ToString()).ToArray(), run.IsTrial);
        }

        if (entering.Count > 0)
        {
            batch.And(
                """
                with m as (
                  update osa.run_depositions set review = 'waiting', review_since = now() where run_id = $1 and deposition_id = any ($2) returning deposition_id)
                update osa.depositions d set status = 'in_review', updated_at = now() from m where d.id = m.deposition_id
                """,
                fence.Subject, entering.Select(d => d.Deposition.Id).ToArray());
        }

        RunStatus? verdict = all && settled.Count == decisions.Count ? End(batch, fence, run, decisions) : null;
        if (all && verdict is null)
        {
            // Its next move is a curator's: no silo owns it until then.
            batch.And(
                """
                update osa.validation_runs
                set phase = 'review', owner_silo = null, next_step_at = 'infinity', waiting_for = 'a curator', summary = $3
                where id = $1 and epoch = $2
                """,
                fence.Subject, fence.Epoch, $"passed by its hooks; {decisions.Count - settled.Count} of {decisions.Count + run.Settled.Values.Sum()} wait for a curator");
        }

        if (!run.IsTrial && decisions.SelectMany(d => d.Events(node, node.RunSrn(fence.Subject), convention.Name)).ToList() is { Count: > 0 } events)
        {
            EventLog.Append(batch, events);
        }

        return verdict;
    }

    private static RunStatus End(NpgsqlBatch batch, Fence fence, OpenRun run, List<Decision> decisions)
    {
        Dictionary<string, int> counts = new(run.Settled);
        foreach (Decision decision in decisions)
        {
            string name = WireName.Of(decision.Outcome);
            counts[name] = counts.GetValueOrDefault(name) + 1;
        }

        bool Any(Outcome outcome) => counts.ContainsKey(WireName.Of(outcome));
        RunStatus verdict = Any(Outcome.Passed) ? RunStatus.Passed
            : Any(Outcome.Failed) ? RunStatus.Failed
            : Any(Outcome.Rejected) || Any(Outcome.Returned) || Any(Outcome.Superseded) ? RunStatus.Rejected
            : RunStatus.Cancelled;
        string summary = counts.Values.Sum() == 1 && decisions is [{ } only]
            ? only.Outcome switch
            {
                Outcome.LeftOut => "the deposition was taken out while it ran",
                Outcome.Returned => RunSummary.Of(RunStatus.Rejected, $"returned by a curator: {only.Reason}"),
                Outcome.Cancelled => RunSummary.Of(RunStatus.Cancelled, only.Reason!),
                Outcome.Superseded => $"superseded: {only.Reason}",
                _ => RunSummary.Of(only.Results),
            }
            : string.Join(", ", Enum.GetValues<Outcome>().Select(WireName.Of).Where(counts.ContainsKey).Select(o => $"{counts[o]} {o.Replace('_', ' ')}"));
        batch
            .And(
                "update osa.validation_runs set status = $3, summary = $4, completed_at = now(), waiting_for = null, outcomes = $5::jsonb where id = $1 and epoch = $2",
                fence.Subject, fence.Epoch, WireName.Of(verdict), summary, JsonSerializer.Serialize(counts))
            .And("insert into osa.released_blobs (blob_id) select distinct blob_id from osa.run_outputs where run_id = $1 and blob_id is not null on conflict do nothing", fence.Subject);
        return verdict;
    }

    /// <param name="Settled">How many depositions have which outcome already.</param>
    private sealed record OpenRun(RunStatus Status, string? CancelBecause, bool IsTrial, Dictionary<string, int> Settled);

    /// <param name="IsWithdrawn">Its current version is.</param>
    private sealed record Series(int Newest, bool IsWithdrawn);

    /// <param name="Published">Sequence of what is published of an upstream id; 0 for nothing.</param>
    private sealed record Item(long Published, Guid? Series);
}
