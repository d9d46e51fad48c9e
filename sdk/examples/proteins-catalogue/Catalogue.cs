namespace Osa.Examples.ProteinCatalogue;

/// <summary>A protein and when it last changed.</summary>
internal sealed record Entry(Protein Protein, DateTimeOffset Updated)
{
    /// <summary>The place just after this entry in the order of all listings: by time of change, then by name.</summary>
    public string Cursor => $"{Updated.UtcTicks}-{Protein.Id}";
}

/// <summary>The entries of one listing.</summary>
/// <param name="Next">Where the next one begins; null after the last.</param>
internal sealed record Listing(IReadOnlyList<Entry> Entries, string? Next);

/// <summary>
/// What the catalogue holds at its present revision. Listings are in the order of change, so an entry that changes while somebody reads
/// page after page moves to the end: it may be read twice, and is never missed.
/// </summary>
internal sealed class Catalogue(TimeProvider clock)
{
    /// <summary>When the first revision was made; its entries follow in steps of a minute.</summary>
    public static readonly DateTimeOffset Founded = new(2026, 1, 5, 0, 0, 0, TimeSpan.Zero);

    private readonly Lock changing = new();
    private volatile Content content = new(
        1, [.. Protein.All.Where(protein => protein.Revision == 1).Select((protein, index) => new Entry(protein, Founded.AddMinutes(index)))]);

    public int Revision => content.Revision;

    /// <summary>All entries, in the order of change.</summary>
    public IReadOnlyList<Entry> Entries => content.Entries;

    /// <summary>At most <paramref name="limit"/> entries that changed at <paramref name="since"/> or later, after <paramref name="cursor"/>.</summary>
    /// <exception cref="FormatException">The cursor is none of ours.</exception>
    public Listing List(DateTimeOffset? since, string? cursor, int limit)
    {
        var (after, id) = cursor is null ? (long.MinValue, "") : Parse(cursor);
        var rest = content.Entries
            .Where(entry => since is null || entry.Updated >= since)
            .Where(entry => entry.Updated.UtcTicks > after || (entry.Updated.UtcTicks == after && string.CompareOrdinal(entry.Protein.Id, id) > 0))
            .Take(limit + 1)
            .ToList();
        return rest.Count > limit ? new Listing(rest[..limit], rest[limit - 1].Cursor) : new Listing(rest, null);
    }

    /// <summary>The protein of that name as it reads now, or null.</summary>
    public Protein? Find(string id) => content.Entries.FirstOrDefault(entry => entry.Protein.Id == id)?.Protein;

    /// <summary>Goes to the next revision, whose entries change now; false at the last one.</summary>
    public bool Advance()
    {
        lock (changing)
        {
            var now = clock.GetUtcNow();
            var changed = Protein.All.Where(protein => protein.Revision == content.Revision + 1).Select(protein => new Entry(protein, now)).ToList();
            if (changed.Count == 0)
                return false;

            var changedIds = changed.Select(entry => entry.Protein.Id).ToHashSet();
            content = new Content(
                content.Revision + 1,
                [.. content.Entries.Where(entry => !changedIds.Contains(entry.Protein.Id)), .. changed.OrderBy(entry => entry.Protein.Id, StringComparer.Ordinal)]);
            return true;
        }
    }

    private static (long Ticks, string Id) Parse(string cursor) =>
        cursor.IndexOf('-') is > 0 and var dash && long.TryParse(cursor.AsSpan(0, dash), out var ticks)
            ? (ticks, cursor[(dash + 1)..])
            : throw new FormatException($"'{cursor}' is no cursor of this catalogue");

    private sealed record Content(int Revision, IReadOnlyList<Entry> Entries);
}
