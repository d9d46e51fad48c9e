using System.Buffers.Text;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using CsCheck;
using Grpc.Core;
using Npgsql;
using Osa.Client;
using Osa.Client.Features;
using Osa.Testing;
using Osa.V1;
using SortKey = Osa.V1.SortKey;

namespace Osa.Silo.Tests;

/// <summary>Filters, sorts, pages, groups and exports, against the same done in memory.</summary>
public sealed class QueryTests(SharedNode shared, QueriedArchive queried) : IClassFixture<QueriedArchive>
{
    private static readonly string[] Scalars = ["label", "position", "score", "significant", "measured_at", "day", "metadata.organism", "metadata.mass"];

    private Archive Archive => shared.Archive;

    private QuerySource Source => new() { Table = queried.Table };

    [Fact]
    public async Task Whatever_is_asked_the_rows_are_those_that_a_naive_evaluation_finds()
    {
        var generated = Gen.Select(Filters, Sorts, Gen.Int[1, 60]);
        int at = 0;
        await generated.SampleAsync(
            async (filter, sort, size) =>
            {
                Interlocked.Increment(ref at);
                List<TypedRow> found = await Archive.Ada.Queries.RowsAsync(
                    new QueryRequest { Source = Source, Filter = filter, Sort = { sort }, Select = { "position", "label", "record_srn" }, PageSize = size }).ToListAsync();
                List<Dictionary<string, object?>> expected = [.. Sorted(queried.Rows.Where(r => filter is null || Holds(filter, r)), sort)];
                Assert.True(
                    expected.Select(r => (r["position"], r["label"])).SequenceEqual(found.Select(r => (r["position"], r["label"]))),
                    $"{filter}\nsort {string.Join(", ", sort.Select(s => s.ToString()))}\nexpected {expected.Count}: {string.Join(' ', expected.Take(20).Select(r => r["#"]))}\nfound {found.Count}");
                CountResponse count = await Archive.Ada.Queries.CountAsync(new CountRequest { Source = Source, Filter = filter });
                Assert.Equal(expected.Count, count.Rows);
            },
            iter: TestLength.IsLong ? 10_000 : 250, threads: 4);
    }

    [Fact]
    public async Task Hostile_names_values_and_shapes_are_refused_precisely_and_never_an_error_of_the_node()
    {
        string[] hostile = ["", "\0", "'; drop table osa.records; --", "label\"", "metadata.", "metadata.organism'", "ctid", "xmin", "\ud800", "$1", "𝛼", "f.label", new string('a', 5_000)];
        await Gen.Select(Gen.OneOf(hostile), Gen.OneOf(hostile), Gen.Int[0, 12], Gen.OneOf(Gen.Const(0), Gen.Int[1, 5])).SampleAsync(
            async (column, value, op, more) =>
            {
                var compare = new Comparison { Column = more == 0 ? "label" : column, Op = (Operator)op };
                for (int i = 0; i < more; i++)
                {
                    compare.Values.Add(new FeatureValue { Text = value.Replace("\ud800", "?", StringComparison.Ordinal) });
                }

                try
                {
                    await Archive.Ada.Queries.RowsAsync(new QueryRequest { Source = Source, Filter = new Filter { Compare = compare } }).ToListAsync();
                    using var nowhere = new MemoryStream();
                    await Archive.Ada.Queries.ExportAsync(new ExportRequest { Source = Source, Filter = new Filter { Compare = compare }, Format = ExportFormat.Csv }, nowhere);
                }
                catch (OsaClientException refusal)
                {
                    Assert.True(refusal.Code == StatusCode.InvalidArgument && refusal.Message.Length > 20, refusal.ToString());
                }
            },
            iter: TestLength.IsLong ? 3_000 : 120, threads: 2);
        var deep = new Filter { Compare = new Comparison { Column = "label", Op = Operator.IsNull } };
        for (int i = 0; i < 40; i++)
        {
            deep = new Filter { Not = deep };
        }

        OsaClientException tooDeep = await Expect.RefusedAsync(StatusCode.InvalidArgument, () => Archive.Ada.Queries.CountAsync(new CountRequest { Source = Source, Filter = deep }));
        Expect.Says("nested 16 deep", tooDeep.Message);
        OsaClientException noColumn = await Expect.RefusedAsync(
            StatusCode.InvalidArgument, () => Archive.Ada.Queries.RowsAsync(new QueryRequest { Source = Source, Sort = { new SortKey { Column = "no_such" } } }).ToListAsync().AsTask());
        Expect.Says("'no_such' is no column", noColumn.Message);
        await Expect.RefusedAsync(StatusCode.NotFound, () => Archive.Ada.Queries.RowsAsync(new QueryRequest { Source = new QuerySource { Table = "no_such_table" } }).ToListAsync().AsTask());
        Assert.NotEqual("0", await Archive.ValueAsync("select count(*) from osa.records"));
    }

    [Fact]
    public async Task A_cursor_belongs_to_its_query()
    {
        var door = new Door(Archive, "depositor", "ada");
        var query = new QueryRequest { Source = Source, Sort = { new SortKey { Column = "score" } }, PageSize = 5 };
        QueryPage first = await door.Queries.RowsAsync(query);
        query.Cursor = first.NextCursor;
        Assert.All((await door.Queries.RowsAsync(query)).Values, c => Assert.Equal(5, c.Texts.Count + c.Integers.Count + c.Numbers.Count + c.Booleans.Count + c.DateTimes.Count));

        query.Sort[0].Descending = true;
        string other = await Door.RefusedAsync(StatusCode.InvalidArgument, () => door.Queries.RowsAsync(query).ResponseAsync);
        query.Cursor = "bm9uc2Vuc2U";
        await Door.RefusedAsync(StatusCode.InvalidArgument, () => door.Queries.RowsAsync(query).ResponseAsync);
        query.Sort[0].Descending = false;
        JsonObject forged = JsonNode.Parse(Base64Url.DecodeFromChars(first.NextCursor))!.AsObject();
        forged["P"] = 9;
        query.Cursor = Base64Url.EncodeToString(Encoding.UTF8.GetBytes(forged.ToJsonString()));
        string noPhase = await Door.RefusedAsync(StatusCode.InvalidArgument, () => door.Queries.RowsAsync(query).ResponseAsync);

        Expect.Says("is not one that this query gave", other);
        Expect.Says("is not one that this query gave", noPhase);
    }

    [Fact]
    public async Task Groups_come_to_what_their_rows_come_to()
    {
        IReadOnlyList<TypedRow> groups = await Archive.Ada.Queries.AggregateAsync(new AggregateRequest
        {
            Source = Source,
            GroupBy = { "significant" },
            Aggregates = { new Aggregate { Function = "count" }, new Aggregate { Function = "count", Column = "score" }, new Aggregate { Function = "min", Column = "position" }, new Aggregate { Function = "max", Column = "score" }, new Aggregate { Function = "avg", Column = "metadata.mass" } },
        });

        Assert.Equal([false, true, null], groups.Select(g => (bool?)g["significant"]));
        foreach (TypedRow group in groups)
        {
            List<Dictionary<string, object?>> rows = queried.Rows.FindAll(r => Equals(r["significant"], group["significant"]));
            Assert.Equal(rows.Count, (long)group["count"]!);
            Assert.Equal(rows.Count(r => r["score"] is not null), (long)group["count_score"]!);
            Assert.Equal(rows.Min(r => (long)r["position"]!), (long)group["min_position"]!);
            Assert.Equal(rows.Max(r => (double?)r["score"]), (double?)group["max_score"]);
            Assert.Equal(rows.Average(r => (double?)r["metadata.mass"])!.Value, (double)group["avg_metadata.mass"]!, 9);
        }

        await Expect.RefusedAsync(StatusCode.InvalidArgument, () => Archive.Ada.Queries.AggregateAsync(new AggregateRequest { Source = Source, Aggregates = { new Aggregate { Function = "sum", Column = "score" } } }));
        await Expect.RefusedAsync(StatusCode.InvalidArgument, () => Archive.Ada.Queries.AggregateAsync(new AggregateRequest { Source = Source, GroupBy = { "details" }, Aggregates = { new Aggregate { Function = "count" } } }));
    }

    [Fact]
    public async Task Records_are_found_by_their_metadata()
    {
        QuerySource records = new() { RecordsOf = queried.Convention };
        async Task<List<object?>> MassesAsync(Filter filter) => [.. (await Archive.Ada.Queries.RowsAsync(new QueryRequest { Source = records, Filter = filter, Select = { "metadata.mass" } }).ToListAsync()).Select(r => r["metadata.mass"])];

        Assert.Equal([1.5], await MassesAsync(Is("metadata.organism", Operator.Equal, Text("ab"))));
        Assert.Equal([3.0, null, 6.0], await MassesAsync(new Filter { Not = Is("metadata.mass", Operator.Less, new FeatureValue { Number = 3 }) }));
        Assert.Equal([null, 6.0], await MassesAsync(Is("metadata.keywords", Operator.Equal, Text("k2"))));
        Assert.Equal([0.0, 3.0], await MassesAsync(Is("metadata.keywords", Operator.IsNull)));
        Assert.Equal(QueriedArchive.Records, (await Archive.Ada.Queries.CountAsync(new CountRequest { Source = records })).Rows);
    }

    [Fact]
    public async Task An_export_is_the_whole_query_in_every_format_as_of_one_event()
    {
        var sort = new SortKey { Column = "position" };
        Filter filter = Is("score", Operator.GreaterOrEqual, new FeatureValue { Number = 0 });
        List<Dictionary<string, object?>> expected = [.. Sorted(queried.Rows.Where(r => r["score"] is double score && score >= 0), [sort])];
        async Task<(byte[] Bytes, long Position)> ExportAsync(ExportFormat format)
        {
            using var bytes = new MemoryStream();
            long position = await Archive.Ada.Queries.ExportAsync(new ExportRequest { Source = Source, Filter = filter, Sort = { sort }, Format = format, Select = { "position", "label", "measured_at", "details" } }, bytes);
            return (bytes.ToArray(), position);
        }

        (byte[] csv, long asOf) = await ExportAsync(ExportFormat.Csv);
        (byte[] lines, _) = await ExportAsync(ExportFormat.JsonLines);
        (byte[] parquet, _) = await ExportAsync(ExportFormat.Parquet);
        (byte[] again, _) = await ExportAsync(ExportFormat.Csv);

        Assert.True(asOf > 0);
        Assert.Equal(csv, again);
        string[] json = System.Text.Encoding.UTF8.GetString(lines).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(expected.Select(r => ((long)r["position"]!, (string?)r["label"])), json.Select(l => JsonNode.Parse(l)!).Select(r => ((long)r["position"]!, (string?)r["label"])));
        Assert.Equal(expected.Select(r => ((DateTime?)r["measured_at"])?.ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFF'Z'")), json.Select(l => (string?)JsonNode.Parse(l)!["measured_at"]));
        string text = System.Text.Encoding.UTF8.GetString(csv);
        Assert.StartsWith("position,label,measured_at,details\n", text, StringComparison.Ordinal);
        Assert.Contains("\"it's \"\"quoted\"\" \\ and %_\"", text, StringComparison.Ordinal);
        await using Parquet.ParquetReader file = await Parquet.ParquetReader.CreateAsync(new MemoryStream(parquet));
        Assert.Equal(["position", "label", "measured_at", "details"], file.Schema.DataFields.Select(f => f.Name));
        using Parquet.ParquetRowGroupReader group = file.OpenRowGroupReader(0);
        Assert.Equal((1, expected.Count), (file.RowGroupCount, (int)group.RowCount));
        long?[] positions = new long?[expected.Count];
        await group.ReadAsync(file.Schema.DataFields[0], positions.AsMemory());
        Assert.Equal(expected.Select(r => (long?)r["position"]), positions);
        Assert.Equal(asOf.ToString(CultureInfo.InvariantCulture), await Archive.ValueAsync("select count(*) from osa.events where position <= $1", asOf));
    }

    [Fact]
    public async Task A_filter_and_a_sort_on_a_declared_column_use_its_index()
    {
        string plans = "";
        await using var connection = new NpgsqlConnection(Archive.Database);
        await connection.OpenAsync();
        foreach (string sql in (string[])
            [
                $"select 1 from features.\"{queried.Table}\" f where (left(f.label, 500) collate \"C\" = 'ab' and f.label = 'ab') order by left(f.label, 500) collate \"C\", f.id limit 5",
                $"select 1 from features.\"{queried.Table}\" f where left(f.label, 500) collate \"C\" ^@ 'ab' order by left(f.label, 500) collate \"C\", f.id limit 5",
                $"select 1 from features.\"{queried.Table}\" f where (f.score, f.id) > (0.5, 3) order by f.score, f.id limit 5",
            ])
        {
            await using var command = new NpgsqlCommand($"set enable_seqscan = off; set enable_bitmapscan = off; set enable_sort = off; explain {sql}", connection);
            await using NpgsqlDataReader reader = await command.ExecuteReaderAsync();
            while (await reader.ReadAsync())
            {
                plans += reader.GetString(0) + "\n";
            }
        }

        Assert.Equal(3, plans.Split("Index Cond").Length - 1);
    }

    [Fact]
    public async Task Readers_page_and_export_while_records_are_published_and_withdrawn_and_never_see_one_twice_miss_one_or_see_a_held_one()
    {
        (int publishers, int withdrawn, int readers) = TestLength.IsLong ? (200, 50, 20) : (40, 10, 8);
        string id = Documents.NewId("moving");
        string table = Documents.NewTable("moving");
        await Archive.RegisterAsync(Documents.Convention(id, "1.0.0", Documents.Hook(table, Documents.RowColumns, contract: "batch")));
        var ada = new Door(Archive, "depositor", "ada");
        var cleo = new Door(Archive, "curator", "cleo");
        async Task<string[]> PublishAsync(int count, bool held)
        {
            var drafts = new List<Client.Depositions.DepositionHandle>();
            for (int i = 0; i < count; i++)
            {
                drafts.Add(await Archive.DraftAsync(id, Documents.Rows(3)));
                if (held)
                {
                    await ada.Depositions.SetEmbargoAsync(new SetEmbargoRequest { Srn = drafts[^1].Srn, Embargo = new Embargo { UntilReleased = true } });
                }
            }

            string run = (await ada.Depositions.SubmitManyAsync(new SubmitDepositionsRequest { Srns = { drafts.Select(d => d.Srn) } })).RunSrn;
            return [.. (await Archive.VerdictAsync(Archive.Ada.Runs.Handle(run))).Depositions.Select(d => d.RecordSrn)];
        }

        string[] there = await PublishAsync(20, held: false);
        string[] doomed = await PublishAsync(withdrawn, held: false);
        var moving = Task.Run(async () =>
        {
            var held = new List<string>();
            for (int i = 0; i < publishers / 10; i++)
            {
                held.AddRange(await PublishAsync(5, held: true));
                await PublishAsync(5, held: false);
                foreach (string record in doomed.Where((_, n) => n % (publishers / 10) == i))
                {
                    await cleo.Curation.WithdrawRecordAsync(new WithdrawRecordRequest { RecordSrn = record, Reason = "test" });
                }
            }

            return held;
        });
        using OsaClient eve = OsaClient.Connect(Archive.Node.Address);
        string[][] seen = await Expect.AllAsync(Enumerable.Range(0, readers).Select(async reader =>
        {
            var all = new List<string>();
            int rounds = 0;
            while (!moving.IsCompleted || rounds == 0)
            {
                rounds++;
                List<string> rows;
                if (reader % 2 == 0)
                {
                    rows = [.. (await eve.Queries.RowsAsync(new QueryRequest { Source = new QuerySource { Table = table }, Sort = { new SortKey { Column = "position" } }, PageSize = 7 }).ToListAsync()).Select(r => $"{r["record_srn"]} {r["position"]}")];
                }
                else
                {
                    using var bytes = new MemoryStream();
                    await eve.Queries.ExportAsync(new ExportRequest { Source = new QuerySource { Table = table }, Format = ExportFormat.JsonLines, Select = { "record_srn", "position" } }, bytes);
                    rows = [.. System.Text.Encoding.UTF8.GetString(bytes.ToArray()).Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => JsonNode.Parse(l)!).Select(r => $"{r["record_srn"]} {r["position"]}")];
                }

                Assert.Equal(rows.Count, rows.Distinct().Count());
                Assert.Empty(there.SelectMany(t => Enumerable.Range(0, 3).Select(p => $"{t} {p}")).Except(rows));
                all.AddRange(rows.Select(r => r.Split(' ')[0]));
            }

            return all.Distinct().ToArray();
        }));

        List<string> held = await moving;
        Assert.Empty(seen.SelectMany(s => s).Intersect(held));
        Assert.Empty((await eve.Queries.RowsAsync(new QueryRequest { Source = new QuerySource { Table = table }, Select = { "record_srn" } }).ToListAsync()).Select(r => (string)r["record_srn"]!).Intersect(doomed));
    }

    private static Gen<Filter> Filters => Gen.Recursive<Filter>((depth, inner) => depth > 3 ? Comparisons : Gen.Frequency(
        (4, Comparisons), (1, inner.Array[0, 3].Select(f => new Filter { All = new FilterList { Filters = { f } } })), (1, inner.Array[0, 3].Select(f => new Filter { Any = new FilterList { Filters = { f } } })),
        (1, inner.Select(f => new Filter { Not = f }))));

    private static Gen<Filter> Comparisons =>
        from column in Gen.OneOf([.. Scalars, "details", "metadata.keywords"])
        from op in Gen.OneOf(Operator.Equal, Operator.NotEqual, Operator.Less, Operator.LessOrEqual, Operator.Greater, Operator.GreaterOrEqual, Operator.In, Operator.Prefix, Operator.IsNull)
        let fitting = column == "details" ? Operator.IsNull
            : column == "metadata.keywords" ? op is Operator.In or Operator.NotEqual or Operator.IsNull ? op : Operator.Equal
            : op == Operator.Prefix && column is not ("label" or "metadata.organism") ? Operator.Less : op
        from values in Values(column).Array[fitting == Operator.In ? 0 : fitting == Operator.IsNull ? 0 : 1, fitting == Operator.In ? 3 : fitting == Operator.IsNull ? 0 : 1]
        select Is(column, fitting, values);

    private static Gen<FeatureValue> Values(string column) => column switch
    {
        "label" or "metadata.organism" => Gen.OneOf("", "a", "A", "ab", "é", "𝛼-helix", "it's \"quoted\" \\ and %_", "\u0001control", "x", "zz", new string('x', 500), new string('x', 520), new string('x', 520) + "y").Select(Text),
        "metadata.keywords" => Gen.OneOf("k0", "k1", "k2", "none").Select(Text),
        "position" => Gen.Int[-3, 3].Select(i => new FeatureValue { Integer = i }),
        "score" or "metadata.mass" => Gen.Int[-4, 12].Select(i => i % 2 == 0 ? new FeatureValue { Number = i / 4.0 } : new FeatureValue { Integer = i / 4 }),
        "significant" => Gen.Bool.Select(b => new FeatureValue { Boolean = b }),
        "measured_at" => Gen.Int[1, 4].Select(d => new FeatureValue { DateTime = $"2026-01-0{d}T00:00:00Z" }),
        _ => Gen.Int[1, 4].Select(d => Text($"2026-02-0{d}")),
    };

    private static Gen<SortKey[]> Sorts => Gen.Select(Gen.Shuffle(Scalars), Gen.Int[0, 3], Gen.Bool.Array[4]).Select((names, count, down) => names.Take(count).Select((n, i) => new SortKey { Column = n, Descending = down[i] }).ToArray());

    private static Filter Is(string column, Operator op, params FeatureValue[] values) => new() { Compare = new Comparison { Column = column, Op = op, Values = { values } } };

    private static FeatureValue Text(string text) => new() { Text = text };

    private static bool Holds(Filter filter, Dictionary<string, object?> row) => filter.KindCase switch
    {
        Filter.KindOneofCase.All => filter.All.Filters.All(f => Holds(f, row)),
        Filter.KindOneofCase.Any => filter.Any.Filters.Any(f => Holds(f, row)),
        Filter.KindOneofCase.Not => !Holds(filter.Not, row),
        _ => Holds(filter.Compare, row),
    };

    private static bool Holds(Comparison compare, Dictionary<string, object?> row)
    {
        object? value = row[compare.Column];
        if (value is List<string> list)
        {
            return compare.Op switch
            {
                Operator.IsNull => list.Count == 0,
                Operator.NotEqual => !list.Contains(compare.Values[0].Text),
                _ => compare.Values.Any(v => list.Contains(v.Text)),
            };
        }

        return compare.Op switch
        {
            Operator.IsNull => value is null,
            Operator.NotEqual => value is null || Compare(value, compare.Values[0]) != 0,
            _ when value is null => false,
            Operator.Equal or Operator.In => compare.Values.Any(v => Compare(value, v) == 0),
            Operator.Prefix => ((string)value).StartsWith(compare.Values[0].Text, StringComparison.Ordinal),
            Operator.Less => Compare(value, compare.Values[0]) < 0,
            Operator.LessOrEqual => Compare(value, compare.Values[0]) <= 0,
            Operator.Greater => Compare(value, compare.Values[0]) > 0,
            _ => Compare(value, compare.Values[0]) >= 0,
        };
    }

    private static int Compare(object value, FeatureValue other) => value switch
    {
        string text => Bytes(text, other.Text),
        long number => number.CompareTo(other.Integer),
        double number => number.CompareTo(other.KindCase == FeatureValue.KindOneofCase.Integer ? other.Integer : other.Number),
        bool truth => truth.CompareTo(other.Boolean),
        DateTime time => time.CompareTo(DateTime.Parse(other.DateTime, CultureInfo.InvariantCulture, DateTimeStyles.AdjustToUniversal)),
        DateOnly date => date.CompareTo(DateOnly.Parse(other.Text, CultureInfo.InvariantCulture)),
        _ => throw new InvalidOperationException($"{value.GetType()}"),
    };

    // As UTF-8 sorts, which is by code point.
    private static int Bytes(string a, string b) => System.Text.Encoding.UTF8.GetBytes(a).AsSpan().SequenceCompareTo(System.Text.Encoding.UTF8.GetBytes(b));

    private static IEnumerable<Dictionary<string, object?>> Sorted(IEnumerable<Dictionary<string, object?>> rows, SortKey[] sort)
    {
        bool last = sort.Length > 0 && sort[^1].Descending;
        return rows.Order(Comparer<Dictionary<string, object?>>.Create((a, b) =>
        {
            foreach (SortKey key in sort)
            {
                int order = (a[key.Column], b[key.Column]) switch
                {
                    (null, null) => 0,
                    (null, _) => 1,
                    (_, null) => -1,
                    (string x, string y) => Bytes(x.Length > 500 ? x[..500] : x, y.Length > 500 ? y[..500] : y),
                    var (x, y) => Comparer<object>.Default.Compare(x, y),
                };
                if (order != 0)
                {
                    return key.Descending ? -order : order;
                }
            }

            int place = ((long)a["#"]!).CompareTo((long)b["#"]!);
            return last ? -place : place;
        }));
    }
}
