using Npgsql;
using Osa.Domain.Access;
using Osa.Domain.Conventions;
using Osa.Domain.Depositions;
using Osa.Domain.Errors;
using Osa.Domain.Events;
using Osa.Domain.Faults;
using Osa.Domain.Names;
using Osa.Storage.Conventions;
using Osa.Storage.Events;
using Osa.Storage.Validation;

namespace Osa.Storage.Depositions;

/// <summary>
/// Drafts go into validation, and their run is born in the same transaction: neither exists without the other. Where a convention lets
/// submissions share a container, one may join a run whose first container has not been claimed.
/// </summary>
public sealed class SubmissionStore(Database database, NodeIdentity node, DepositionStore depositions, NodeLimits limits)
{
    /// <summary>How many depositions one run has at most.</summary>
    public const int MaxRun = 1_000;

    /// <summary>
    /// Submits one. What is already in validation answers with the run it has; the same key of the same caller with the run that it
    /// made before.
    /// </summary>
    /// <returns>The run, and whether this call made it.</returns>
    /// <exception cref="OsaException">InvalidArgument with every violation; NotFound, PermissionDenied, FailedPrecondition, Aborted.</exception>
    public async Task<(Guid RunId, bool Created)> SubmitAsync(Caller caller, Guid id, string key, CancellationToken cancellation)
    {
        DepositionStore.CheckKey(key);
        (Guid its, bool isNew, bool entered) = await database.Transaction(
            async c =>
            {
                Deposition deposition = await depositions.LockAsync(c, id, cancellation);
                OsaException? refusal = depositions.Refusal(caller, deposition, DepositionCommand.Submit);
                if (refusal is { Code: not ErrorCode.FailedPrecondition })
                {
                    throw refusal;
                }

                if (await AnswerAsync(c, caller, $"submit {id}", key, cancellation) is { } before)
                {
                    return (Guid.Parse(before), false, false);
                }

                if (deposition.Status == DepositionStatus.InValidation)
                {
                    return (deposition.RunId!.Value, false, false);
                }

                if (refusal is not null)
                {
                    throw refusal;
                }

                Convention convention = await depositions.ConventionOf(deposition, cancellation);
                IReadOnlyList<Violation> violations = SubmissionRules.Check(convention.Document, deposition.MetadataJson, DepositionStore.Files(deposition), limits);
                if (violations.Count > 0)
                {
                    throw OsaException.Invalid("The deposition cannot be submitted", violations);
                }

                (Guid Id, bool IsRunning)? open = convention.Document.Share ? await OpenRunAsync(c, convention, id, cancellation) : null;
                FaultPoint.Reached("submit.before_write");
                await using var batch = new NpgsqlBatch(c);
                Guid run = open?.Id ?? Guid.CreateVersion7();
                if (open is null)
                {
                    AppendRun(batch, run, convention, convention.Document.Share, [deposition]);
                }
                else
                {
                    batch.And("insert into osa.run_depositions (run_id, ordinal, deposition_id) values ($1, nextval('osa.run_ordinals'), $2)", run, id);
                    AppendEntry(batch, run, [deposition]);
                    if (open.Value.IsRunning)
                    {
                        EventLog.Append(batch, deposition.OwnerId, DomainEvents.ValidationStarted(node.RunSrn(run), node.DepositionSrn(id)));
                    }
                }

                AppendAnswer(batch, caller, $"submit {id}", key, run);
                await batch.ExecuteNonQueryAsync(cancellation);
                FaultPoint.Reached("submit.before_commit");
                return (run, open is null, true);
            },
            cancellation);
        FaultPoint.Reached("submit.committed");
        NodeTelemetry.Submissions.Add(entered ? 1 : 0);
        return (its, isNew);
    }

    /// <summary>Submits 1 to 1,000 of one convention version as one run, or none of them.</summary>
    /// <param name="forOwners">A curator acts: they need not be the caller's own.</param>
    /// <returns>The run, and whether this call made it: again with the same key, or while all of them are in that run, it answers with it.</returns>
    /// <exception cref="OsaException">InvalidArgument with every violation; NotFound, PermissionDenied, FailedPrecondition, Aborted.</exception>
    public async Task<(Guid RunId, bool Created)> SubmitManyAsync(Caller caller, IReadOnlyList<Guid> ids, string key, bool forOwners, CancellationToken cancellation)
    {
        DepositionStore.CheckKey(key);
        if (ids.Count is 0 or > MaxRun)
        {
            throw OsaException.Invalid("srns", "count", $"1 to {MaxRun} depositions make a run, not {ids.Count}");
        }

        if (ids.Distinct().Count() != ids.Count)
        {
            throw OsaException.Invalid("srns", "unique", "names a deposition twice");
        }

        (Guid its, bool isNew) = await database.Transaction(
            async c =>
            {
                Dictionary<Guid, Deposition> found = (await c.Command(
                    $"select {DepositionRows.Columns} from osa.depositions d where id = any ($1) order by id for update of d", (object)ids.ToArray())
                    .ToList(DepositionRows.Read, cancellation)).ToDictionary(d => d.Id);
                List<Deposition> all = [.. ids.Select((id, i) => found.GetValueOrDefault(id) ?? throw OsaException.NotFound($"srns[{i}]: '{node.DepositionSrn(id)}'"))];
                List<(Deposition Deposition, OsaException? Refusal)> refused =
                [
                    .. all.Select(d => (d, depositions.Refusal(forOwners ? new Caller(d.OwnerId, Role.Depositor) : caller, d, DepositionCommand.Submit))).Where(x => x.Item2 is not null),
                ];
                if (refused.Find(r => r.Refusal!.Code != ErrorCode.FailedPrecondition).Refusal is { } forbidden)
                {
                    throw forbidden;
                }

                if (await AnswerAsync(c, caller, "submit many", key, cancellation) is { } before)
                {
                    return (Guid.Parse(before), false);
                }

                if (refused.Count == all.Count && all.TrueForAll(d => d.Status == DepositionStatus.InValidation && d.RunId == all[0].RunId))
                {
                    return (all[0].RunId!.Value, false);
                }

                if (refused.Count > 0)
                {
                    throw OsaException.Precondition(
                        $"{refused.Count} of {all.Count} are no drafts, and none was submitted; the first is '{node.DepositionSrn(refused[0].Deposition.Id)}', which is {WireName.Of(refused[0].Deposition.Status)}");
                }

                Convention convention = await depositions.ConventionOf(all[0], cancellation);
                int other = all.FindIndex(d => d.ConventionId != convention.Id || d.ConventionVersion != convention.Version);
                if (other > 0)
                {
                    throw OsaException.Invalid($"srns[{other}]", "convention", $"belongs to another convention version than '{convention.Srn}', which the first one belongs to; a run has one");
                }

                List<Violation> violations =
                [
                    .. all.SelectMany((d, i) => SubmissionRules.Check(convention.Document, d.MetadataJson, DepositionStore.Files(d), limits)
                        .Select(v => v with { Field = $"depositions[{i}].{v.Field}" })).Take(MaxViolations),
                ];
                if (violations.Count > 0)
                {
                    throw OsaException.Invalid("The depositions cannot be submitted", violations);
                }

                Guid run = Guid.CreateVersion7();
                FaultPoint.Reached("submit.before_write");
                await using var batch = new NpgsqlBatch(c);
                AppendRun(batch, run, convention, share: false, all);
                AppendAnswer(batch, caller, "submit many", key, run);
                await batch.ExecuteNonQueryAsync(cancellation);
                FaultPoint.Reached("submit.before_commit");
                return (run, true);
            },
            cancellation);
        FaultPoint.Reached("submit.committed");
        NodeTelemetry.Submissions.Add(isNew ? ids.Count : 0);
        return (its, isNew);
    }

    // What a refusal lists at most: its details must fit into the headers of an answer.
    private const int MaxViolations = 50;

    private void AppendRun(NpgsqlBatch batch, Guid run, Convention convention, bool share, IReadOnlyList<Deposition> members)
    {
        RunBirth.AppendRun(batch, run, convention, share, null);
        RunBirth.AppendMembers(batch, run, [.. members.Select(d => d.Id)]);
        AppendEntry(batch, run, members);
    }

    private void AppendEntry(NpgsqlBatch batch, Guid run, IReadOnlyList<Deposition> members)
    {
        batch.And(
            "update osa.depositions set status = 'in_validation', run_id = $2, reasons = '{}', updated_at = now() where id = any ($1)", members.Select(d => d.Id).ToArray(), run);
        EventLog.Append(batch, [.. members.Select(d => ((Guid?)d.OwnerId, DomainEvents.DepositionSubmitted(node.DepositionSrn(d.Id), node.RunSrn(run))))]);
    }

    /// <summary>The run of this version that is still open to others, locked so that it does not close before this transaction ends.</summary>
    /// <returns>Null where there is none: then nobody else opens one before this transaction ends.</returns>
    private static async Task<(Guid Id, bool IsRunning)?> OpenRunAsync(NpgsqlConnection connection, Convention convention, Guid deposition, CancellationToken cancellation)
    {
        for (int look = 0; look < 2; look++)
        {
            // Those who join do not wait for each other, only whoever closes it for them.
            List<(Guid, bool)> open = await connection.Command(
                """
                select r.id, r.status = 'running' from osa.validation_runs r
                where r.convention_id = $1 and r.convention_version = $2 and r.share and r.status in ('pending', 'running') and r.cancel_because is null
                  and (select count(*) from osa.run_depositions m where m.run_id = r.id) < $3
                  and not exists (select from osa.run_depositions m where m.run_id = r.id and m.deposition_id = $4)
                order by r.created_at desc limit 1 for share
                """,
                convention.Id, convention.Version, (long)MaxRun, deposition).ToList(r => (r.GetGuid(0), r.GetBoolean(1)), cancellation);
            if (open.Count > 0)
            {
                return open[0];
            }

            if (look == 0)
            {
                // A statement of its own: the next look must see what was committed while this waited.
                await connection.Command("select pg_advisory_xact_lock(hashtextextended('share:' || $1 || '@' || $2, 0))", convention.Id, convention.Version).Execute(cancellation);
            }
        }

        return null;
    }

    private static async Task<string?> AnswerAsync(NpgsqlConnection connection, Caller caller, string operation, string key, CancellationToken cancellation) =>
        key.Length == 0 ? null : await connection.Command("select answer from osa.idempotency where caller_id = $1 and operation = $2 and key = $3", caller.UserId, operation, key)
            .FirstOrDefault(r => r.GetString(0), cancellation);

    private static void AppendAnswer(NpgsqlBatch batch, Caller caller, string operation, string key, Guid run)
    {
        if (key.Length > 0)
        {
            batch.And("insert into osa.idempotency (caller_id, operation, key, answer) values ($1, $2, $3, $4)", caller.UserId, operation, key, run.ToString());
        }
    }
}
