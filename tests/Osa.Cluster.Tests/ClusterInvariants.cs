using Osa.Testing;

namespace Osa.Cluster.Tests;

/// <summary>What must hold over everything once the silos are at rest, whatever happened to them: nothing lost, nothing twice, nothing left behind.</summary>
internal static class ClusterInvariants
{
    // A reaper looks every 30 s for what a killed silo had no time to remove.
    private static readonly TimeSpan Rest = TimeSpan.FromMinutes(4);

    // Each names what breaks its rule, one line each.
    private static readonly string[] Rules =
    [
        // Deposition, run and record.
        "select 'deposition ' || d.id || ' is ' || d.status from osa.depositions d where d.status not in ('draft', 'accepted')",
        "select 'deposition ' || deposition_id || ' has ' || count(*) || ' records' from osa.records group by deposition_id having count(*) <> 1",
        "select 'deposition ' || deposition_id || ' has ' || count(*) || ' runs' from osa.run_depositions group by deposition_id having count(*) <> 1",
        """
        select 'deposition ' || d.id || ' is ' || d.status || ' as ' || coalesce(d.record_srn, 'no record') || ' and its record is ' || coalesce(r.srn || ' of run ' || r.run_id, 'missing')
        from osa.depositions d left join osa.records r on r.deposition_id = d.id
        where (d.status = 'accepted') <> (r.srn is not null) or d.record_srn is distinct from r.srn or r.run_id <> d.run_id
        """,
        "select 'run ' || r.id || ' has no deposition' from osa.validation_runs r where not exists (select from osa.run_depositions m where m.run_id = r.id)",
        """
        select 'run ' || v.id || ' is ' || v.status || ' with ' || v.passed || ' passed depositions and has ' || count(r.srn) || ' records'
        from (select v.*, (select count(*) from osa.run_depositions m where m.run_id = v.id and m.status = 'passed') as passed from osa.validation_runs v) v
        left join osa.records r on r.run_id = v.id group by v.id, v.status, v.passed having count(r.srn) <> v.passed or (v.status = 'passed') <> (v.passed > 0)
        """,
        """
        select 'run ' || run_id || ', hook ' || hook || ' was judged by ' || count(*) filter (where state = 'done') || ' attempts'
        from osa.run_units group by run_id, hook having count(*) filter (where state = 'done') <> 1
        """,
        "select 'record ' || r.srn || ' was published ' || count(e.id) || ' times' from osa.records r left join osa.events e on e.type = 'RecordPublished' and e.subject = r.srn group by r.srn having count(e.id) <> 1",
        """
        select 'deposition ' || m.deposition_id || ' was submitted ' || count(e.id) || ' times' from osa.run_depositions m
        left join osa.events e on e.type = 'DepositionSubmittedEvent' and right(e.subject, 36) = m.deposition_id::text group by m.deposition_id having count(e.id) <> 1
        """,
        // Conventions, catalog and tables.
        """
        select 'feature table ' || coalesce(t.name, c.relname) || ' is in ' || case when t.name is null then 'PostgreSQL' else 'the catalog' end || ' alone'
        from osa.feature_tables t
        full join (select relname::text from pg_class where relkind = 'r' and relnamespace = 'features'::regnamespace) c on c.relname = t.pg_table
        where t.name is null or c.relname is null
        """,
        """
        select 'feature table ' || t.name || ' belongs to ' || t.convention_id || ', which has no such hook' from osa.feature_tables t
        where not exists (select from osa.conventions c, jsonb_array_elements(c.document -> 'hooks') h where c.id = t.convention_id and h -> 'manifest' ->> 'name' = t.name)
        """,
        """
        select 'convention ' || c.id || ' has no feature table ' || (h -> 'manifest' ->> 'name') from osa.conventions c, jsonb_array_elements(c.document -> 'hooks') h
        where not exists (select from osa.feature_tables t where t.convention_id = c.id and t.name = h -> 'manifest' ->> 'name')
        """,
        "select 'schema ' || s.srn || ' is of no convention' from osa.schemas s where not exists (select from osa.conventions c where c.schema_srn = s.srn)",
        // Events: every one numbered, without a gap, in the order they happened, once.
        """
        select 'event ' || id || ' (' || type || ') has position ' || coalesce(position::text, 'none') || ' and is number ' || n
        from (select id, type, position, row_number() over (order by position) as n from osa.events) e where position is distinct from n
        """,
        """
        select 'the events of run ' || v.id || ' are ' || coalesce(string_agg(e.type, ' ' order by e.position), 'none')
        from osa.validation_runs v left join osa.events e on right(e.payload ->> 'validation_run_srn', 36) = v.id::text
        where v.status = 'passed' and (select count(*) = 1 and bool_and(m.review is null) from osa.run_depositions m where m.run_id = v.id) group by v.id
        having string_agg(e.type, ' ' order by e.position) is distinct from 'DepositionSubmittedEvent ValidationStarted ValidationCompleted DepositionApproved RecordPublished'
        """,
        """
        select 'convention ' || c.srn || ' was registered ' || count(e.id) || ' times'
        from osa.conventions c left join osa.events e on e.type = 'ConventionRegistered' and e.subject = c.srn group by c.srn having count(e.id) <> 1
        """,
    ];

    // True once the silos have come to rest.
    private static readonly string[] Endings =
    [
        "select 'run ' || id || ' is ' || status || coalesce(', waiting for ' || waiting_for, '') from osa.validation_runs where status in ('pending', 'running')",
        "select 'pull ' || id || ' is ' || status || coalesce(', waiting for ' || waiting_for, '') from osa.pulls where status in ('pending', 'running')",
        "select 'attempt ' || container_name || ' is claimed' from osa.claims",
        "select 'event ' || id || ' has no position' from osa.events where position is null",
        "select 'session ' || pid || ' of ' || application_name || ' keeps a transaction open' from pg_stat_activity where datname = current_database() and state like 'idle in transaction%' and xact_start < now() - interval '3 s'",
    ];

    /// <param name="published">The depositions that must have become a record, with all of their rows.</param>
    public static async Task CheckAsync(TestCluster cluster, IReadOnlyCollection<Draft> published)
    {
        List<string> left = [];
        await Eventually.True(
            async () => (left = await LeftAsync(cluster)).Count == 0,
            Rest,
            () => $"the silos do not come to rest:\n{Show(left)}");

        var broken = new List<string>();
        foreach (string rule in Rules)
        {
            broken.AddRange(await cluster.ReadAsync(rule, r => r.GetString(0)));
        }

        foreach (string table in await cluster.ReadAsync("select pg_table from osa.feature_tables order by 1", r => r.GetString(0)))
        {
            broken.AddRange(await cluster.ReadAsync(RowsOf(table), r => r.GetString(0), table));
        }

        Dictionary<Guid, long> rows = (await cluster.ReadAsync(
            "select r.deposition_id, coalesce(sum(o.rows), 0)::bigint from osa.records r left join osa.run_outputs o on o.run_id = r.run_id and o.deposition_id = r.deposition_id group by 1",
            r => (r.GetGuid(0), r.GetInt64(1)))).DistinctBy(x => x.Item1).ToDictionary();
        broken.AddRange(published.Where(d => !rows.ContainsKey(d.Id)).Select(d => $"deposition {d.Id} has no record"));
        broken.AddRange(published.Where(d => rows.TryGetValue(d.Id, out long n) && n != d.Rows).Select(d => $"deposition {d.Id} emitted {d.Rows} rows, {rows[d.Id]} were judged"));
        Assert.True(broken.Count == 0, Show(broken));
    }

    private static async Task<List<string>> LeftAsync(TestCluster cluster)
    {
        var left = new List<string>();
        foreach (string ending in Endings)
        {
            left.AddRange(await cluster.ReadAsync(ending, r => r.GetString(0)));
        }

        if (left.Count == 0)
        {
            left.AddRange((await cluster.ContainersAsync()).Select(c => $"container {c.Name} is left"));
            string scratch = Path.Combine(cluster.Data, "scratch");
            left.AddRange(Directory.Exists(scratch)
                ? Directory.EnumerateFileSystemEntries(scratch).Where(path => Path.GetFileName(path)[0] != '.').Select(path => $"scratch directory {Path.GetFileName(path)} is left")
                : []);
        }

        return left;
    }

    // Each record has the rows that its hook emitted, each of them once, and no row is of no record.
    private static string RowsOf(string table) =>
        $"""
        select 'record ' || r.srn || ' has ' || count(f.id) || ' rows in {table}, ' || count(distinct f.position) || ' different, of ' || coalesce(o.rows, 0)
        from osa.records r
        left join osa.run_outputs o on o.run_id = r.run_id and o.deposition_id = r.deposition_id and o.hook = $1
        left join features."{table}" f on f.record_srn = r.srn and f.run_id = r.run_id
        group by r.srn, o.rows having count(f.id) <> coalesce(o.rows, 0) or count(distinct f.position) <> coalesce(o.rows, 0)
        union all
        select 'row ' || f.id || ' of {table} is of no record' from features."{table}" f left join osa.records r on r.srn = f.record_srn and r.run_id = f.run_id where r.srn is null
        """;

    private static string Show(List<string> problems) =>
        string.Join("\n", problems.Take(30)) + (problems.Count > 30 ? $"\nand {problems.Count - 30} more" : "");
}
