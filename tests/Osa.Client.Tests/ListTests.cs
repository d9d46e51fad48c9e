using System.Text.Json.Nodes;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
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
