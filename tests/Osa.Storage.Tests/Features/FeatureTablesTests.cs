using Npgsql;
using Osa.Domain.Errors;
using Osa.Domain.Features;
using Osa.Domain.Hooks;
using Osa.Storage.Features;
using static Osa.Storage.Tests.Features.FeatureDatabase;

namespace Osa.Storage.Tests.Features;

[Collection(nameof(FeatureDatabase))]
public sealed class FeatureTablesTests(FeatureDatabase db)
{
    [Fact]
    public async Task A_declaration_becomes_a_table_of_its_types_with_system_columns_and_indexes()
    {
        string name = db.NewName();
        HookManifest manifest = Manifest(
            name,
            Column("t", JsonType.String, required: true), Column("ts", JsonType.String, "date-time"), Column("d", JsonType.String, "date"),
            Column("u", JsonType.String, "uuid", required: true), Column("c", JsonType.String, "colour"), Column("n", JsonType.Number),
            Column("i", JsonType.Integer), Column("b", JsonType.Boolean), Column("a", JsonType.Array), Column("o", JsonType.Object));

        FeatureTable table = Assert.Single(await db.Register("proteins", manifest));

        Assert.Equal(name, table.PgTable);
        Assert.Equal(1, table.SchemaVersion);
        Assert.Equal(
            "id bigint!, record_srn text!, run_id uuid!, created_at timestamp with time zone!, t text!, ts timestamp with time zone, d date, u uuid!, c text, n double precision, i bigint, b boolean, a jsonb, o jsonb",
            await db.Scalar<string>(
                $"""
                select string_agg(column_name || ' ' || data_type || case is_nullable when 'NO' then '!' else '' end, ', ' order by ordinal_position)
                from information_schema.columns where table_schema = 'features' and table_name = '{name}'
                """));
        // Key, record, and one for each scalar column.
        Assert.Equal(2 + 8, await db.Scalar<long>($"select count(*) from pg_indexes where schemaname = 'features' and tablename = '{name}'"));
        Assert.Equivalent(table, await db.Tables.FindAsync(name, CancellationToken.None));
        Assert.Contains(await db.Tables.ListAsync(CancellationToken.None), t => t.Name == name);
    }

    [Fact]
    public async Task A_new_version_adds_optional_columns_and_keeps_what_it_no_longer_declares()
    {
        string name = db.NewName();
        ColumnDefinition a = Column("a", JsonType.String, required: true);
        ColumnDefinition b = Column("b", JsonType.Number);
        ColumnDefinition c = Column("c", JsonType.Object);

        await db.Register("proteins", Manifest(name, a, b));
        FeatureTable same = Assert.Single(await db.Register("proteins", Manifest(name, b, a)));
        FeatureTable extended = Assert.Single(await db.Register("proteins", Manifest(name, a, c)));
        FeatureTable again = Assert.Single(await db.Register("proteins", Manifest(name, a, b)));

        Assert.Equal(1, same.SchemaVersion);
        Assert.Equal(2, extended.SchemaVersion);
        Assert.Equal("a b- c", string.Join(' ', extended.Columns.Select(x => x.Name + (x.Declared ? "" : "-"))));
        Assert.Equal(2, again.SchemaVersion);
        Assert.Equal("a b c-", string.Join(' ', again.Columns.Select(x => x.Name + (x.Declared ? "" : "-"))));
        OsaException e = await Assert.ThrowsAsync<OsaException>(() => db.Register("proteins", Manifest(name, a, Column("c", JsonType.Array))));
        Assert.Equal(ErrorCode.FailedPrecondition, e.Code);
    }

    [Fact]
    public async Task A_plan_changes_nothing()
    {
        string name = db.NewName();

        FeatureTableDdlPlan plan = await db.Tables.PlanAsync("proteins", Manifest(name, Column("a", JsonType.String)), CancellationToken.None);

        Assert.Equal(FeatureTableChange.Create, plan.Change);
        Assert.Null(await db.Tables.FindAsync(name, CancellationToken.None));
    }

    [Fact]
    public async Task A_rolled_back_registration_leaves_nothing()
    {
        string name = db.NewName();
        string owned = db.NewName();
        await db.Register("proteins", Manifest(owned));

        await Assert.ThrowsAsync<OsaException>(() => db.Register("molecules", Manifest(name, Column("a", JsonType.String)), Manifest(owned)));

        Assert.Equal(0, await db.Scalar<long>($"select count(*) from pg_class where relname = '{name}'"));
        Assert.Equal(name, Assert.Single(await db.Register("molecules", Manifest(name))).PgTable);
    }

    [Fact]
    public async Task Of_200_concurrent_registrations_of_one_name_by_different_conventions_one_wins()
    {
        string name = db.NewName();
        HookManifest manifest = Manifest(name, Column("a", JsonType.String));
        await db.Register("other", Manifest($"convention_7_{name}"));

        OsaException?[] outcomes = await Task.WhenAll(Enumerable.Range(0, 200).Select(async i =>
        {
            try
            {
                await db.Register($"convention-{i}", manifest);
                return null;
            }
            catch (OsaException e)
            {
                return e;
            }
        }));

        FeatureTable table = (await db.Tables.FindAsync(name, CancellationToken.None))!;
        Assert.Single(outcomes, e => e is null);
        Assert.Null(outcomes[int.Parse(table.ConventionId["convention-".Length..])]);
        for (int i = 0; i < outcomes.Length; i++)
        {
            if (outcomes[i] is { } e)
            {
                Assert.Equal(ErrorCode.AlreadyExists, e.Code);
                string free = $"convention_{i}_{name}{(i == 7 ? "_2" : "")}";
                Assert.Equal($"the feature table name '{name}' belongs to convention '{table.ConventionId}'; '{free}' is free", e.Message);
            }
        }

        Assert.Equal(1, await db.Scalar<long>($"select count(*) from pg_class where relname = '{name}' and relnamespace = 'features'::regnamespace"));
    }

    [Fact]
    public async Task Concurrent_registrations_of_the_same_by_one_convention_all_succeed()
    {
        HookManifest manifest = Manifest(db.NewName(), Column("a", JsonType.String));

        IReadOnlyList<FeatureTable>[] tables = await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => db.Register("proteins", manifest)));

        Assert.All(tables, t => Assert.Equivalent(tables[0], t));
    }

    [Fact]
    public async Task Two_names_in_opposite_order_do_not_deadlock()
    {
        for (int round = 0; round < 20; round++)
        {
            HookManifest a = Manifest(db.NewName("a"));
            HookManifest b = Manifest(db.NewName("b"));

            Exception?[] outcomes = await Task.WhenAll(Enumerable.Range(0, 10).Select(i =>
                Record.ExceptionAsync(() => i % 2 == 0 ? db.Register($"convention-{i}", a, b) : db.Register($"convention-{i}", b, a)).AsTask()));

            Assert.Single(outcomes, e => e is null);
            Assert.All(outcomes.Where(e => e is not null), e => Assert.Equal(ErrorCode.AlreadyExists, Assert.IsType<OsaException>(e).Code));
            Assert.Equal(2, await db.Scalar<long>($"select count(*) from osa.feature_tables f join pg_class c on c.relname = f.pg_table where name in ('{a.Name}', '{b.Name}')"));
        }
    }

    [Fact]
    public async Task A_registration_without_the_lock_still_cannot_take_a_name_twice()
    {
        string name = db.NewName();
        await using NpgsqlConnection other = await db.Connections.OpenConnectionAsync();
        await using NpgsqlTransaction uncommitted = await other.BeginTransactionAsync();
        await using var insert = new NpgsqlCommand(
            $"insert into osa.feature_tables (name, convention_id, pg_table, cardinality, columns) values ('{name}', 'molecules', '{name}', 'many', '[]')", other);
        await insert.ExecuteNonQueryAsync();

        Task<IReadOnlyList<FeatureTable>> waiting = db.Register("proteins", Manifest(name));
        await Until(() => db.Scalar<bool>("select exists (select from pg_locks l join pg_stat_activity a using (pid) where not l.granted and a.datname = current_database())"));
        await uncommitted.CommitAsync();

        OsaException e = await Assert.ThrowsAsync<OsaException>(() => waiting);
        Assert.Equal(ErrorCode.AlreadyExists, e.Code);
        Assert.Contains("belongs to convention 'molecules'", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_table_in_use_is_not_waited_for_longer_than_a_moment()
    {
        string name = db.NewName();
        FeatureTable table = Assert.Single(await db.Register("proteins", Manifest(name)));
        await using NpgsqlConnection reader = await db.Connections.OpenConnectionAsync();
        await using (NpgsqlTransaction reading = await reader.BeginTransactionAsync())
        {
            await using var select = new NpgsqlCommand($"select count(*) from features.\"{table.PgTable}\"", reader);
            await select.ExecuteNonQueryAsync();

            OsaException e = await Assert.ThrowsAsync<OsaException>(() => db.Register("proteins", Manifest(name, Column("late", JsonType.String))));

            Assert.Equal(ErrorCode.Aborted, e.Code);
        }

        Assert.Equal(2, Assert.Single(await db.Register("proteins", Manifest(name, Column("late", JsonType.String)))).SchemaVersion);
    }

    [Fact]
    public async Task An_extension_leaves_the_transactions_own_lock_timeout_as_it_was()
    {
        string name = db.NewName();
        await db.Register("proteins", Manifest(name));
        await using NpgsqlConnection connection = await db.Connections.OpenConnectionAsync();
        await using NpgsqlTransaction transaction = await connection.BeginTransactionAsync();
        await using var set = new NpgsqlCommand("set local lock_timeout = '7s'", connection);
        await set.ExecuteNonQueryAsync();

        await FeatureTables.ApplyAsync(connection, "proteins", [Manifest(name, Column("late", JsonType.String))], CancellationToken.None);

        await using var show = new NpgsqlCommand("show lock_timeout", connection);
        Assert.Equal("7s", await show.ExecuteScalarAsync());
    }

    [Fact]
    public async Task Names_that_PostgreSQL_would_have_given_to_parts_of_another_table_are_free()
    {
        string name = db.NewName();

        await db.Register("proteins", Manifest(name, Column("a", JsonType.String)));
        await db.Register("molecules", Manifest($"{name}_pkey"), Manifest($"{name}_id_seq"), Manifest($"{name}_record_srn_idx"));
        await db.Register("planets", Manifest(new string('x', 62) + "a"), Manifest(new string('x', 62) + "b"));
    }

    [Fact]
    public async Task Words_of_SQL_are_names_like_any_other()
    {
        HookManifest manifest = Manifest("select", Column("order", JsonType.String), Column("user", JsonType.Integer), Column("ctid_", JsonType.Boolean));

        FeatureRow row = Assert.Single(await db.RoundTrip(manifest, """{"user":1,"order":"o"}"""));

        Assert.Equal(["o", 1L, null], row.Values);
    }

    private static async Task Until(Func<Task<bool>> condition)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        while (!await condition())
        {
            Assert.False(deadline.IsCancellationRequested, "the registration should wait for the other's row within 10 s, and does not");
            await Task.Yield();
        }
    }
}
