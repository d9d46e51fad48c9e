using System.Security.Cryptography;
using System.Text;
using Osa.Domain.Conventions;
using Osa.Domain.Features;
using Osa.Domain.Hooks;

namespace Osa.Domain.Tests.Features;

public sealed class FeatureFileTests
{
    private static readonly ColumnDefinition[] AllTypes =
    [
        new("t", JsonType.String, null, Required: false),
        new("ts", JsonType.String, "date-time", Required: false),
        new("d", JsonType.String, "date", Required: false),
        new("u", JsonType.String, "uuid", Required: false),
        new("n", JsonType.Number, null, Required: false),
        new("i", JsonType.Integer, null, Required: false),
        new("b", JsonType.Boolean, null, Required: false),
        new("a", JsonType.Array, null, Required: false),
        new("o", JsonType.Object, null, Required: false),
    ];

    public static TheoryData<string, string> Refused => new()
    {
        // The whole file.
        { "", "features: not JSON at line 1, byte 1: The input does not contain any JSON tokens. Expected the input to start with a valid JSON token, when isFinalBlock is true." },
        { "3", "features: expected an array of objects, an object or null, got number" },
        { "\"x\"", "features: expected an array of objects, an object or null, got string" },
        { "[3]", "features[0]: expected object, got number" },
        { "[{},null]", "features[1]: expected object, got null" },
        { "[null,null]", "features[0]: expected object, got null" },
        { "[null,{}]", "features[0]: expected object, got null" },
        { "[[]]", "features[0]: expected object, got array" },
        { "[{}", "features[1]: not JSON at line 1, byte 4: *" },
        { "[{}] x", "features: not JSON at line 1, byte 6: *" },
        { "[{},]", "features[1]: not JSON at line 1, byte 5: *" },
        { "{\"t\":\"x\"}{}", "features: not JSON at line 1, byte 10: *" },
        { "// no\n[]", "features: not JSON at line 1, byte 1: *" },
        { "[\n{\"t\":\"a\"},\n{\"t\":tru}]", "features[1].t: not JSON at line 3, byte 9: *" },

        // Members.
        { "[{},{\"nope\":1}]", "features[1].nope: not a declared column; declared: t, ts, d, u, n, i, b, a, o" },
        { "{\"record_srn\":\"urn:osa:x:rec:yyy@1\"}", "features.record_srn: not a declared column; *" },
        { "[{\"id\":1}]", "features[0].id: not a declared column; *" },
        { "[{\"created_at\":null}]", "features[0].created_at: not a declared column; *" },
        { "[{\"run_id\":null}]", "features[0].run_id: not a declared column; *" },
        { "[{\"t\\u0000\":1}]", "features[0][\"t?\"]: not a declared column; *" },
        { "[{\"\\ud800\":1}]", "features[0][\"\\ud800\"]: not a declared column; *" },
        { "[{\"\\u001b[2J\":1}]", "features[0][\"?[2J\"]: not a declared column; *" },
        { "[{\"t\":\"a\",\"t\":\"b\"}]", "features[0].t: given twice in one row" },
        { "[{\"t\":null,\"\\u0074\":\"b\"}]", "features[0].t: given twice in one row" },

        // Types.
        { "[{},{},{},{\"n\":\"high\"}]", "features[3].n: expected number, got string" },
        { "[{\"n\":true}]", "features[0].n: expected number, got boolean" },
        { "[{\"t\":1}]", "features[0].t: expected string, got number" },
        { "[{\"i\":\"1\"}]", "features[0].i: expected integer, got string" },
        { "[{\"b\":0}]", "features[0].b: expected boolean, got number" },
        { "[{\"a\":{}}]", "features[0].a: expected array, got object" },
        { "[{\"o\":[]}]", "features[0].o: expected object, got array" },
        { "[{\"o\":\"{}\"}]", "features[0].o: expected object, got string" },
        { "[{\"u\":[]}]", "features[0].u: expected string, got array" },

        // Text.
        { "[{\"t\":\"a\\u0000b\"}]", "features[0].t: contains NUL (\\u0000), which PostgreSQL cannot hold" },
        { "[{\"t\":\"\\ud83d\"}]", "features[0].t: not valid Unicode: half of a surrogate pair, or not UTF-8" },
        { "[{\"t\":\"\\ude00\\ud83d\"}]", "features[0].t: not valid Unicode: half of a surrogate pair, or not UTF-8" },
        { "[{\"t\":\"\0\"}]", "features[0].t: not JSON at line 1, byte 8: *" },

        // Numbers.
        { "[{\"n\":NaN}]", "features[0].n: NaN is not JSON and has no place in a feature table; write null in an optional column" },
        { "[{\"n\": -Infinity}]", "features[0].n: -Infinity is not JSON and has no place in a feature table; write null in an optional column" },
        { "[{\"a\":[1,Infinity]}]", "features[0].a[0]: Infinity is not JSON and has no place in a feature table; write null in an optional column" },
        { "[{\"n\":1e309}]", "features[0].n: 1e309 is outside the range of a double" },
        { "[{\"n\":-1e999999999999}]", "features[0].n: -1e999999999999 is outside the range of a double" },
        { "[{\"n\":1e-400}]", "features[0].n: 1e-400 is outside the range of a double (it would become zero)" },
        { "[{\"n\":01}]", "features[0].n: not JSON at *" },
        { "[{\"i\":9223372036854775808}]", "features[0].i: 9223372036854775808 is outside the range of a 64-bit integer" },
        { "[{\"i\":-9223372036854775809}]", "features[0].i: -9223372036854775809 is outside the range of a 64-bit integer" },
        { "[{\"i\":1e19}]", "features[0].i: 1e19 is outside the range of a 64-bit integer" },
        { "[{\"i\":1e1000000000000}]", "features[0].i: 1e1000000000000 is outside the range of a 64-bit integer" },
        { "[{\"i\":1.5}]", "features[0].i: expected integer, got 1.5" },
        { "[{\"i\":1.00000000000000000000000000000000001}]", "features[0].i: expected integer, got 1.00000000000000000000000000000000001" },
        { "[{\"i\":1e-1}]", "features[0].i: expected integer, got 1e-1" },
        { "[{\"i\":12e-9223372036854775808}]", "features[0].i: expected integer, got 12e-9223372036854775808" },

        // Dates, instants, uuids.
        { "[{\"d\":\"2026-02-29\"}]", "features[0].d: expected a date such as 2026-01-31, got \"2026-02-29\"" },
        { "[{\"d\":\"0000-01-01\"}]", "features[0].d: expected a date *" },
        { "[{\"d\":\"2026-1-1\"}]", "features[0].d: expected a date *" },
        { "[{\"d\":\"2026-01-01T00:00:00Z\"}]", "features[0].d: expected a date *" },
        { "[{\"d\":\"infinity\"}]", "features[0].d: expected a date *" },
        { "[{\"ts\":\"2026-01-31T12:00:00\"}]", "features[0].ts: expected an RFC 3339 date-time with offset such as 2026-01-31T12:00:00.25+01:00, got \"2026-01-31T12:00:00\"" },
        { "[{\"ts\":\"2026-01-31 12:00:00Z\"}]", "features[0].ts: expected an RFC 3339 date-time with offset *" },
        { "[{\"ts\":\"2026-01-31T24:00:00Z\"}]", "features[0].ts: expected an RFC 3339 date-time with offset *" },
        { "[{\"ts\":\"2016-12-31T23:59:60Z\"}]", "features[0].ts: expected no leap second *" },
        { "[{\"ts\":\"2026-01-31T12:00:00.0000001Z\"}]", "features[0].ts: expected at most microseconds *" },
        { "[{\"ts\":\"2026-01-31T12:00:00.Z\"}]", "features[0].ts: expected an RFC 3339 date-time with offset *" },
        { "[{\"ts\":\"2026-01-31T12:00:00+0100\"}]", "features[0].ts: expected an RFC 3339 date-time with offset *" },
        { "[{\"ts\":\"2026-01-31T12:00:00+24:00\"}]", "features[0].ts: expected an RFC 3339 date-time with offset *" },
        { "[{\"ts\":\"0001-01-01T00:00:00+00:01\"}]", "features[0].ts: expected an instant in the years 1 to 9999 (UTC), *" },
        { "[{\"ts\":\"9999-12-31T23:59:59-00:01\"}]", "features[0].ts: expected an instant in the years 1 to 9999 (UTC), *" },
        { "[{\"ts\":\"now\"}]", "features[0].ts: expected an RFC 3339 date-time with offset *" },
        { "[{\"u\":\"{123e4567-e89b-12d3-a456-426614174000}\"}]", "features[0].u: expected a uuid such as *" },
        { "[{\"u\":\"123e4567e89b12d3a456426614174000\"}]", "features[0].u: expected a uuid such as *" },
        { "[{\"u\":\"123e4567-e89b-12d3-a456-42661417400g\"}]", "features[0].u: expected a uuid such as *" },
        { "[{\"u\":\"123e4567-e89b-12d3-a456-426614174000 \"}]", "features[0].u: expected a uuid such as *" },

        // Arrays and objects.
        { "[{\"a\":[0,{\"k\":[\"x\",\"\\u0000\"]}]}]", "features[0].a[1].k[1]: contains NUL (\\u0000), which PostgreSQL cannot hold" },
        { "[{\"o\":{\"a\\u0000\":1}}]", "features[0].o[\"a?\"]: contains NUL (\\u0000), which PostgreSQL cannot hold" },
        { "[{\"o\":{\"x\":{\"\\udc00\":1}}}]", "features[0].o.x[\"\\udc00\"]: not valid Unicode: half of a surrogate pair, or not UTF-8" },
        { "[{\"o\":{\"x\":1,\"\\u0078\":2}}]", "features[0].o.x: given twice in one object" },
        { "[{\"o\":{\"\\u0078\":1,\"y\":1,\"x\":2}}]", "features[0].o.x: given twice in one object" },
        { "[{\"o\":{\"k\":{\"x\":1},\"x\":[{\"x\":1},{\"x\":1,\"x\":2}]}}]", "features[0].o.x[1].x: given twice in one object" },
        { $"[{{\"o\":{{{string.Join(',', Enumerable.Range(0, 40).Select(i => $"\"k{i}\":0"))},\"k3\":1}}}}]", "features[0].o.k3: given twice in one object" },
        { $"[{{\"o\":{{{string.Join(',', Enumerable.Range(0, 40).Select(i => $"\"k{i}\":0"))},\"k39\":1}}}}]", "features[0].o.k39: given twice in one object" },
        { "[{\"a\":[1e131072]}]", "features[0].a[0]: the number 1e131072 is outside the range of PostgreSQL's numeric (131,072 digits before and 16,383 after the point)" },
        { "[{\"a\":[[],[1e-16384]]}]", "features[0].a[1][0]: the number 1e-16384 is outside the range of PostgreSQL's numeric *" },
        { "[{\"a\":[1e99999999999999999999]}]", "features[0].a[0]: the number 1e99999999999999999999 is outside *" },
        { "[{\"a\":[[[[[[[]]]]]]]}]", "features[0].a[0][0][0][0][0][0]: nested deeper than 8 levels, this node's limit" },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task What_a_table_could_not_hold_is_refused_with_its_path(string json, string message)
    {
        FeatureFileException e = await Assert.ThrowsAsync<FeatureFileException>(() => Check(json, new NodeLimits { MaxJsonDepth = 8 }, AllTypes));

        if (message.EndsWith('*'))
            Assert.StartsWith(message[..^1], e.Message, StringComparison.Ordinal);
        else
            Assert.Equal(message, e.Message);
    }

    [Theory]
    [InlineData("t", "\"a\xff\xfe\"")]
    [InlineData("t", "\"\xed\xa0\x80\"")]
    [InlineData("t", "\"\xc0\x80\"")]
    [InlineData("t", "\"\\n\xff\"")]
    [InlineData("a", "[\"\xff\"]")]
    [InlineData("o", "{\"\xff\":1}")]
    [InlineData("o", "{\"\\n\xff\":1}")]
    public async Task Bytes_that_are_not_UTF_8_are_refused(string column, string latin1)
    {
        byte[] file = Encoding.Latin1.GetBytes($"[{{\"{column}\":{latin1}}}]");

        FeatureFileException e = await Assert.ThrowsAsync<FeatureFileException>(() => Check(new MemoryStream(file), new NodeLimits(), AllTypes));

        Assert.StartsWith($"features[0].{column}", e.Message, StringComparison.Ordinal);
        Assert.Contains("not ", e.Problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("[null]")]
    [InlineData(" [ ] \n")]
    [InlineData("\uFEFF[]")]
    public async Task A_hook_without_rows_passes(string json) => Assert.Equal(0, (await Check(json, new NodeLimits(), AllTypes)).Summary.Rows);

    [Fact]
    public async Task No_file_is_no_rows() => Assert.Equal(0, (await Check((Stream?)null, new NodeLimits(), AllTypes)).Summary.Rows);

    [Theory]
    [InlineData("{}", 1)]
    [InlineData("[{}]", 1)]
    [InlineData("[{},{},{}]", 3)]
    [InlineData("\uFEFF{\"t\":\"x\"}", 1)]
    public async Task An_object_is_a_row_and_an_array_holds_rows(string json, int rows) =>
        Assert.Equal(rows, (await Check(json, new NodeLimits(), AllTypes)).Summary.Rows);

    [Theory]
    [InlineData("1.0", 1)]
    [InlineData("-0", 0)]
    [InlineData("-0.0", 0)]
    [InlineData("0e999999999999", 0)]
    [InlineData("1e3", 1000)]
    [InlineData("12.5e1", 125)]
    [InlineData("1500e-2", 15)]
    [InlineData("0.0000000000000000000000000000000000000001e40", 1)]
    [InlineData("9223372036854775807", long.MaxValue)]
    [InlineData("9223372036854775807.000", long.MaxValue)]
    [InlineData("-9223372036854775808", long.MinValue)]
    [InlineData("-9.223372036854775808e18", long.MinValue)]
    public async Task A_number_without_fraction_is_an_integer(string number, long expected)
    {
        var column = new ColumnDefinition("i", JsonType.Integer, null, Required: true);
        (_, byte[] canonical) = await Check($"{{\"i\":{number}}}", new NodeLimits(), column);

        Assert.Equal(expected, System.Buffers.Binary.BinaryPrimitives.ReadInt64BigEndian((await OnlyRow(canonical)).AsSpan(4)));
    }

    [Theory]
    [InlineData("{}", "features.x: required, but missing")]
    [InlineData("[{\"x\":\"\"},{\"x\":null}]", "features[1].x: required, but null")]
    public async Task A_required_column_has_a_value_in_every_row(string json, string message)
    {
        var column = new ColumnDefinition("x", JsonType.String, null, Required: true);

        Assert.Equal(message, (await Assert.ThrowsAsync<FeatureFileException>(() => Check(json, new NodeLimits(), column))).Message);
    }

    [Fact]
    public async Task Cardinality_one_allows_one_row()
    {
        var manifest = new HookManifest("h", "R", HookContract.Record, FeatureCardinality.One, AllTypes);

        await FeatureFile.CheckAsync(Utf8("[{}]"), manifest, new NodeLimits(), Stream.Null, CancellationToken.None);
        FeatureFileException e = await Assert.ThrowsAsync<FeatureFileException>(
            () => FeatureFile.CheckAsync(Utf8("[{},{}]"), manifest, new NodeLimits(), Stream.Null, CancellationToken.None));

        Assert.Equal("features[1]: the hook's cardinality is one: at most one row is allowed", e.Message);
    }

    [Fact]
    public async Task Every_limit_is_enforced_and_named()
    {
        string Refusal(FeatureFileException e) => e.Message;

        Assert.Equal(
            "features[2]: more than 2 rows, this node's limit",
            Refusal(await Assert.ThrowsAsync<FeatureFileException>(() => Check("[{},{},{}]", new NodeLimits { MaxFeatureRows = 2 }, AllTypes))));
        Assert.Equal(
            "features: the file is longer than 100 bytes, this node's limit",
            Refusal(await Assert.ThrowsAsync<FeatureFileException>(() => Check("[" + new string(' ', 100), new NodeLimits { MaxFeatureBytes = 100 }, AllTypes))));
        Assert.Equal(
            "features[1].t: longer than 10 bytes, this node's limit for one value",
            Refusal(await Assert.ThrowsAsync<FeatureFileException>(
                () => Check("[{\"t\":\"1234567890\"},{\"t\":\"12345678901\"}]", new NodeLimits { MaxFeatureValueBytes = 10 }, AllTypes))));
        Assert.Equal(
            "features[0].a[2]: with this the column's value is longer than 10 bytes, this node's limit for one value",
            Refusal(await Assert.ThrowsAsync<FeatureFileException>(
                () => Check("[{\"a\":[\"12\",1,\"12345678901\"]}]", new NodeLimits { MaxFeatureValueBytes = 10 }, AllTypes))));
        Assert.Equal(
            "features[0].a[0]: with this the column's value is longer than 200 bytes, this node's limit for one value",
            Refusal(await Assert.ThrowsAsync<FeatureFileException>(() => Check("[{\"a\":[1e300]}]", new NodeLimits { MaxFeatureValueBytes = 200 }, AllTypes))));
        Assert.Equal(
            "features[0].a[1]: with this value the row is longer than 20 bytes, this node's limit for one row",
            Refusal(await Assert.ThrowsAsync<FeatureFileException>(
                () => Check("[{\"t\":\"1234567890\",\"a\":[1,\"12345\"]}]", new NodeLimits { MaxFeatureRowBytes = 20 }, AllTypes))).Replace("a:", "a[1]:", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_value_larger_than_its_limit_is_refused_before_it_is_read_to_its_end()
    {
        var endless = new EndlessText("[{\"t\":\"", 'x');

        FeatureFileException e = await Assert.ThrowsAsync<FeatureFileException>(() => Check(endless, new NodeLimits { MaxFeatureValueBytes = 1 << 20 }, AllTypes));

        Assert.Equal("features[0].t: longer than 1,048,576 bytes, this node's limit for one value", e.Message);
        Assert.InRange(endless.BytesRead, 1 << 20, 32 << 20);
    }

    [Fact]
    public async Task Rows_that_grow_on_the_way_are_written_out_in_constant_memory()
    {
        // 500 nulls for 2 bytes of file: the canonical form is a thousand times larger.
        ColumnDefinition[] columns = [.. Enumerable.Range(0, 500).Select(i => new ColumnDefinition($"c{i}", JsonType.Integer, null, Required: false))];
        string json = "[" + string.Join(',', Enumerable.Repeat("{}", 50_000)) + "]";
        long before = GC.GetTotalMemory(forceFullCollection: true);
        var watch = new PeakStream();

        await FeatureFile.CheckAsync(Utf8(json), Manifest(columns), new NodeLimits(), watch, CancellationToken.None);
        FeatureFileException e = await Assert.ThrowsAsync<FeatureFileException>(
            () => FeatureFile.CheckAsync(Utf8(json), Manifest(columns), new NodeLimits { MaxFeatureBytes = 1 << 20 }, Stream.Null, CancellationToken.None));

        Assert.InRange(watch.Length, 50_000 * 2000, long.MaxValue);
        Assert.InRange(watch.LargestWrite, 1, 1 << 20);
        Assert.InRange(watch.PeakMemory - before, long.MinValue, 64 << 20);
        Assert.EndsWith("the checked rows take more than 1,048,576 bytes, this node's limit", e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(4096)]
    public async Task How_the_file_arrives_does_not_matter(int chunk)
    {
        string json = "[" + string.Join(",\n", Enumerable.Range(0, 2_000).Select(i =>
            $$"""{"n":{{i}}.5,"t":"row {{i}} \u00e9 😀","o":{"k":[{{i}},null,"\n"]},"ts":"2026-01-31T12:00:00.25+01:00"}""")) + "]";

        (FeatureFileSummary whole, byte[] canonical) = await Check(json, new NodeLimits(), AllTypes);
        (FeatureFileSummary chunked, _) = await Check(new ChunkedStream(Encoding.UTF8.GetBytes(json), chunk), new NodeLimits(), AllTypes);

        Assert.Equal(whole, chunked);
        Assert.Equal(2_000, whole.Rows);
        Assert.Equal(canonical.Length, whole.Bytes);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(canonical)), whole.Sha256);
    }

    [Fact]
    public async Task A_row_that_no_database_page_could_hold_is_refused()
    {
        ColumnDefinition[] columns = [.. Enumerable.Range(0, 500).Select(i => new ColumnDefinition($"c{i}", JsonType.String, null, Required: false))];
        string json = "{" + string.Join(',', columns.Select(c => $"\"{c.Name}\":\"twenty-four characters..\"")) + "}";

        FeatureFileException e = await Assert.ThrowsAsync<FeatureFileException>(() => Check(json, new NodeLimits(), columns));

        Assert.StartsWith("features: the row takes up to ", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_damaged_canonical_file_is_noticed()
    {
        (_, byte[] canonical) = await Check("[{\"t\":\"x\"},{}]", new NodeLimits(), AllTypes);

        await Assert.ThrowsAsync<InvalidDataException>(() => OnlyRow(canonical[..^1]));
        await Assert.ThrowsAsync<InvalidDataException>(() => OnlyRow("not a canonical file"u8.ToArray()));
        canonical[^1] = 7;
        await Assert.ThrowsAsync<InvalidDataException>(() => OnlyRow(canonical));
    }

    private static HookManifest Manifest(params ColumnDefinition[] columns) => new("h", "R", HookContract.Record, FeatureCardinality.Many, columns);

    private static MemoryStream Utf8(string json) => new(Encoding.UTF8.GetBytes(json));

    private static Task<(FeatureFileSummary Summary, byte[] Canonical)> Check(string json, NodeLimits limits, params ColumnDefinition[] columns) =>
        Check(Utf8(json), limits, columns);

    private static async Task<(FeatureFileSummary Summary, byte[] Canonical)> Check(Stream? json, NodeLimits limits, params ColumnDefinition[] columns)
    {
        var canonical = new MemoryStream();
        FeatureFileSummary summary = await FeatureFile.CheckAsync(json, Manifest(columns), limits, canonical, CancellationToken.None);
        return (summary, canonical.ToArray());
    }

    private static async Task<byte[]> OnlyRow(byte[] canonical)
    {
        using CanonicalFeatureReader reader = await CanonicalFeatureReader.OpenAsync(new MemoryStream(canonical), CancellationToken.None);
        byte[] row = [];
        do
        {
            while (reader.TryRead(out ReadOnlySpan<byte> next))
                row = next.ToArray();
        }
        while (await reader.FillAsync(CancellationToken.None));
        return row;
    }
}
