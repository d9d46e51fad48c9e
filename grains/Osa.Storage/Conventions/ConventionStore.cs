using System.Collections.Concurrent;
using Npgsql;
using Osa.Domain.Conventions;
using Osa.Domain.Errors;
using Osa.Domain.Names;

namespace Osa.Storage.Conventions;

/// <summary>One registered version. Its document carries the digests that registration resolved.</summary>
/// <param name="Retired">As of when it was read; a version that is remembered may have been retired since.</param>
public sealed record Convention(
    Srn Name, string SchemaSrn, ConventionDocument Document, string ContentHash, Guid RegisteredBy, DateTime CreatedAt, long Ordinal, Retirement? Retired)
{
    public string Srn => Name.ToString();

    public string Id => Document.Id;

    public string Version => Document.Version;
}

/// <summary>Since when nobody begins a deposition with a version any more, and why.</summary>
public sealed record Retirement(DateTime At, string Because);

/// <summary>Reading registered conventions. A version never changes, so it is read once.</summary>
public sealed class ConventionStore(Database database, NodeIdentity node)
{
    private const string Columns = "srn, schema_srn, document::text, content_hash, registered_by, created_at, ordinal, retired_at, retired_because";

    private readonly ConcurrentDictionary<string, Convention> _newest = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<(string Id, string Version), Convention> _known = new();

    /// <returns>The version, or null where there is none.</returns>
    public async Task<Convention?> FindAsync(string id, string version, CancellationToken cancellation)
    {
        if (_known.TryGetValue((id, version), out Convention? known))
        {
            return known;
        }

        Convention? found = await database.Run(
            c => c.Command($"select {Columns} from osa.conventions where id = $1 and version = $2", id, version).FirstOrDefault(Read, cancellation),
            cancellation);
        return found is null ? null : _known.GetOrAdd((id, version), found);
    }

    /// <summary>The version that an SRN names, or the newest registered one where only an id is given.</summary>
    /// <exception cref="OsaException">InvalidArgument: neither an SRN nor an id. NotFound.</exception>
    public async Task<Convention> GetAsync(string srnOrId, string field, CancellationToken cancellation)
    {
        if (srnOrId.Contains(':', StringComparison.Ordinal))
        {
            Srn srn = Srn.Parse(srnOrId, SrnType.Convention, field);
            return (srn.Domain == node.Domain ? await FindAsync(srn.Id, srn.Version!, cancellation) : null)
                ?? throw OsaException.NotFound($"Convention '{srn}'");
        }

        if (!Srn.IsId(srnOrId))
        {
            throw OsaException.Invalid(field, "convention", $"'{(srnOrId.Length > 80 ? srnOrId[..80] : srnOrId)}' is neither an SRN nor a convention id (3 to 64 of a-z, 0-9 and hyphen)");
        }

        return await NewestAsync(srnOrId, cancellation) ?? throw OsaException.NotFound($"Convention '{srnOrId}'");
    }

    /// <summary>
    /// As <see cref="GetAsync"/>, but the newest version may be one that this silo remembers: for statements that check by
    /// <see cref="StillNewest"/> that there is no newer one, and ask again with <paramref name="fresh"/> when there is.
    /// </summary>
    internal async Task<Convention> GuessAsync(string srnOrId, string field, bool fresh, CancellationToken cancellation) =>
        !fresh && _newest.TryGetValue(srnOrId, out Convention? known) ? known : await GetAsync(srnOrId, field, cancellation);

    /// <summary>A condition on the parameters that hold the convention's id and its ordinal, or null for a version that was named.</summary>
    internal static string StillNewest(string id, string ordinal) =>
        $"({ordinal}::bigint is null or not exists (select from osa.conventions newer where newer.id = {id} and newer.ordinal > {ordinal}::bigint))";

    /// <summary>A condition on the parameters that hold a convention's id and version.</summary>
    internal static string StillOpen(string id, string version) =>
        $"not exists (select from osa.conventions retired where retired.id = {id} and retired.version = {version} and retired.retired_at is not null)";

    /// <summary>As <see cref="GetAsync"/>, and whether it is retired as of now.</summary>
    /// <exception cref="OsaException">As <see cref="GetAsync"/>.</exception>
    public async Task<Convention> GetFreshAsync(string srnOrId, string field, CancellationToken cancellation)
    {
        Convention convention = await GetAsync(srnOrId, field, cancellation);
        return convention with
        {
            Retired = await database.Run(
                c => c.Command("select retired_at, retired_because from osa.conventions where id = $1 and version = $2 and retired_at is not null", convention.Id, convention.Version)
                    .FirstOrDefault(r => new Retirement(r.GetDateTime(0), r.GetString(1)), cancellation),
                cancellation),
        };
    }

    /// <exception cref="OsaException">FailedPrecondition: it is retired.</exception>
    internal async Task CheckOpenAsync(Convention convention, CancellationToken cancellation)
    {
        if ((await GetFreshAsync(convention.Srn, "convention", cancellation)).Retired is { } retired)
        {
            throw OsaException.Precondition($"'{convention.Srn}' was retired on {retired.At:yyyy-MM-dd} and takes no new depositions: {retired.Because}");
        }
    }

    private async Task<Convention?> NewestAsync(string id, CancellationToken cancellation)
    {
        string? newest = await database.Run(
            c => c.Command("select version from osa.conventions where id = $1 order by ordinal desc limit 1", id).FirstOrDefault(r => r.GetString(0), cancellation),
            cancellation);
        return newest is not null && await FindAsync(id, newest, cancellation) is { } convention ? _newest[id] = convention : null;
    }

    /// <summary>Newest registered first; one row per id, or all versions.</summary>
    public Task<List<Convention>> ListAsync(bool allVersions, long? before, int limit, CancellationToken cancellation) =>
        database.Run(
            c => c.Command(
                $"""
                select {Columns} from osa.conventions c
                where ordinal < $1 and ($2 or not exists (select from osa.conventions n where n.id = c.id and n.ordinal > c.ordinal))
                order by ordinal desc limit $3
                """,
                before ?? long.MaxValue, allVersions, limit).ToList(Read, cancellation),
            cancellation);

    internal static Convention Read(NpgsqlDataReader r) => new(
        Osa.Domain.Names.Srn.Parse(r.GetString(0), SrnType.Convention), r.GetString(1), ConventionDocumentReader.Read(r.GetString(2), NodeLimits.Largest), r.GetString(3), r.GetGuid(4), r.GetDateTime(5), r.GetInt64(6),
        r.IsDBNull(7) ? null : new Retirement(r.GetDateTime(7), r.GetString(8)));
}
