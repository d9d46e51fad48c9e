using Npgsql;
using Osa.Domain.Access;
using Osa.Domain.Errors;
using Osa.Domain.Features;
using Osa.Domain.Hooks;
using Osa.Storage.Features;
using static Osa.Storage.Tests.Features.FeatureDatabase;

namespace Osa.Storage.Tests.Features;

[Collection(nameof(FeatureDatabase))]
public sealed class FeaturePublicationTests(FeatureDatabase db)
{
    private const string RecordA = "urn:osa:localhost:rec:aaa@1";
    private const string RecordB = "urn:osa:localhost:rec:bbb@1";

    [Fact]
    public async Task Records_of_one_run_and_of_different_versions_are_published_together()
    {
        string name = db.NewName();
        HookManifest v1 = Manifest(name, Column("a", JsonType.Integer, required: true));
        HookManifest v2 = Manifest(name, Column("b", JsonType.String), Column("a", JsonType.Integer, required: true));
        await db.Register("proteins", v1);
        FeatureTable table = Assert.Single(await db.Register("proteins", v2));
        var run = Guid.NewGuid();

        long rows = await db.Publish(
            table,
            new PublishedFeatures(RecordA, run, await Canonical(v1, """[{"a":1},{"a":2}]""")),
            new PublishedFeatures(RecordB, run, await Canonical(v1, "[]")),
            new PublishedFeatures(RecordB, run, await Canonical(v2, """[{"a":3,"b":"x"}]""")));
        FeatureRowPage page = await db.Rows.PageAsync(new Caller(Guid.Empty, Role.Superadmin), table, null, 0, "", CancellationToken.None);

        Assert.Equal(3, rows);
        Assert.Equal([RecordA, RecordA, RecordB], page.Rows.Select(r => r.RecordSrn));
        Assert.All(page.Rows, r => Assert.Equal(run, r.RunId));
        Assert.Equal<object?>([1L, null], page.Rows[0].Values);
        Assert.Equal<object?>([3L, "x"], page.Rows[2].Values);
    }

    [Fact]
    public async Task A_file_that_is_not_the_tables_is_refused_before_a_row_is_copied()
    {
        HookManifest manifest = Manifest(db.NewName(), Column("a", JsonType.Integer, required: true));
        FeatureTable table = Assert.Single(await db.Register("proteins", manifest));

        foreach (HookManifest other in new[] { Manifest("x", Column("a", JsonType.Number)), Manifest("x", Column("b", JsonType.Integer)), Manifest("x") })
        {
            MemoryStream canonical = await Canonical(other, "[]");
            await Assert.ThrowsAsync<InvalidDataException>(() => db.Publish(table, new PublishedFeatures(RecordA, Guid.NewGuid(), canonical)));
        }
    }

    [Fact]
    public async Task A_damaged_file_publishes_nothing_and_leaves_the_connection_usable()
    {
        HookManifest manifest = Manifest(db.NewName(), Column("a", JsonType.Integer));
        FeatureTable table = Assert.Single(await db.Register("proteins", manifest));
        byte[] whole = (await Canonical(manifest, "[" + string.Join(',', Enumerable.Repeat("""{"a":1}""", 50_000)) + "]")).ToArray();
        await using NpgsqlConnection connection = await db.Connections.OpenConnectionAsync();

        await Assert.ThrowsAsync<InvalidDataException>(
            () => FeatureCopy.PublishAsync(connection, table, [new PublishedFeatures(RecordA, Guid.NewGuid(), new MemoryStream(whole[..^1000]))], CancellationToken.None));

        await using var count = new NpgsqlCommand($"select count(*) from features.{table.PgTable}", connection);
        Assert.Equal(0L, await count.ExecuteScalarAsync());
    }

    [Fact]
    public async Task A_row_that_PostgreSQL_refuses_after_all_is_its_error()
    {
        HookManifest manifest = Manifest(db.NewName(), Column("a", JsonType.String));
        FeatureTable table = Assert.Single(await db.Register("proteins", manifest));
        byte[] canonical = (await Canonical(manifest, """{"a":"xyz"}""")).ToArray();
        canonical[canonical.AsSpan().IndexOf("xyz"u8)] = 0;

        PostgresException e = await Assert.ThrowsAsync<PostgresException>(
            () => db.Publish(table, new PublishedFeatures(RecordA, Guid.NewGuid(), new MemoryStream(canonical))));

        Assert.StartsWith("22", e.SqlState, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0, 500)]
    [InlineData(1, 1)]
    [InlineData(33, 33)]
    [InlineData(5_000, 1_200)]
    public async Task Pages_follow_each_other_without_a_gap(int pageSize, int firstPage)
    {
        HookManifest manifest = Manifest(db.NewName(), Column("n", JsonType.Integer));
        FeatureTable table = Assert.Single(await db.Register("proteins", manifest));
        int rows = pageSize == 1 ? 5 : 1_200;
        string json = "[" + string.Join(',', Enumerable.Range(0, rows).Select(i => $"{{\"n\":{i}}}")) + "]";
        await db.Publish(table, new PublishedFeatures(RecordA, Guid.NewGuid(), await Canonical(manifest, json)));
        await db.Publish(table, new PublishedFeatures(RecordB, Guid.NewGuid(), await Canonical(manifest, "{}")));

        List<FeatureRow> all = await ReadAll(table, recordSrn: null, pageSize, firstPage);
        List<FeatureRow> ofA = await ReadAll(table, RecordA, pageSize, firstPage);
        List<FeatureRow> ofB = await ReadAll(table, RecordB, pageSize, 1);

        Assert.Equal(rows + 1, all.Count);
        Assert.Equal(Enumerable.Range(0, rows).Select(i => (object)(long)i), ofA.Select(r => r.Values[0]));
        Assert.Null(Assert.Single(ofB).Values[0]);
        Assert.Empty((await db.Rows.PageAsync(new Caller(Guid.Empty, Role.Superadmin), table, "urn:osa:localhost:rec:none@1", 0, "", CancellationToken.None)).Rows);
    }

    [Fact]
    public async Task A_page_of_large_values_ends_early()
    {
        HookManifest manifest = Manifest(db.NewName(), Column("t", JsonType.String), Column("n", JsonType.Integer));
        FeatureTable table = Assert.Single(await db.Register("proteins", manifest));
        string megabyte = new('x', 1_000_000);
        string json = "[" + string.Join(',', Enumerable.Range(0, 10).Select(i => $"{{\"t\":\"{megabyte}\",\"n\":{i}}}")) + "]";
        await db.Publish(table, new PublishedFeatures(RecordA, Guid.NewGuid(), await Canonical(manifest, json)));

        List<FeatureRow> all = await ReadAll(table, null, 100, firstPage: 3);

        Assert.Equal(Enumerable.Range(0, 10).Select(i => (object)(long)i), all.Select(r => r.Values[1]));
    }

    [Theory]
    [InlineData(-1, "")]
    [InlineData(5_001, "")]
    [InlineData(10, "x")]
    [InlineData(10, "'; drop table features; --")]
    [InlineData(10, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    public async Task A_page_that_nobody_offered_is_refused(int pageSize, string cursor)
    {
        FeatureTable table = Assert.Single(await db.Register("proteins", Manifest(db.NewName())));

        OsaException e = await Assert.ThrowsAsync<OsaException>(() => db.Rows.PageAsync(new Caller(Guid.Empty, Role.Superadmin), table, null, pageSize, cursor, CancellationToken.None));

        Assert.Equal(ErrorCode.InvalidArgument, e.Code);
    }

    private async Task<List<FeatureRow>> ReadAll(FeatureTable table, string? recordSrn, int pageSize, int firstPage)
    {
        var rows = new List<FeatureRow>();
        string? cursor = "";
        while (cursor is not null)
        {
            FeatureRowPage page = await db.Rows.PageAsync(new Caller(Guid.Empty, Role.Superadmin), table, recordSrn, pageSize, cursor, CancellationToken.None);
            if (cursor.Length == 0)
                Assert.InRange(page.Rows.Count, firstPage, firstPage + 1);
            rows.AddRange(page.Rows);
            cursor = page.NextCursor;
        }

        return rows;
    }
}
