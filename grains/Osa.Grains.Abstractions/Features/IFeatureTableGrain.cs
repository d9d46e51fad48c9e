using Orleans.Concurrency;
using Osa.Domain.Hooks;

namespace Osa.Grains.Features;

/// <summary>The queue in front of the DDL of one feature table: what a registrant may do is planned in its turn.</summary>
[Alias("osa.feature-table")]
public interface IFeatureTableGrain : IGrainWithStringKey
{
    /// <summary>Waits a few seconds for the turn; asking again with the same ticket keeps the place in the queue.</summary>
    /// <returns>The plan when it is the caller's turn, null while others are before it. A turn ends by <see cref="Leave"/> or after 30 s.</returns>
    /// <exception cref="Osa.Domain.Errors.OsaException">AlreadyExists: the table is another convention's. FailedPrecondition: the change is not compatible. Both end the turn.</exception>
    [Alias("enter")]
    [AlwaysInterleave]
    Task<TablePlan?> Enter(string ticket, string conventionId, HookManifest manifest, CancellationToken cancellation);

    [Alias("leave")]
    [AlwaysInterleave]
    Task Leave(string ticket);
}

/// <summary>What registering would do to a feature table.</summary>
/// <param name="Action"><c>create</c>, <c>keep</c> or <c>extend</c>.</param>
[GenerateSerializer]
[Immutable]
[Alias("osa.table-plan")]
public sealed record TablePlan([property: Id(0)] string Name, [property: Id(1)] string Action, [property: Id(2)] IReadOnlyList<string> AddedColumns);
