using System.Text;
using System.Text.Json.Nodes;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.Core;
using Osa.Client.Depositions;
using Osa.Testing;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>Requests that nobody in their right mind sends, of every operation of the protocol.</summary>
public sealed class BadRequestTests : IAsyncLifetime
{
    // What an operation of this node may answer to anybody, whatever is asked.
    private static readonly HashSet<StatusCode> Proper =
    [
        StatusCode.OK, StatusCode.InvalidArgument, StatusCode.NotFound, StatusCode.AlreadyExists, StatusCode.PermissionDenied, StatusCode.FailedPrecondition, StatusCode.OutOfRange,
        StatusCode.ResourceExhausted, StatusCode.Aborted,
    ];

    // Of everything that a refused request could have half done.
    private const string Everything = """
        select concat_ws(' ',
          (select md5(string_agg(concat_ws(' ', id, status, metadata, revises, embargo_until, run_id), ',' order by id)) from osa.depositions),
          (select md5(string_agg(f::text, ',' order by f::text)) from osa.deposition_files f), (select md5(string_agg(concat_ws(' ', srn, is_current, withdrawn_at, embargo_until), ',' order by srn)) from osa.records),
          (select count(*) from osa.conventions), (select count(*) from osa.schemas), (select count(*) from osa.feature_tables), (select count(*) from osa.validation_runs), (select count(*) from osa.run_depositions),
          (select count(*) from osa.events), (select count(*) from osa.idempotency), (select count(*) from pg_class where relnamespace = 'features'::regnamespace))
        """;

    private static readonly string[] Hostile =
    [
        "", " ", "\0", "a\0b", "'; drop table osa.records; --", "\"", "\\", "../../etc/passwd", "/", ".", "..", "a/b", "%s%n", "{}", "[]", "null", "{\"a\":", "\ud800", "\uffff", "𝒳", "é", "e\u0301", "\u202e",
        "-1", "9223372036854775808", "NaN", "1e999", "true", "urn:osa:", "urn:osa:localhost:dep:", "urn:osa:localhost:rec:00000000-0000-0000-0000-000000000000@1", "urn:osa:localhost:val:not-a-uuid",
        "urn:osa:elsewhere:dep:00000000-0000-0000-0000-000000000000", "urn:osa:localhost:rec:00000000-0000-0000-0000-000000000000@99999999999999999999", "id@1.0.0", "id@", "@", "pg_class", "Ünïcode", "a b.txt", "con",
    ];

    private readonly TempDirectory _data = new();
    private readonly Random _random = new(int.TryParse(Environment.GetEnvironmentVariable("OSA_TESTS_SEED"), out int seed) ? seed : 20261127);

    private Archive Archive { get; set; } = null!;

    // What there is: names that are right, in places where they may be wrong.
    private string[] Real { get; set; } = [];

    public async ValueTask InitializeAsync()
    {
        Archive = await Archive.StartAsync(_data.Path, await PostgresServer.CreateDatabaseAsync());
        (string id, string table) = (Documents.NewId("real"), Documents.NewTable("real"));
        JsonObject document = Documents.Convention(id, "1.0.0", Documents.Hook(table, Documents.RowColumns));
        string convention = (await Archive.RegisterAsync(document)).Convention.Srn;
        (DepositionHandle deposition, ValidationRun run) = await Archive.JudgeAsync(id, Documents.Rows(2));
        DepositionHandle draft = await Archive.DraftAsync(id, Documents.Rows(1));
        await Archive.UploadAsync(draft, "a b.txt", "hello");
        Real =
        [
            convention, id, table, deposition.Srn, draft.Srn, run.Srn, run.RecordSrn, run.RecordSrn.Split('@')[0], "a b.txt", "title", "position", "label", document.ToJsonString(), Documents.Metadata(Documents.Rows(1)).ToJsonString(),
            Documents.HooksDigest, TestHooks.Support.StaticPrograms.TestHooksReference, "RecordPublished",
        ];
    }

    public async ValueTask DisposeAsync()
    {
        await Archive.DisposeAsync();
        _data.Dispose();
    }

    [Fact]
    public async Task None_is_an_error_of_the_node_and_a_refused_one_has_changed_nothing()
    {
        Metadata headers = Archive.Headers("superadmin", "ada");
        string before = await RestAsync();
        var answers = new Dictionary<StatusCode, int>();
        for (int i = 0; i < (TestLength.IsLong ? 20_000 : 2_000); i++)
        {
            MethodDescriptor method = RawCalls.Methods[i % RawCalls.Methods.Count];
            byte[] request = _random.Next(12) == 0 ? Noise() : Message(method.InputType, 0);
            // A stream may have nothing to say.
            StatusCode answer = await RawCalls.CallAsync(Archive, method, headers, request, TimeProvider.System.GetUtcNow().UtcDateTime.AddSeconds(method.IsServerStreaming ? 0.5 : 60));
            string what = $"request {i}, {method.FullName}: {answer} to {Convert.ToBase64String(request)}";
            // The protocol's own answer to bytes that are no message.
            bool isNoMessage = (answer is StatusCode.Internal or StatusCode.Unknown) && !Parses(method, request);
            Assert.True(Proper.Contains(answer) || isNoMessage || (method.IsServerStreaming && answer == StatusCode.DeadlineExceeded), $"{what}\n{Archive.Node.Log[^Math.Min(4_000, Archive.Node.Log.Length)..]}");
            answers[answer] = answers.GetValueOrDefault(answer) + 1;
            string after = await RestAsync();
            Assert.True(answer is StatusCode.OK or StatusCode.DeadlineExceeded || after == before, $"{what} has changed something:\n{before}\n{after}");
            before = after;
        }

        Assert.True(answers.GetValueOrDefault(StatusCode.InvalidArgument) > 100 && answers.GetValueOrDefault(StatusCode.OK) > 100, string.Join(", ", answers));
        // A new one: among so many requests one is right, and has retired the other.
        string id = Documents.NewId("after");
        await Archive.RegisterAsync(Documents.Convention(id, "1.0.0", Documents.Hook(Documents.NewTable("after"), Documents.RowColumns)));
        Assert.Equal(RunStatus.Passed, (await Archive.JudgeAsync(id, Documents.Rows(1))).Run.Status);
    }

    /// <summary>What is stored, once nothing runs and every event has its place.</summary>
    private async Task<string> RestAsync()
    {
        await Eventually.True(
            async () => await Archive.ValueAsync("select (select count(*) from osa.validation_runs where status in ('pending', 'running') and phase = 'hooks') + (select count(*) from osa.events where position is null)") == "0",
            Archive.Patience, "the node does not come to rest");
        return (await Archive.ValueAsync(Everything))!;
    }

    private static bool Parses(MethodDescriptor method, byte[] request)
    {
        try
        {
            method.InputType.Parser.ParseFrom(request);
            return true;
        }
        catch (InvalidProtocolBufferException)
        {
            return false;
        }
    }

    private byte[] Noise()
    {
        byte[] noise = new byte[_random.Next(200)];
        _random.NextBytes(noise);
        return noise;
    }

    /// <summary>A message of the type, whose fields are right, hostile, or missing.</summary>
    private byte[] Message(MessageDescriptor type, int depth)
    {
        using var stream = new MemoryStream();
        using (var output = new CodedOutputStream(stream, leaveOpen: true))
        {
            foreach (FieldDescriptor field in type.Fields.InDeclarationOrder())
            {
                bool isMessage = field.FieldType == FieldType.Message;
                // Filters hold filters: most of them end soon.
                int times = _random.Next(10) switch { < 3 => 0, < 8 when isMessage && depth > 2 => 0, 9 when field.IsRepeated && !isMessage => 60, _ => 1 };
                for (int i = 0; i < times; i++)
                {
                    Write(output, field, depth);
                }
            }
        }

        return stream.ToArray();
    }

    private void Write(CodedOutputStream output, FieldDescriptor field, int depth)
    {
        switch (field.FieldType)
        {
            case FieldType.Message when field.IsMap:
                break;
            case FieldType.Message:
                output.WriteTag(field.FieldNumber, WireFormat.WireType.LengthDelimited);
                output.WriteBytes(ByteString.CopyFrom(Message(field.MessageType, depth + 1)));
                break;
            case FieldType.String:
                output.WriteTag(field.FieldNumber, WireFormat.WireType.LengthDelimited);
                output.WriteBytes(ByteString.CopyFrom(Text()));
                break;
            case FieldType.Bytes:
                output.WriteTag(field.FieldNumber, WireFormat.WireType.LengthDelimited);
                output.WriteBytes(ByteString.CopyFrom(_random.Next(2) == 0 ? Noise() : Text()));
                break;
            case FieldType.Double:
                output.WriteTag(field.FieldNumber, WireFormat.WireType.Fixed64);
                output.WriteDouble(Pick(0, -1, 1.5, double.NaN, double.PositiveInfinity, double.MaxValue, double.Epsilon));
                break;
            default:
                output.WriteTag(field.FieldNumber, WireFormat.WireType.Varint);
                output.WriteInt64(Pick(0, 1, 2, 3, -1, 50, 501, int.MaxValue, int.MinValue, long.MaxValue, long.MinValue, 253_402_300_800));
                break;
        }
    }

    private byte[] Text()
    {
        string text = _random.Next(10) switch
        {
            < 5 => Pick(Real),
            < 8 => Pick(Hostile),
            8 => new string(Pick('a', ' ', '[', '{', '9'), Pick(1, 129, 2_001, 100_000)),
            _ => Pick(Real) + Pick(Hostile),
        };
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        if (bytes.Length > 0 && _random.Next(10) == 0)
        {
            // As often as not, no UTF-8 any more.
            bytes[_random.Next(bytes.Length)] = (byte)_random.Next(256);
        }

        return bytes;
    }

    private T Pick<T>(params T[] from) => from[_random.Next(from.Length)];
}
