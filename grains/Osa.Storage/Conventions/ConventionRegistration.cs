using Npgsql;
using Osa.Domain.Access;
using Osa.Domain.Conventions;
using Osa.Domain.Errors;
using Osa.Domain.Events;
using Osa.Domain.Faults;
using Osa.Domain.Names;
using Osa.Storage.Events;
using Osa.Storage.Features;
using Osa.Storage.Sources;

namespace Osa.Storage.Conventions;

/// <summary>Registers a version: schema, feature tables, catalog, convention and event in one transaction. A crash leaves nothing because nothing was committed.</summary>
public sealed class ConventionRegistration(Database database, NodeIdentity node, ConventionStore conventions)
{
    /// <summary>The registered version of that content, or null where the version is free.</summary>
    /// <exception cref="OsaException">AlreadyExists: the version is registered with other content.</exception>
    public async Task<Convention?> FindSameAsync(ConventionDocument document, CancellationToken cancellation)
    {
        Convention? existing = await conventions.FindAsync(document.Id, document.Version, cancellation);
        return existing is null || existing.ContentHash == ConventionDocumentWriter.ContentHash(document)
            ? existing
            : throw new OsaException(
                ErrorCode.AlreadyExists,
                $"'{existing.Srn}' is registered with other content, and a version never changes; register the change under a new version");
    }

    /// <param name="sent">What the registrant sent: its hash is the version's identity.</param>
    /// <param name="pinned">The same with the digest of every hook.</param>
    /// <returns>The version, and whether this call made it.</returns>
    /// <exception cref="OsaException">AlreadyExists: the version with other content, or a feature table of another convention. FailedPrecondition: an incompatible change. Aborted: try again.</exception>
    public async Task<(Convention Convention, bool Created)> RegisterAsync(Caller caller, ConventionDocument sent, ConventionDocument pinned, CancellationToken cancellation)
    {
        Srn convention = node.ConventionSrn(sent.Id, sent.Version);
        string schema = Srn.Create(node.Domain, SrnType.Schema, sent.Id, sent.Version).ToString();
        bool created = await database.Transaction(
            async c =>
            {
                await using (var rows = new NpgsqlBatch(c))
                {
                    int made = await rows
                        .And(
                            """
                            with document as (select $3::jsonb as document),
                            schema as (
                              insert into osa.schemas (srn, title, fields) select $1, $2, document -> 'schema' from document on conflict do nothing returning srn)
                            insert into osa.conventions (id, version, srn, title, description, schema_srn, document, content_hash, registered_by)
                            select $4, $5, $6, $2, $7, schema.srn, document, $8, $9 from document, schema
                            on conflict do nothing
                            """,
                            schema, sent.Title, ConventionDocumentWriter.Canonical(pinned), sent.Id, sent.Version, convention.ToString(), sent.Description,
                            ConventionDocumentWriter.ContentHash(sent), caller.UserId).ExecuteNonQueryAsync(cancellation);
                    if (made == 0)
                    {
                        return false;
                    }
                }

                FaultPoint.Reached("registration.before_tables");
                await FeatureTables.ApplyAsync(c, sent.Id, [.. pinned.Hooks.Select(h => h.Manifest)], cancellation);
                await using var happened = new NpgsqlBatch(c);
                if (pinned.Source is { } source)
                {
                    await SourceStore.AppendRegistrationAsync(happened, sent.Id, sent.Version, source, cancellation);
                }

                await EventLog.Append(happened, null, DomainEvents.ConventionRegistered(convention)).ExecuteNonQueryAsync(cancellation);
                FaultPoint.Reached("registration.before_commit");
                return true;
            },
            cancellation);
        FaultPoint.Reached("registration.committed");
        Convention registered = await FindSameAsync(sent, cancellation)
            ?? throw new OsaException(ErrorCode.Aborted, "Another registration of this version did not go through; try again");
        return (registered, created);
    }
}
