using System.Text.Json.Nodes;
using Grpc.Core;
using Osa.Client;
using Osa.Client.Depositions;
using Osa.Testing;
using Osa.V1;

namespace Osa.Cluster.Tests;

/// <summary>A node is killed with <c>kill -9</c> before and after each durable step, and started again: everything reaches its verdict, once.</summary>
public abstract class KillMatrix(KillMatrix.Node node)
{
    private const int LongRounds = 3;
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(4);

    // On the way of every run.
    private static readonly string[] OfRuns =
    [
        "submit.before_write", "submit.before_commit", "submit.committed", "run.claimed", "unit.before_attempt", "unit.before_prepare", "unit.staged", "unit.created",
        "unit.before_start", "unit.started", "unit.sealed", "unit.exited", "unit.before_result", "unit.result_saved", "unit.removed", "unit.gone",
        "verdict.before_begin", "verdict.before_write", "verdict.before_commit", "verdict.committed", "events.before_commit", "events.numbered",
    ];

    private static readonly string[] Kinds = ["one hook", "two hooks", "rejected", "curated", "batch"];

    private protected TestCluster Cluster => node.Cluster;

    /// <summary>In the short form every point with one kind, in the long one every point with every kind, three times; of these the ones of the given kinds.</summary>
    private protected static TheoryData<string, string> CellsOf(params string[] kinds)
    {
        IEnumerable<(string Point, string Kind)> cells =
        [
            .. OfRuns.SelectMany((point, i) => Kinds.Where((_, k) => TestLength.IsLong || k == i % Kinds.Length).Select(kind => (point, kind))),
            .. Kinds.Where(k => k == "batch" || (TestLength.IsLong && k != "rejected")).Select(kind => ("verdict.copied", kind)),
            ("review.before_commit", "curated"),
            ("review.committed", "curated"),
        ];
        return new TheoryData<string, string>(cells.Where(c => kinds.Contains(c.Kind)).Select(c => new TheoryDataRow<string, string>(c.Point, c.Kind)));
    }

    private protected Task KilledAsync(string point, string kind) => RepeatAsync(async () =>
    {
        Load load = await LoadAsync(kind);
        TestSilo killed = Cluster.Silos[0];
        killed.Process.Arm(point, "kill");

        Guid run = await Until(() => SubmitAsync(load));
        if (kind == "curated")
        {
            await Until(() => ApproveAsync(load));
        }

        await EndedAsync(killed, point);
        await Cluster.RestartDeadAsync();
        await load.CheckAsync(Cluster, run);
        await ClusterInvariants.CheckAsync(Cluster, load.Published);
        await AttemptsAsync(run);
        FaultReport.Add($"node killed with -9 at `{point}` ({kind})", "verdict, a record if it passed, each row once, no container run twice, nothing left");
    });

    private async Task<Load> LoadAsync(string kind)
    {
        TestSilo silo = Cluster.Silos[0];
        switch (kind)
        {
            case "rejected":
                DepositionHandle refused = await silo.Client.Depositions.CreateAsync(Node.Two, new JsonObject { ["behaviour"] = """{"do":"reject","message":"not this one"}""" });
                return new Load([new Draft(refused.Srn, 0, Guid.NewGuid().ToString("N"))], [], DepositionStatus.Draft);
            case "batch":
                Draft[] several = await Task.WhenAll(Enumerable.Range(1, 3).Select(async i =>
                {
                    DepositionHandle handle = await silo.Client.Depositions.CreateAsync(Node.Many, new JsonObject { ["behaviour"] = $$"""{"do":"rows","count":{{i}}}""" });
                    return new Draft(handle.Srn, i, Guid.NewGuid().ToString("N"));
                }));
                return new Load(several, several, DepositionStatus.Accepted);
            default:
                Draft one = await Cluster.DraftAsync(silo, kind switch { "two hooks" => Node.Two, "curated" => Node.Curated, _ => Node.One }, rows: 3);
                // Two hooks emit the rows that one does, each.
                return new Load([one], [kind == "two hooks" ? one with { Rows = 6 } : one], DepositionStatus.Accepted);
        }
    }

    private protected async Task<Guid> SubmitAsync(Load load)
    {
        TestSilo silo = Cluster.Silos[0];
        return load.Submitted is [{ } one]
            ? await TestCluster.SubmitAsync(silo, one)
            : TestCluster.IdOf((await silo.Client.Depositions.SubmitManyAsync(load.Submitted.Select(d => d.Srn), load.Submitted[0].Key)).Srn);
    }

    // Approved before, where the answer was lost: it is on its way, or published.
    private async Task<bool> ApproveAsync(Load load)
    {
        TestSilo silo = Cluster.Silos[0];
        string srn = load.Submitted[0].Srn;
        Deposition now = await silo.Client.Depositions.Handle(srn).GetAsync();
        if (now.Status == DepositionStatus.InReview)
        {
            try
            {
                await silo.Client.Curation.ApproveAsync([srn]);
            }
            catch (OsaClientException e) when (e.Code == StatusCode.FailedPrecondition)
            {
                Assert.Contains("was approved", e.Message, StringComparison.Ordinal);
            }

            return true;
        }

        return now.Status == DepositionStatus.Accepted ? true : throw new OsaClientException(StatusCode.Unavailable, "not in review yet");
    }

    /// <summary>Does it as somebody who needs it done: again, with the node started again when it has died, until there is an answer.</summary>
    private protected async Task<T> Until<T>(Func<Task<T>> call)
    {
        var waited = System.Diagnostics.Stopwatch.StartNew();
        while (true)
        {
            try
            {
                return await call();
            }
            catch (OsaClientException e) when (e.IsTransient && waited.Elapsed < Patience)
            {
                if (!Cluster.Silos[0].IsUp)
                {
                    await Cluster.RestartDeadAsync();
                }
            }
        }
    }

    // Numbering and removal come after the verdict.
    private protected static Task EndedAsync(TestSilo silo, string point) =>
        Eventually.True(() => Task.FromResult(!silo.IsUp), Patience, () => $"the node never got to {point}\n{silo.Process.Log}");

    /// <summary>Nothing was run again: whatever was killed, each container was taken up where it stood.</summary>
    private protected async Task AttemptsAsync(Guid run) => Assert.Empty(await Cluster.ReadAsync(
        "select hook || ' attempt ' || attempt || ' ' || state || coalesce(': ' || lost_because, '') from osa.run_units where run_id = $1 and (attempt > 1 or state <> 'done')", r => r.GetString(0), run));

    private protected Task RepeatAsync(Func<Task> cell) => TestLength.RepeatAsync(async () =>
    {
        for (int i = 0; i < (TestLength.IsLong ? LongRounds : 1); i++)
        {
            await Cluster.RestartDeadAsync();
            await Cluster.ExplainAsync(cell);
        }
    });

    /// <param name="Published">With the rows of all of their hooks.</param>
    private protected sealed record Load(IReadOnlyList<Draft> Submitted, IReadOnlyList<Draft> Published, DepositionStatus Expected)
    {
        public async Task CheckAsync(TestCluster cluster, Guid run)
        {
            string expected = Expected == DepositionStatus.Accepted ? "passed" : "rejected";
            string status = "";
            await Eventually.True(
                async () => (status = (await cluster.ScalarAsync<string>("select status from osa.validation_runs where id = $1", run))!) is not ("pending" or "running"),
                Patience,
                () => $"run {run} is {status}\n{cluster.Logs()}");
            Assert.Equal(expected, status);
            foreach (Draft draft in Submitted)
            {
                Assert.Equal(Expected, (await cluster.Silos[0].Client.Depositions.Handle(draft.Srn).GetAsync()).Status);
            }
        }
    }

    /// <summary>One silo and a convention of each kind.</summary>
    public sealed class Node : IAsyncLifetime
    {
        internal const string One = "killed-one";
        internal const string Two = "killed-two";
        internal const string Curated = "killed-curated";
        internal const string Many = "killed-many";

        internal TestCluster Cluster { get; private set; } = null!;

        public async ValueTask InitializeAsync()
        {
            Cluster = await TestCluster.CreateAsync(TestCluster.QuickProbe);
            await Cluster.StartAsync(TestCluster.Both);
            foreach (string document in (string[])
            [
                ConventionDocuments.Of(One, Cluster.HooksImage, "one_rows"),
                ConventionDocuments.Of(Two, Cluster.HooksImage, "first_rows", "second_rows"),
                ConventionDocuments.Curated(Curated, Cluster.HooksImage, "curated_rows"),
                ConventionDocuments.Batched(Many, Cluster.HooksImage, "many_rows"),
            ])
            {
                await Cluster.Silos[0].Client.Conventions.RegisterAsync(document);
            }
        }

        public ValueTask DisposeAsync() => Cluster.DisposeAsync();
    }
}
