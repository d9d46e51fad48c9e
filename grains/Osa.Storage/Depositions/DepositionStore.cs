using Npgsql;
using Osa.Domain.Access;
using Osa.Domain.Conventions;
using Osa.Domain.Depositions;
using Osa.Domain.Errors;
using Osa.Domain.Events;
using Osa.Domain.Names;
using Osa.Domain.Schemas;
using Osa.Storage.Conventions;
using Osa.Storage.Events;

namespace Osa.Storage.Depositions;

/// <summary>
/// The transitions of a deposition's draft. Each is one transaction that checks owner and state in the row itself: nothing is
/// remembered between calls, because a run's verdict writes the same rows.
/// </summary>
public sealed class DepositionStore(Database database, NodeIdentity node, ConventionStore conventions, NodeLimits limits)
{
    /// <summary>Makes a draft. The same key of the same caller answers with the deposition that it made before.</summary>
    /// <param name="key">1 to 128 characters, or empty for no protection against repetition.</param>
    /// <exception cref="OsaException">InvalidArgument: metadata is not an object, or the key was used for another convention. NotFound: no such convention.</exception>
    public async Task<Deposition> CreateAsync(Caller caller, Guid id, string convention, string metadataJson, string key, CancellationToken cancellation)
    {
        CheckKey(key);
        string metadata = metadataJson.Length == 0 ? "{}" : MetadataRules.ParseObject(metadataJson, limits).GetRawText();
        Convention version = await conventions.GuessAsync(convention, "convention", fresh: false, cancellation);
        Deposition? made = await InsertAsync(caller, id, convention, version, metadata, key, cancellation);
        if (made is null)
        {
            version = await conventions.GuessAsync(convention, "convention", fresh: true, cancellation);
            made = await InsertAsync(caller, id, convention, version, metadata, key, cancellation);
        }

        if (made is not null)
        {
            return made;
        }

        if ((key.Length == 0 ? null : await AnswerAsync(caller, "deposition.create", key, cancellation)) is not { } answer)
        {
            await conventions.CheckOpenAsync(version, cancellation);
            throw new OsaException(ErrorCode.Aborted, "The same request is being carried out; try again");
        }

        Guid before = Guid.Parse(answer);
        Deposition existing = await FindAsync(before, cancellation) ?? throw OsaException.NotFound($"Deposition '{before}'");
        return existing.ConventionId == version.Id
            ? existing
            : throw OsaException.Invalid("idempotency_key", "reused", $"was used to create {node.DepositionSrn(before)} under another convention; use a new key");
    }

    /// <returns>Null where the key was used before, or the convention was retired or has a newer version than the one that was asked for by its id.</returns>
    private Task<Deposition?> InsertAsync(Caller caller, Guid id, string convention, Convention version, string metadata, string key, CancellationToken cancellation)
    {
        DomainEvent created = DomainEvents.DepositionCreated(node.DepositionSrn(id), version.Name, caller.UserId);
        string open = ConventionStore.StillOpen("$3", "$4");
        return database.FirstOrDefault(
            $"""
            with fresh as (
              insert into osa.idempotency (caller_id, operation, key, answer)
              select $2, 'deposition.create', $6, $1::text where $6 <> '' and {ConventionStore.StillNewest("$3", "$11")} and {open} on conflict do nothing returning 1),
            d as (
              insert into osa.depositions (id, owner_id, convention_id, convention_version, metadata)
              select $1, $2, $3, $4, $5::jsonb where ($6 = '' and {ConventionStore.StillNewest("$3", "$11")} and {open}) or exists (select from fresh)
              returning *),
            e as (
              insert into osa.events (type, subject, audience, owner_id, payload)
              select $7, $8, $9, $2, $10::jsonb from d)
            select {DepositionRows.ColumnsOfNew} from d
            """,
            DepositionRows.Read, cancellation,
            id, caller.UserId, version.Id, version.Version, metadata, key,
            created.Type, created.Subject, WireName.Of(created.Audience), created.PayloadJson, convention == version.Id ? version.Ordinal.ToString() : null);
    }

    /// <summary>Replaces the whole metadata of a draft.</summary>
    /// <exception cref="OsaException">InvalidArgument, NotFound, PermissionDenied, FailedPrecondition (not a draft), Aborted (being published).</exception>
    public async Task<Deposition> SetMetadataAsync(Caller caller, Guid id, string metadataJson, CancellationToken cancellation)
    {
        string metadata = MetadataRules.ParseObject(metadataJson, limits).GetRawText();
        DomainEvent updated = DomainEvents.MetadataUpdated(node.DepositionSrn(id), metadata);
        Deposition? changed = await database.FirstOrDefault(
            $"""
            with d as (
              update osa.depositions set metadata = $3::jsonb, updated_at = now()
              where id = $1 and owner_id = $2 and status = 'draft' returning *),
            e as (
              insert into osa.events (type, subject, audience, owner_id, payload)
              select $4, $5, $6, $2, $7::jsonb from d)
            select {DepositionRows.Columns} from d
            """,
            DepositionRows.Read, cancellation, id, caller.UserId, metadata, updated.Type, updated.Subject, WireName.Of(updated.Audience), updated.PayloadJson);
        return changed ?? throw Refusal(caller, await FindAsync(id, cancellation) ?? throw OsaException.NotFound($"'{node.DepositionSrn(id)}'"), DepositionCommand.Edit)
            ?? new OsaException(ErrorCode.Aborted, $"'{node.DepositionSrn(id)}' was changed at the same moment; try again");
    }

    /// <summary>What an upload must know before its first byte is taken: the caller owns the draft, and the convention's rules for files.</summary>
    /// <exception cref="OsaException">NotFound, PermissionDenied, FailedPrecondition; InvalidArgument: the name or the number of files.</exception>
    public async Task<FileRequirements> CheckUploadAsync(Caller caller, Guid id, string name, long? size, CancellationToken cancellation)
    {
        Deposition deposition = await FindAsync(id, cancellation) ?? throw OsaException.NotFound($"'{node.DepositionSrn(id)}'");
        return CheckUpload(caller, deposition, await ConventionOf(deposition, cancellation), name, size);
    }

    /// <summary>Makes a stored blob the deposition's file of that name; what had the name before is released.</summary>
    /// <exception cref="OsaException">As <see cref="CheckUploadAsync"/>, and Aborted (being published).</exception>
    public Task<StoredFile> AddFileAsync(Caller caller, Guid id, string name, Guid blobId, long size, string sha256, string contentType, CancellationToken cancellation) =>
        database.Transaction(
            async c =>
            {
                Deposition deposition = await LockAsync(c, id, cancellation);
                CheckUpload(caller, deposition, await ConventionOf(deposition, cancellation), name, size);
                DomainEvent uploaded = DomainEvents.FileUploaded(node.DepositionSrn(id), name, size, "sha256:" + sha256);
                await using var batch = new NpgsqlBatch(c);
                batch
                    .And("insert into osa.released_blobs (blob_id) select blob_id from osa.deposition_files where deposition_id = $1 and name = $2 on conflict do nothing", id, name)
                    .And(
                        """
                        insert into osa.deposition_files (deposition_id, name, blob_id, size, sha256, content_type)
                        values ($1, $2, $3, $4, $5, $6)
                        on conflict (deposition_id, name) do update set
                          blob_id = excluded.blob_id, size = excluded.size, sha256 = excluded.sha256, content_type = excluded.content_type, uploaded_at = now()
                        """,
                        id, name, blobId, size, sha256, contentType)
                    .And("update osa.depositions set updated_at = now() where id = $1", id);
                EventLog.Append(batch, caller.UserId, uploaded).And("select uploaded_at from osa.deposition_files where deposition_id = $1 and name = $2", id, name);
                object? at = await batch.ExecuteScalarAsync(cancellation);
                return new StoredFile(name, blobId, size, sha256, contentType, (DateTime)at!);
            },
            cancellation);

    /// <exception cref="OsaException">NotFound (deposition or file), PermissionDenied, FailedPrecondition (not a draft), Aborted (being published).</exception>
    public Task<Deposition> DeleteFileAsync(Caller caller, Guid id, string name, CancellationToken cancellation) =>
        database.Transaction(
            async c =>
            {
                Deposition deposition = await LockAsync(c, id, cancellation);
                if (Refusal(caller, deposition, DepositionCommand.Edit) is { } refusal)
                {
                    throw refusal;
                }

                if (deposition.Files.All(f => f.Name != name))
                {
                    throw OsaException.NotFound($"File '{name}' of '{node.DepositionSrn(id)}'");
                }

                await using var batch = new NpgsqlBatch(c);
                batch
                    .And(
                        """
                        with gone as (delete from osa.deposition_files where deposition_id = $1 and name = $2 returning blob_id)
                        insert into osa.released_blobs (blob_id) select blob_id from gone on conflict do nothing
                        """,
                        id, name)
                    .And("update osa.depositions set updated_at = now() where id = $1", id);
                await EventLog.Append(batch, caller.UserId, DomainEvents.FileDeleted(node.DepositionSrn(id), name)).ExecuteNonQueryAsync(cancellation);
                return await c.Command($"select {DepositionRows.Columns} from osa.depositions d where id = $1", id).FirstOrDefault(DepositionRows.Read, cancellation) ?? deposition;
            },
            cancellation);

    /// <summary>Everything that submitting would refuse.</summary>
    /// <exception cref="OsaException">NotFound.</exception>
    public async Task<IReadOnlyList<Violation>> ValidateAsync(Caller caller, Guid id, CancellationToken cancellation)
    {
        Deposition deposition = await GetAsync(caller, id, cancellation);
        return SubmissionRules.Check((await ConventionOf(deposition, cancellation)).Document, deposition.MetadataJson, Files(deposition), limits);
    }

    /// <summary>Says until when the record that the draft becomes is held.</summary>
    /// <param name="until">Null: not at all. <see cref="DateTime.MaxValue"/>: until it is released.</param>
    /// <exception cref="OsaException">InvalidArgument: it is over. NotFound, PermissionDenied, FailedPrecondition (not a draft), Aborted.</exception>
    public Task<Deposition> SetEmbargoAsync(Caller caller, Guid id, DateTime? until, CancellationToken cancellation) =>
        database.Transaction(
            async c =>
            {
                Deposition deposition = await LockAsync(c, id, cancellation);
                if (Refusal(caller, deposition, DepositionCommand.Edit) is { } refusal)
                {
                    throw refusal;
                }

                return await c.Command(
                    $"""
                    with d as (
                      update osa.depositions set embargo_until = nullif($2, '')::timestamptz, updated_at = now()
                      where id = $1 and ($2 = '' or $2::timestamptz > now()) returning *)
                    select {DepositionRows.Columns} from d
                    """,
                    id, until is null ? "" : until == DateTime.MaxValue ? "infinity" : until.Value.ToString("O")).FirstOrDefault(DepositionRows.Read, cancellation)
                    ?? throw OsaException.Invalid("embargo.until", "range", "an embargo ends in the future; leave it out for none");
            },
            cancellation);

    /// <exception cref="OsaException">NotFound: there is none, or the caller may not know of it.</exception>
    public async Task<Deposition> GetAsync(Caller caller, Guid id, CancellationToken cancellation)
    {
        Deposition? deposition = await FindAsync(id, cancellation);
        return deposition is not null && caller.MayRead(deposition.OwnerId) ? deposition : throw OsaException.NotFound($"'{node.DepositionSrn(id)}'");
    }

    /// <summary>Newest first, without files and metadata.</summary>
    public Task<List<Deposition>> ListAsync(
        Guid? owner, DepositionStatus? status, string? conventionId, string? conventionVersion, Guid? before, int limit, CancellationToken cancellation) =>
        database.Run(
            c => c.Command(
                $"""
                select {DepositionRows.ColumnsOfList}
                from osa.depositions d
                where ($1::uuid is null or owner_id = $1::uuid) and ($2::text is null or status = $2::text)
                  and ($3::text is null or convention_id = $3::text) and ($4::text is null or convention_version = $4::text)
                  and ($5::uuid is null or id < $5::uuid)
                order by id desc limit $6
                """,
                owner?.ToString(), status is null ? null : WireName.Of(status.Value), conventionId, conventionVersion, before?.ToString(), limit).ToList(DepositionRows.Read, cancellation),
            cancellation);

    internal static void CheckKey(string key)
    {
        if (key.Length > 128 || key.Contains('\0', StringComparison.Ordinal))
        {
            throw OsaException.Invalid("idempotency_key", "length", "1 to 128 characters without NUL");
        }
    }

    internal static IReadOnlyList<SubmittedFile> Files(Deposition deposition) => [.. deposition.Files.Select(f => new SubmittedFile(f.Name, f.Size))];

    internal async Task<Convention> ConventionOf(Deposition deposition, CancellationToken cancellation) =>
        await conventions.FindAsync(deposition.ConventionId, deposition.ConventionVersion, cancellation)
        ?? throw new InvalidOperationException($"{node.DepositionSrn(deposition.Id)} refers to a convention that is not there");

    private FileRequirements CheckUpload(Caller caller, Deposition deposition, Convention convention, string name, long? size)
    {
        if (Refusal(caller, deposition, DepositionCommand.Edit) is { } refusal)
        {
            throw refusal;
        }

        FileRequirements requirements = convention.Document.FileRequirements;
        IReadOnlyList<Violation> violations = FileRules.CheckUpload(requirements, limits, name, size, deposition.Files.Count(f => f.Name != name));
        return violations.Count == 0 ? requirements : throw OsaException.Invalid("The file cannot be taken", violations);
    }

    private Task<Deposition?> FindAsync(Guid id, CancellationToken cancellation) =>
        database.FirstOrDefault($"select {DepositionRows.Columns} from osa.depositions d where id = $1", DepositionRows.Read, cancellation, id);

    internal async Task<Deposition> LockAsync(NpgsqlConnection connection, Guid id, CancellationToken cancellation) =>
        await connection.Command($"select {DepositionRows.Columns} from osa.depositions d where id = $1 for update", id).FirstOrDefault(DepositionRows.Read, cancellation)
        ?? throw OsaException.NotFound($"'{node.DepositionSrn(id)}'");

    private Task<string?> AnswerAsync(Caller caller, string operation, string key, CancellationToken cancellation) =>
        database.Run(
            c => c.Command("select answer from osa.idempotency where caller_id = $1 and operation = $2 and key = $3", caller.UserId, operation, key)
                .FirstOrDefault(r => r.GetString(0), cancellation),
            cancellation);

    // Whoever may not read a deposition is not told that it is there.
    internal OsaException? Refusal(Caller caller, Deposition deposition, DepositionCommand command)
    {
        if (!caller.MayRead(deposition.OwnerId))
        {
            return OsaException.NotFound($"'{node.DepositionSrn(deposition.Id)}'");
        }

        if (!caller.MayChange(deposition.OwnerId))
        {
            return new OsaException(ErrorCode.PermissionDenied, "Only the owner changes a deposition");
        }

        return DepositionLifecycle.Allows(deposition.Status, command)
            ? null
            : OsaException.Precondition($"A deposition that is {WireName.Of(deposition.Status)} cannot be {(command == DepositionCommand.Submit ? "submitted" : "changed")}; it must be a draft");
    }
}
