using Google.Protobuf.Reflection;
using Grpc.Core;
using Osa.Client;
using Osa.Client.Depositions;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>Who may do what.</summary>
public sealed class AccessTests(SharedNode shared)
{
    /// <summary>Every operation of the protocol.</summary>
    public static TheoryData<string> Operations => [.. RawCalls.Methods.Select(m => $"{m.Service.FullName}/{m.Name}")];

    private Archive Archive => shared.Archive;

    [Fact]
    public void Every_operation_declares_its_minimum_role_and_only_these_are_public()
    {
        IReadOnlyList<MethodDescriptor> methods = RawCalls.Methods;

        Assert.Equal(10, methods.Select(m => m.Service.FullName).Distinct().Count());
        Assert.All(methods, m => Assert.NotEqual(Role.Unspecified, MinimumOf(m)));
        Assert.Equal(
            [
                "osa.v1.Conventions.Get", "osa.v1.Conventions.GetRegistrationSchema", "osa.v1.Conventions.List", "osa.v1.Events.Page", "osa.v1.Events.Watch", "osa.v1.Features.Catalog", "osa.v1.Features.Rows",
                "osa.v1.Node.Info", "osa.v1.Node.Limits", "osa.v1.Queries.Aggregate", "osa.v1.Queries.Columns", "osa.v1.Queries.Count", "osa.v1.Queries.Export", "osa.v1.Queries.Rows", "osa.v1.Records.Download", "osa.v1.Records.Get", "osa.v1.Records.List",
            ],
            methods.Where(m => MinimumOf(m) == Role.Public).Select(m => m.FullName).Order(StringComparer.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Operations))]
    public async Task An_operation_begins_only_for_its_minimum_role(string operation)
    {
        MethodDescriptor method = RawCalls.Methods.Single(m => $"{m.Service.FullName}/{m.Name}" == operation);
        Role minimum = MinimumOf(method);

        StatusCode without = await CallAsync(method, []);
        if (minimum == Role.Public)
        {
            Assert.True(IsAdmitted(without), $"without a token: {without}");
        }
        else
        {
            Assert.Equal(StatusCode.Unauthenticated, without);
        }

        foreach (Role role in (Role[])[Role.Depositor, Role.Curator, Role.Admin, Role.Superadmin])
        {
            StatusCode answer = await CallAsync(method, Archive.Headers(role.ToString().ToLowerInvariant(), "zoe"));
            Assert.True(role >= minimum ? IsAdmitted(answer) : answer == StatusCode.PermissionDenied, $"{role}: {answer}");
        }
    }

    [Fact]
    public async Task Somebody_elses_deposition_and_run_are_not_to_be_found()
    {
        (DepositionHandle adas, ValidationRun run) = await RejectedWithFileAsync();
        OsaClient eve = Archive.Node.Client("depositor", "eve");

        foreach (Func<Task> call in Reads(eve, adas.Srn, run.Srn).Concat(Changes(eve, adas.Srn)))
        {
            OsaClientException refusal = await Expect.RefusedAsync(StatusCode.NotFound, call);
            Assert.DoesNotContain("permission", refusal.Message, StringComparison.OrdinalIgnoreCase);
        }

        Assert.DoesNotContain(await eve.Depositions.ListAsync().ToListAsync(), d => d.Srn == adas.Srn);
        Assert.Equal(DepositionStatus.Draft, (await adas.GetAsync()).Status);
    }

    [Fact]
    public async Task A_curator_reads_but_only_the_owner_changes()
    {
        (DepositionHandle adas, ValidationRun run) = await RejectedWithFileAsync();

        foreach (OsaClient curator in (OsaClient[])[Archive.Node.Client("curator", "carl"), Archive.Node.Client("admin", "adam"), Archive.Node.Client("superadmin", "sue")])
        {
            foreach (Func<Task> read in Reads(curator, adas.Srn, run.Srn))
            {
                await read();
            }

            foreach (Func<Task> change in Changes(curator, adas.Srn))
            {
                OsaClientException refusal = await Expect.RefusedAsync(StatusCode.PermissionDenied, change);
                Expect.Says("Only the owner changes a deposition", refusal.Message);
            }
        }

        Assert.Single(await Archive.Ada.Runs.ListAsync(adas.Srn));
    }

    [Fact]
    public async Task Only_the_own_role_counts_not_the_name_of_the_user()
    {
        DepositionHandle draft = await Archive.DraftAsync(shared.Obedient);

        // The same user with a greater role is still the owner.
        await Archive.Node.Client("admin", "ada").Depositions.Handle(draft.Srn).SetMetadataAsync(Documents.Metadata(null, "changed"));

        Expect.Says("changed", (await draft.GetAsync()).MetadataJson);
    }

    [Fact]
    public async Task Tokens_that_this_node_did_not_sign_or_that_are_over_are_refused_everywhere()
    {
        (string Name, string Token)[] bad =
        [
            ("expired", Tokens.Signed(Archive.Data, Tokens.Claims(lifetime: TimeSpan.FromMinutes(-1)))),
            ("forged", Tokens.Signed(Archive.Data, Tokens.Claims(), key: new byte[32])),
            ("alg none", Tokens.Unsigned(Tokens.Claims())),
            ("another algorithm", Tokens.Signed(Archive.Data, Tokens.Claims(), algorithm: "HS512")),
            ("wrong audience", Tokens.Signed(Archive.Data, Tokens.Claims(("aud", "somebody else")))),
            ("no audience", Tokens.Signed(Archive.Data, Tokens.Claims(("aud", null)))),
            ("no end", Tokens.Signed(Archive.Data, Tokens.Claims(("exp", null)))),
            ("unknown role", Tokens.Signed(Archive.Data, Tokens.Claims(("role", "emperor")))),
            ("role by number", Tokens.Signed(Archive.Data, Tokens.Claims(("role", "7")))),
            ("no role", Tokens.Signed(Archive.Data, Tokens.Claims(("role", null)))),
            ("the system", Tokens.Signed(Archive.Data, Tokens.Claims(("sub", Guid.Empty.ToString())))),
            ("nobody", Tokens.Signed(Archive.Data, Tokens.Claims(("sub", null)))),
            ("tampered", Tampered(Tokens.Signed(Archive.Data, Tokens.Claims()))),
            ("no token at all", "nonsense"),
        ];

        foreach ((string name, string token) in bad)
        {
            using OsaClient client = OsaClient.Connect(Archive.Node.Address, token);
            OsaClientException refusal = await Assert.ThrowsAsync<OsaClientException>(() => client.Node.StatusAsync());
            Assert.True(refusal.Code == StatusCode.Unauthenticated, $"{name}: {refusal.Code}");
            await Expect.RefusedAsync(StatusCode.Unauthenticated, () => client.Node.InfoAsync());
            Assert.Equal(name is "expired" or "no end", refusal.Message.Contains("expired", StringComparison.Ordinal));
        }

        using OsaClient good = OsaClient.Connect(Archive.Node.Address, Tokens.Signed(Archive.Data, Tokens.Claims()));
        Assert.NotEmpty((await good.Node.StatusAsync()).Silos);
    }

    [Fact]
    public async Task The_standard_health_and_reflection_services_answer_without_a_token()
    {
        byte[] health = await Archive.Channel.CreateCallInvoker().AsyncUnaryCall(new Method<byte[], byte[]>(MethodType.Unary, "grpc.health.v1.Health", "Check", RawCalls.Bytes, RawCalls.Bytes), null, default, []);
        using AsyncDuplexStreamingCall<byte[], byte[]> reflection = Archive.Channel.CreateCallInvoker().AsyncDuplexStreamingCall(
            new Method<byte[], byte[]>(MethodType.DuplexStreaming, "grpc.reflection.v1alpha.ServerReflection", "ServerReflectionInfo", RawCalls.Bytes, RawCalls.Bytes), null, default);
        // list_services, field 7, empty.
        await reflection.RequestStream.WriteAsync([0x3A, 0x00]);
        await reflection.RequestStream.CompleteAsync();
        Assert.True(await reflection.ResponseStream.MoveNext());

        // status, field 1: SERVING.
        Assert.Equal([0x08, 0x01], health);
        string services = System.Text.Encoding.UTF8.GetString(reflection.ResponseStream.Current);
        Assert.All((string[])["Conventions", "Depositions", "ValidationRuns", "Records", "Features", "Node"], s => Expect.Says($"osa.v1.{s}", services));
    }

    private static Role MinimumOf(MethodDescriptor method) => method.GetOptions()?.GetExtension(AccessExtensions.MinimumRole) ?? Role.Unspecified;

    private static bool IsAdmitted(StatusCode answer) => answer is StatusCode.OK or StatusCode.InvalidArgument or StatusCode.NotFound;

    private static string Tampered(string token)
    {
        string[] parts = token.Split('.');
        return $"{parts[0]}.{Tokens.Encode(Tokens.Claims(("role", "superadmin")).ToJsonString())}.{parts[2]}";
    }

    private static IEnumerable<Func<Task>> Reads(OsaClient client, string deposition, string run)
    {
        DepositionHandle handle = client.Depositions.Handle(deposition);
        return
        [
            () => handle.GetAsync(), () => handle.ValidateAsync(), () => handle.DownloadAsync("a.txt", new MemoryStream()),
            () => client.Runs.ListAsync(deposition), () => client.Runs.Handle(run).GetAsync(), () => client.Runs.Handle(run).WaitAsync(),
        ];
    }

    private static IEnumerable<Func<Task>> Changes(OsaClient client, string deposition)
    {
        DepositionHandle handle = client.Depositions.Handle(deposition);
        return
        [
            () => handle.SetMetadataAsync(Documents.Metadata(null)), () => Archive.UploadAsync(handle, "b.txt", "x"), () => handle.DeleteFileAsync("a.txt"), () => handle.SubmitAsync(),
        ];
    }

    private async Task<(DepositionHandle Deposition, ValidationRun Run)> RejectedWithFileAsync()
    {
        DepositionHandle draft = await Archive.DraftAsync(shared.Obedient, Documents.Reject("for reading"));
        await Archive.UploadAsync(draft, "a.txt", "x");
        return (draft, await Archive.VerdictAsync(await draft.SubmitAsync()));
    }

    // The feed from its beginning (after = 0); of nothing else is the first field a number.
    private Task<StatusCode> CallAsync(MethodDescriptor method, Metadata headers) => RawCalls.CallAsync(
        Archive, method, headers, method.IsServerStreaming && method.Name == "Watch" && method.Service.Name == "Events" ? [8, 0] : [], DateTime.MaxValue.ToUniversalTime());
}
