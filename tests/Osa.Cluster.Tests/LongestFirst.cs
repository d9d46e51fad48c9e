using Xunit.Sdk;
using Xunit.v3;

namespace Osa.Cluster.Tests;

/// <summary>What takes longest begins first: everything else fits beside it.</summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    private static readonly string[] Longest = [nameof(RandomKillTests), nameof(KillMatrixTests), nameof(GroupKillMatrixTests), nameof(PullFaultTests), nameof(DatabaseFaultTests), nameof(EngineFaultTests)];

    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(IReadOnlyCollection<TTestCollection> testCollections)
        where TTestCollection : ITestCollection =>
        [.. testCollections.OrderBy(c => (uint)Array.FindIndex(Longest, l => c.TestCollectionDisplayName.Contains($".{l}", StringComparison.Ordinal)))];
}
