using Xunit.Sdk;
using Xunit.v3;

namespace Osa.Cluster.Tests;

/// <summary>What takes longest, one cell after the other, begins first: everything else fits beside it.</summary>
public sealed class LongestFirst : ITestCollectionOrderer
{
    public IReadOnlyCollection<TTestCollection> OrderTestCollections<TTestCollection>(IReadOnlyCollection<TTestCollection> testCollections)
        where TTestCollection : ITestCollection =>
        [.. testCollections.OrderByDescending(c => c.TestCollectionDisplayName.Contains(nameof(KillMatrixTests), StringComparison.Ordinal))];
}
