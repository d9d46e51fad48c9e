namespace Osa.Examples.ProteinSource;

/// <summary>One chunk of a pull: page after page of the catalogue, each entry with its files, until the chunk is full or the catalogue ends.</summary>
internal static class Pull
{
    private const int PageSize = 50;

    /// <summary>How many records the chunk has, and whether there is more.</summary>
    /// <exception cref="UpstreamException">Upstream does not give what the chunk needs; what was written is worth nothing.</exception>
    public static async Task<(int Records, bool More)> RunAsync(SourceInput input, Upstream upstream, SourceOutput output, TimeProvider clock, CancellationToken cancellationToken)
    {
        var most = Math.Min(input.PageLimit, input.Limit ?? int.MaxValue);
        var skip = input.Cursor is null ? input.Offset : 0;
        var cursor = input.Cursor;
        var records = 0;
        var more = true;
        while (more && records < most)
        {
            var page = await upstream.ListAsync(input.Since, cursor, (int)Math.Min(PageSize, (long)skip + most - records), cancellationToken);
            if (page.Next is not null && page.Next == cursor)
                throw new UpstreamException($"the catalogue names the page of cursor {cursor} as its own next one");
            foreach (var entry in page.Entries)
            {
                if (skip > 0)
                {
                    skip--;
                    continue;
                }

                foreach (var file in entry.Files)
                    await upstream.DownloadAsync(file, output.PathOf(entry, file), cancellationToken);
                output.Record(entry, clock.GetUtcNow());
                records++;
            }

            cursor = page.Next;
            more = cursor is not null;
        }

        if (records > 0 && cursor is not null)
            output.Session(cursor);
        return (records, more);
    }
}
