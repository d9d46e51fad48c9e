using Npgsql;
using Osa.Domain.Access;
using Osa.Domain.Depositions;
using Osa.Domain.Errors;
using Osa.Domain.Events;
using Osa.Domain.Names;
using Osa.Domain.Validation;
using Osa.Storage.Conventions;
using Osa.Storage.Depositions;
using Osa.Storage.Events;

namespace Osa.Storage.Validation;

/// <summary>What people do to runs. Each records a wish or a fact in one transaction; whoever drives the run acts on it.</summary>
public sealed class RunCommands(Database database, NodeIdentity node)
{
    /// <summary>Longest reason that is taken, in characters.</summary>
    public const int MaxReasonLength = 2_000;

    /// <summary>
    /// Cancels a run, or, for an owner in company of others, takes their own depositions out of it. A cancelled run is final when its
    /// containers are gone; what has left it is a draft at once.
    /// </summary>
    /// <returns>True where the run itself shall end: whoever drives it should be told.</returns>
    /// <exception cref="OsaException">NotFound; FailedPrecondition: it has ended; InvalidArgument: the reason; Aborted.</exception>
    public Task<bool> CancelAsync(Caller caller, Guid runId, string reason, CancellationToken cancellation)
    {
        string because = Because("cancelled", reason);
        return database.Transaction(
            async c =>
            {
                string status = await LockAsync(c, runId, cancellation) ?? throw OsaException.NotFound($"'{node.RunSrn(runId)}'");
                List<(Guid Deposition, Guid Owner)> members = await MembersAsync(c, runId, cancellation);
                List<Guid> own = [.. members.Where(m => m.Owner == caller.UserId).Select(m => m.Deposition)];
                if (own.Count == 0 && !caller.Has(Role.Curator) && !await WasInAsync(c, caller, runId, cancellation))
                {
                    throw OsaException.NotFound($"'{node.RunSrn(runId)}'");
                }

                if (RunLifecycle.IsFinal(WireName.Parse<RunStatus>(status)!.Value) || (own.Count == 0 && !caller.Has(Role.Curator)))
                {
                    throw OsaException.Precondition($"'{node.RunSrn(runId)}' has ended ({status}); there is nothing to cancel");
                }

                if (own.Count == members.Count || caller.Has(Role.Curator))
                {
                    await EndAsync(c, runId, because, cancellation);
                    return true;
                }

                await c.Command(
                    "update osa.depositions set status = 'draft', reasons = array[$2], updated_at = now() where id = any ($1)", own.ToArray(), because).Execute(cancellation);
                return false;
            },
            cancellation);
    }

    /// <summary>Takes one deposition out of its run: back to draft when <paramref name="withdrawn"/> is false, else withdrawn for good.</summary>
    /// <returns>The run that shall end because of it, or null.</returns>
    /// <exception cref="OsaException">NotFound, PermissionDenied, FailedPrecondition, Aborted.</exception>
    public Task<Guid?> TakeOutAsync(Caller caller, Guid depositionId, string reason, bool withdrawn, CancellationToken cancellation)
    {
        string because = Because(withdrawn ? "withdrawn by its owner" : "cancelled", reason);
        return database.Transaction<Guid?>(
            async c =>
            {
                // The run before the deposition, as every transaction that takes both does.
                Guid? known = (await c.Command("select run_id from osa.depositions where id = $1 and status in ('in_validation', 'in_review')", depositionId)
                    .ToList(r => r.ValueOrNull<Guid>(0), cancellation)).FirstOrDefault();
                if (known is { } its)
                {
                    await LockAsync(c, its, cancellation);
                }

                Deposition deposition = await c.Command($"select {DepositionRows.Columns} from osa.depositions d where id = $1 for update", depositionId)
                    .FirstOrDefault(DepositionRows.Read, cancellation) is { } found && caller.MayRead(found.OwnerId)
                    ? found
                    : throw OsaException.NotFound($"'{node.DepositionSrn(depositionId)}'");
                if (!caller.MayChange(deposition.OwnerId))
                {
                    throw new OsaException(ErrorCode.PermissionDenied, withdrawn ? "Only the owner withdraws a deposition" : "Only the owner takes a deposition out of its run; curators cancel the run");
                }

                bool isIn = deposition.Status is DepositionStatus.InValidation or DepositionStatus.InReview;
                if (!(isIn || withdrawn && deposition.Status == DepositionStatus.Draft))
                {
                    throw OsaException.Precondition(
                        deposition.Status == DepositionStatus.Accepted && withdrawn
                            ? $"It is published as '{deposition.RecordSrn}': a record is withdrawn by a curator"
                            : $"A deposition that is {WireName.Of(deposition.Status)} cannot be {(withdrawn ? "withdrawn" : "taken out of a run")}");
                }

                if (isIn && deposition.RunId != known)
                {
                    throw new OsaException(ErrorCode.Aborted, "It was submitted at the same moment; try again");
                }

                bool alone = isIn && (await MembersAsync(c, known!.Value, cancellation)).TrueForAll(m => m.Deposition == depositionId);
                await using var batch = new NpgsqlBatch(c);
                if (withdrawn || !alone)
                {
                    // Alone and only cancelled it becomes a draft with the end of its run.
                    batch.And(
                        "update osa.depositions set status = $2, reasons = array[$3], updated_at = now() where id = $1",
                        depositionId, withdrawn ? "withdrawn" : "draft", because);
                }

                if (withdrawn)
                {
                    EventLog.Append(batch, deposition.OwnerId, DomainEvents.DepositionWithdrawn(node.DepositionSrn(depositionId), reason.Length == 0 ? null : reason));
                }

                if (batch.BatchCommands.Count > 0)
                {
                    await batch.ExecuteNonQueryAsync(cancellation);
                }

                if (!alone)
                {
                    return null;
                }

                await EndAsync(c, known!.Value, because, cancellation);
                return known;
            },
            cancellation);
    }

    /// <summary>Every open run of a convention version shall end.</summary>
    /// <returns>The runs.</returns>
    public Task<List<Guid>> StopAsync(Convention convention, string reason, CancellationToken cancellation)
    {
        string because = Because("stopped by the archive", reason);
        return database.Run(
            c => c.Command(
                """
                update osa.validation_runs set cancel_because = coalesce(cancel_because, $3)
                where convention_id = $1 and convention_version = $2 and status in ('pending', 'running') returning id
                """,
                convention.Id, convention.Version, because).ToList(r => r.GetGuid(0), cancellation),
            cancellation);
    }

    /// <summary>The depositions of an ended run that came to nothing in it and are drafts since: what driving it again would submit.</summary>
    /// <exception cref="OsaException">NotFound; FailedPrecondition: it has not ended, or none of them is left.</exception>
    public async Task<List<Guid>> UnfinishedAsync(Caller caller, Guid runId, CancellationToken cancellation)
    {
        List<(Guid Deposition, bool IsFinal, bool IsOpen)> members = await database.Run(
            c => c.Command(
                """
                select d.id, r.status not in ('pending', 'running'), d.status in ('draft', 'rejected', 'failed') and d.run_id = r.id and m.status in ('failed', 'cancelled', 'rejected', 'returned')
                from osa.validation_runs r join osa.run_depositions m on m.run_id = r.id join osa.depositions d on d.id = m.deposition_id
                where r.id = $1 and r.trial is null and ($2 or d.owner_id = $3) order by m.ordinal
                """,
                runId, caller.Has(Role.Curator), caller.UserId).ToList(r => (r.GetGuid(0), r.GetBoolean(1), r.GetBoolean(2)), cancellation),
            cancellation);
        return members.Count == 0 ? throw OsaException.NotFound($"'{node.RunSrn(runId)}'")
            : !members[0].IsFinal ? throw OsaException.Precondition($"'{node.RunSrn(runId)}' has not ended; cancel it first, or wait")
            : members.FindAll(m => m.IsOpen) is { Count: > 0 } open ? [.. open.Select(m => m.Deposition)]
            : throw OsaException.Precondition("None of its depositions is still the draft that this run sent back: submit them by themselves");
    }

    /// <summary>A trial of a changed convention against a deposition as it is: it judges, publishes nothing and changes nothing.</summary>
    /// <param name="judged">The canonical document of what it judges by.</param>
    /// <exception cref="OsaException">NotFound.</exception>
    public Task<Guid> TryAsync(Deposition deposition, string judged, CancellationToken cancellation)
    {
        Guid run = Guid.CreateVersion7();
        return database.Transaction(
            async c =>
            {
                await using var batch = new NpgsqlBatch(c);
                await batch
                    .And(
                        "insert into osa.validation_runs (id, convention_id, convention_version, next_step_at, trial) values ($1, $2, $3, now() + interval '3 s', $4::jsonb)",
                        run, deposition.ConventionId, deposition.ConventionVersion, judged)
                    .And("insert into osa.run_depositions (run_id, ordinal, deposition_id) values ($1, 0, $2)", run, deposition.Id)
                    .ExecuteNonQueryAsync(cancellation);
                return run;
            },
            cancellation);
    }

    /// <summary>Retires a version: nobody begins a deposition with it any more; drafts are told.</summary>
    /// <exception cref="OsaException">FailedPrecondition: it is retired.</exception>
    public Task RetireAsync(Convention convention, string reason, CancellationToken cancellation)
    {
        CheckReason(reason, required: true);
        return database.Transaction(
            async c =>
            {
                if (await c.Command(
                    "update osa.conventions set retired_at = now(), retired_because = $3 where id = $1 and version = $2 and retired_at is null",
                    convention.Id, convention.Version, reason).Execute(cancellation) == 0)
                {
                    throw OsaException.Precondition($"'{convention.Srn}' is retired already");
                }

                await using var batch = new NpgsqlBatch(c);
                await EventLog.Append(batch, null, DomainEvents.ConventionRetired(convention.Name, reason)).ExecuteNonQueryAsync(cancellation);
                return true;
            },
            cancellation);
    }

    /// <exception cref="OsaException">InvalidArgument.</exception>
    public static void CheckReason(string reason, bool required)
    {
        if ((required && string.IsNullOrWhiteSpace(reason)) || reason.Length > MaxReasonLength || PlainText.Clean(reason) != reason)
        {
            throw OsaException.Invalid("reason", "reason", $"{(required ? "1" : "0")} to {MaxReasonLength} characters of plain text without control characters; it is shown to the depositor");
        }
    }

    /// <summary>What was done, and the reason where one was given.</summary>
    /// <exception cref="OsaException">InvalidArgument: the reason.</exception>
    internal static string Because(string what, string reason)
    {
        CheckReason(reason, required: false);
        return reason.Length == 0 ? what : $"{what}: {reason}";
    }

    private static Task<string?> LockAsync(NpgsqlConnection connection, Guid runId, CancellationToken cancellation) =>
        connection.Command("select status from osa.validation_runs where id = $1 for update", runId).FirstOrDefault(r => r.GetString(0), cancellation);

    private static async Task EndAsync(NpgsqlConnection connection, Guid runId, string because, CancellationToken cancellation) =>
        await connection.Command(
            "update osa.validation_runs set cancel_because = coalesce(cancel_because, $2) where id = $1 and status in ('pending', 'running')", runId, because).Execute(cancellation);

    // Those that are still in it and not settled.
    private static Task<List<(Guid Deposition, Guid Owner)>> MembersAsync(NpgsqlConnection connection, Guid runId, CancellationToken cancellation) =>
        connection.Command(
            """
            select d.id, d.owner_id from osa.run_depositions m join osa.depositions d on d.id = m.deposition_id join osa.validation_runs r on r.id = m.run_id
            where m.run_id = $1 and m.status is null and (r.trial is not null or d.run_id = $1 and d.status in ('in_validation', 'in_review'))
            """,
            runId).ToList(r => (r.GetGuid(0), r.GetGuid(1)), cancellation);

    private static async Task<bool> WasInAsync(NpgsqlConnection connection, Caller caller, Guid runId, CancellationToken cancellation) =>
        await connection.Command(
            "select 'yes' from osa.run_depositions m join osa.depositions d on d.id = m.deposition_id where m.run_id = $1 and d.owner_id = $2 limit 1", runId, caller.UserId)
            .FirstOrDefault(r => r.GetString(0), cancellation) is not null;
}
