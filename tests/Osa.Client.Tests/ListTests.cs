using System.Text.Json.Nodes;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Osa.Client.Features;
using Osa.ScriptedNodes;
using Osa.V1;
using Record = Osa.V1.Record;

namespace Osa.Client.Tests;

public sealed class ListTests
{
    [Fact]
    public async Task A_list_fetches_page_after_page_and_no_page_that_nobody_reads()
    {
        await using var node = await ScriptedNode.StartAsync(script =>
            script.Unary<ListRecordsRequest, ListRecordsResponse>("Records/List", request =>
            {
                var from = request.Cursor.Length == 0 ? 0 : int.Parse(request.Cursor);
                return new ListRecordsResponse
                {
                    Records = { Enumerable.Range(from, 3).Select(i => new Record { Srn = $"r{i}" }) },
                    NextCursor = from == 6 ? "" : (from + 3).ToString(),
                };
            }));
        using var osa = OsaClient.Connect(node.Address);

        var all = await osa.Records.ListAsync("proteins").Select(record => record.Srn).ToListAsync();
        var four = await osa.Records.ListAsync("proteins").Take(4).CountAsync();

        Assert.Equal(Enumerable.Range(0, 9).Select(i => $"r{i}"), all);
        Assert.Equal(4, four);
        Assert.Equal(3 + 2, node.Calls.Count);
    }

    [Fact]
    public async Task A_list_that_does_not_advance_ends_with_an_error()
    {
        await using var node = await ScriptedNode.StartAsync(script =>
            script.Unary<ListRecordsRequest, ListRecordsResponse>("Records/List", _ => new ListRecordsResponse { NextCursor = "same" }));
        using var osa = OsaClient.Connect(node.Address);

        var error = await Assert.ThrowsAsync<OsaClientException>(async () => await osa.Records.ListAsync().CountAsync());

        Assert.Equal(StatusCode.Internal, error.Code);
    }

    [Fact]
    public async Task Feature_rows_carry_values_of_their_columns_types()
    {
        await using var node = await ScriptedNode.StartAsync(script =>
            script.Unary<FeatureRowsRequest, FeatureRows>("Features/Rows", _ => Rows()));
        using var osa = OsaClient.Connect(node.Address);

        var row = await osa.Features.RowsAsync("everything").SingleAsync();

        Assert.Equal("Ångström \"quoted\" 🧬", row["text"]);
        Assert.Equal(long.MaxValue, row["integer"]);
        Assert.Equal(0.1, row["number"]);
        Assert.Equal(true, row["boolean"]);
        Assert.Equal(new DateTimeOffset(2026, 1, 31, 12, 0, 0, 123, 456, TimeSpan.Zero), row["time"]);
        Assert.Equal(new DateOnly(2026, 1, 31), row["date"]);
        Assert.Equal(Guid.Parse("5f0c7e5e-6d5c-4f0e-8f3e-0d3f2a1b4c5d"), row["uuid"]);
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse("""{"a":[1,{"b":null}]}"""), (JsonNode?)row["json"]));
        Assert.Null(row["nothing"]);
        Assert.Equal("urn:osa:localhost:rec:abc@1", row.RecordSrn);
        Assert.Equal(DateTimeOffset.UnixEpoch, row.CreatedAt);
    }

    [Fact]
    public async Task A_value_that_is_not_of_its_columns_type_is_refused_by_column()
    {
        var rows = Rows();
        rows.Rows[0].Values[5] = new FeatureValue { Text = "31.1.2026" };
        await using var node = await ScriptedNode.StartAsync(script =>
            script.Unary<FeatureRowsRequest, FeatureRows>("Features/Rows", _ => rows));
        using var osa = OsaClient.Connect(node.Address);

        var error = await Assert.ThrowsAsync<OsaClientException>(async () => await osa.Features.RowsAsync("everything").CountAsync());

        Assert.Equal(StatusCode.DataLoss, error.Code);
        Assert.StartsWith("column date: ", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Rows_of_a_query_carry_values_of_their_columns_types()
    {
        var rows = await AnswerAsync(Page());

        Assert.Equal(["Ångström \"quoted\" 🧬", null, ""], rows.Select(row => row["text"]));
        Assert.Equal([long.MinValue, null, long.MaxValue], rows.Select(row => row["integer"]));
        Assert.Equal([0.1, null, double.MinValue], rows.Select(row => row["number"]));
        Assert.Equal([true, null, false], rows.Select(row => row["boolean"]));
        Assert.Equal([new DateTimeOffset(2026, 1, 31, 12, 0, 0, 123, 456, TimeSpan.Zero), null, new DateTimeOffset(1, 1, 1, 0, 0, 0, TimeSpan.Zero)], rows.Select(row => row["time"]));
        Assert.Equal([new DateOnly(2026, 1, 31), null, new DateOnly(1, 1, 1)], rows.Select(row => row["date"]));
        Assert.Equal([Guid.Parse("5f0c7e5e-6d5c-4f0e-8f3e-0d3f2a1b4c5d"), null, Guid.Empty], rows.Select(row => row["uuid"]));
        Assert.Equal(["""{"a":[1,{"b":null}]}""", null, "[]"], rows.Select(row => ((JsonNode?)row["json"])?.ToJsonString()));
    }

    [Theory]
    [InlineData(0, "column text: 2 values in 3 rows")]
    [InlineData(4, "column time: ")]
    [InlineData(5, "column date: ")]
    [InlineData(7, "column json: ")]
    [InlineData(-1, "values of 7 columns where there are 8")]
    public async Task An_answer_that_is_not_as_its_columns_say_is_refused(int at, string problem)
    {
        var page = Page();
        switch (at)
        {
            case 0:
                page.Values.Add(page.Values[0].Clone());
                page.Values.RemoveAt(0);
                page.Columns.Add(page.Columns[0].Clone());
                page.Columns.RemoveAt(0);
                page.Values[7].Texts.RemoveAt(2);
                break;
            case 4:
                page.Values[4].DateTimes[0] = long.MaxValue;
                break;
            case 5:
                page.Values[5].Texts[0] = "31.1.2026";
                break;
            case 7:
                page.Values[7].Texts[2] = "{";
                break;
            default:
                page.Values.RemoveAt(3);
                break;
        }

        var error = await Assert.ThrowsAsync<OsaClientException>(() => AnswerAsync(page));

        Assert.Equal(StatusCode.DataLoss, error.Code);
        Assert.StartsWith(problem, error.Message, StringComparison.Ordinal);
    }

    private static async Task<List<TypedRow>> AnswerAsync(QueryPage page)
    {
        await using var node = await ScriptedNode.StartAsync(script => script.Unary<QueryRequest, QueryPage>("Queries/Rows", _ => page));
        using var osa = OsaClient.Connect(node.Address);
        return await osa.Queries.RowsAsync(new QueryRequest()).ToListAsync();
    }

    // The second row has no values.
    private static QueryPage Page() => new()
    {
        Columns = { Rows().Columns.Take(8) },
        Values =
        {
            new ColumnValues { Texts = { "Ångström \"quoted\" 🧬", "", "" }, Nulls = { 1 } },
            new ColumnValues { Integers = { long.MinValue, 0, long.MaxValue }, Nulls = { 1 } },
            new ColumnValues { Numbers = { 0.1, 0, double.MinValue }, Nulls = { 1 } },
            new ColumnValues { Booleans = { true, false, false }, Nulls = { 1 } },
            new ColumnValues { DateTimes = { 1769860800123456, 0, -62135596800000000 }, Nulls = { 1 } },
            new ColumnValues { Texts = { "2026-01-31", "", "0001-01-01" }, Nulls = { 1 } },
            new ColumnValues { Texts = { "5f0c7e5e-6d5c-4f0e-8f3e-0d3f2a1b4c5d", "", "00000000-0000-0000-0000-000000000000" }, Nulls = { 1 } },
            new ColumnValues { Texts = { """{"a":[1,{"b":null}]}""", "", "[]" }, Nulls = { 1 } },
        },
    };

    private static FeatureRows Rows() => new()
    {
        Columns =
        {
            new Column { Name = "text", Type = "string" },
            new Column { Name = "integer", Type = "integer" },
            new Column { Name = "number", Type = "number" },
            new Column { Name = "boolean", Type = "boolean" },
            new Column { Name = "time", Type = "string", Format = "date-time" },
            new Column { Name = "date", Type = "string", Format = "date" },
            new Column { Name = "uuid", Type = "string", Format = "uuid" },
            new Column { Name = "json", Type = "object" },
            new Column { Name = "nothing", Type = "number" },
        },
        Rows =
        {
            new FeatureRow
            {
                RecordSrn = "urn:osa:localhost:rec:abc@1",
                RunId = "abc",
                CreatedAt = new Timestamp(),
                Values =
                {
                    new FeatureValue { Text = "Ångström \"quoted\" 🧬" },
                    new FeatureValue { Integer = long.MaxValue },
                    new FeatureValue { Number = 0.1 },
                    new FeatureValue { Boolean = true },
                    new FeatureValue { DateTime = "2026-01-31T12:00:00.123456Z" },
                    new FeatureValue { Text = "2026-01-31" },
                    new FeatureValue { Text = "5f0c7e5e-6d5c-4f0e-8f3e-0d3f2a1b4c5d" },
                    new FeatureValue { Json = """{"a":[1,{"b":null}]}""" },
                    new FeatureValue(),
                },
            },
        },
    };
}
