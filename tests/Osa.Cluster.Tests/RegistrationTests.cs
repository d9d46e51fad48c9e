using System.Text.RegularExpressions;
using Grpc.Core;
using Osa.Client;
using Osa.Client.Conventions;

namespace Osa.Cluster.Tests;

public sealed partial class RegistrationTests(RegistrationTests.TwoSilos silos) : IClassFixture<RegistrationTests.TwoSilos>
{
    private TestCluster Cluster => silos.Cluster;

    [Fact]
    public Task Of_200_conventions_that_want_one_feature_table_name_one_gets_it_and_the_others_learn_whose_it_is() => Cluster.ExplainAsync(async () =>
    {
        Attempt[] attempts = await RegisterAsync([.. Enumerable.Range(0, 200).Select(i => Document($"claim-{i:000}", "contested"))]);

        Attempt winner = Assert.Single(attempts, a => a.Registration is not null);
        Assert.All(attempts.Where(a => a != winner), a => AssertConflict(a, "contested", winner.Id));
        Assert.Equal([winner.Id], await Cluster.ReadAsync("select convention_id from osa.feature_tables where name = 'contested'", r => r.GetString(0)));
        Assert.Equal([winner.Id], await Cluster.ReadAsync("select id from osa.conventions where id like 'claim-%'", r => r.GetString(0)));
        await ClusterInvariants.CheckAsync(Cluster, []);
    });

    [Fact]
    public Task Conventions_that_want_two_names_in_opposite_order_never_wait_for_each_other_and_leave_no_orphan() => Cluster.ExplainAsync(async () =>
    {
        Attempt[] attempts = await RegisterAsync([.. Enumerable.Range(0, 40).Select(i =>
            i % 2 == 0 ? Document($"pair-{i:000}", "left_name", "right_name") : Document($"pair-{i:000}", "right_name", "left_name"))]);

        Attempt winner = Assert.Single(attempts, a => a.Registration is not null);
        Assert.All(attempts.Where(a => a != winner), a => AssertConflict(a, "left_name", winner.Id));
        Assert.Equal(
            [winner.Id, winner.Id],
            await Cluster.ReadAsync("select convention_id from osa.feature_tables where name in ('left_name', 'right_name')", r => r.GetString(0)));
        await ClusterInvariants.CheckAsync(Cluster, []);
    });

    [Fact]
    public Task Twenty_registrations_of_one_convention_with_the_same_content_all_answer_with_the_same_version() => Cluster.ExplainAsync(async () =>
    {
        Attempt[] attempts = await RegisterAsync([.. Enumerable.Repeat(Document("shared", "shared_rows"), 20)]);

        Assert.All(attempts, a => Assert.Null(a.Refusal));
        Assert.Single(attempts.Select(a => a.Registration!.Convention).Distinct());
        Assert.Single(await Cluster.ReadAsync("select version from osa.conventions where id = 'shared'", r => r.GetString(0)));
        await ClusterInvariants.CheckAsync(Cluster, []);
    });

    private (string Id, string Document) Document(string id, params string[] tables) => (id, ConventionDocuments.Of(id, Cluster.HooksImage, tables));

    // All at once, half of them through each silo.
    private Task<Attempt[]> RegisterAsync((string Id, string Document)[] documents) => Task.WhenAll(documents.Select(async (d, i) =>
    {
        try
        {
            return new Attempt(d.Id, await Cluster.Silos[i % 2].Client.Conventions.RegisterAsync(d.Document), null);
        }
        catch (OsaClientException refusal)
        {
            return new Attempt(d.Id, null, refusal);
        }
    }));

    private static void AssertConflict(Attempt attempt, string table, string owner)
    {
        Assert.Equal((StatusCode.AlreadyExists, attempt.Id), (attempt.Refusal!.Code, attempt.Id));
        Match message = Conflict().Match(attempt.Refusal.Message);
        Assert.True(message.Success, attempt.Refusal.Message);
        Assert.Equal((table, owner), (message.Groups["table"].Value, message.Groups["owner"].Value));
        Assert.NotEqual(table, message.Groups["free"].Value);
    }

    [GeneratedRegex("'(?<table>[a-z_]+)' belongs to convention '(?<owner>[a-z0-9-]+)'; '(?<free>[a-z0-9_]+)' is free", RegexOptions.ExplicitCapture, 1000)]
    private static partial Regex Conflict();

    private sealed record Attempt(string Id, Registration? Registration, OsaClientException? Refusal);

    public sealed class TwoSilos : IAsyncLifetime
    {
        internal TestCluster Cluster { get; private set; } = null!;

        public async ValueTask InitializeAsync()
        {
            Cluster = await TestCluster.CreateAsync(TestCluster.PatientProbe);
            await Cluster.StartAsync(TestCluster.Both, TestCluster.Both);
        }

        public ValueTask DisposeAsync() => Cluster.DisposeAsync();
    }
}
