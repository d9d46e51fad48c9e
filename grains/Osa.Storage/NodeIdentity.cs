using Npgsql;
using Osa.Domain.Errors;
using Osa.Domain.Names;

namespace Osa.Storage;

/// <summary>Who this node is: the same for all of its silos and for ever.</summary>
/// <param name="ClusterId">Labels the containers of this node; a restored copy of the database on the same engine needs another.</param>
/// <param name="Domain">The domain in every name the node gives.</param>
public sealed record NodeIdentity(Guid ClusterId, string Domain)
{
    /// <summary>Reads the node's row, or makes it at the first start. The store's id is taken over at the first start and compared ever after.</summary>
    /// <exception cref="OsaException">FailedPrecondition: another domain or another file store than the database knows.</exception>
    public static async Task<NodeIdentity> EstablishAsync(Database database, string domain, Guid storeId, CancellationToken cancellation)
    {
        if (!Srn.IsDomain(domain))
        {
            throw OsaException.Invalid("domain", "domain", $"'{domain}' is not a domain: letters, digits, hyphens and dots, no port");
        }

        return await database.Transaction(
            async connection =>
            {
                await connection.Command(
                    "insert into osa.node (domain, store_id) values ($1, $2) on conflict (singleton) do nothing", domain, storeId).Execute(cancellation);
                await using NpgsqlCommand read = connection.Command("select cluster_id, domain, store_id from osa.node");
                await using NpgsqlDataReader row = await read.ExecuteReaderAsync(cancellation);
                await row.ReadAsync(cancellation);
                var identity = new NodeIdentity(row.GetGuid(0), row.GetString(1));
                Guid known = row.GetGuid(2);
                return identity.Domain != domain
                    ? throw OsaException.Precondition($"This node's names carry the domain '{identity.Domain}' and cannot change to '{domain}'; set the domain back")
                    : known != storeId
                        ? throw OsaException.Precondition($"The file store {storeId} is not the one this database refers to ({known}): every silo needs the same data directory, as a shared mount")
                        : identity;
            },
            cancellation);
    }

    /// <summary>The id of the file store that the database refers to; null before the first start.</summary>
    public static async Task<Guid?> KnownStoreAsync(Database database, CancellationToken cancellation) =>
        await database.Run(async c => await c.Command("select store_id from osa.node").ToList(r => r.ValueOrNull<Guid>(0), cancellation), cancellation) is [{ } known] ? known : null;

    public Srn DepositionSrn(Guid id) => Srn.Deposition(Domain, id);

    /// <summary>What all versions of a record are called together: a record's name without its version.</summary>
    public string SeriesSrn(Guid series) => Srn.Record(Domain, series, 1).ToString().Split('@')[0];

    public Srn RunSrn(Guid id) => Srn.ValidationRun(Domain, id);

    public Srn ConventionSrn(string id, string version) => Srn.Create(Domain, SrnType.Convention, id, version);

    /// <summary>The local id of a name that this node gave.</summary>
    /// <exception cref="OsaException">InvalidArgument: not a name of that type. NotFound: of another node, or not an id this node gives.</exception>
    public Guid LocalId(string srn, SrnType type, string field)
    {
        Srn name = Srn.Parse(srn, type, field);
        return name.Domain == Domain && Guid.TryParseExact(name.Id, "D", out Guid id) ? id : throw OsaException.NotFound($"'{name}'");
    }
}
