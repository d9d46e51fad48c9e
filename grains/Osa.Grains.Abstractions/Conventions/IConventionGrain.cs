using Orleans.Concurrency;
using Osa.Domain.Access;
using Osa.Grains.Features;

namespace Osa.Grains.Conventions;

/// <summary>Orders the registrations of one convention id.</summary>
[Alias("osa.convention")]
public interface IConventionGrain : IGrainWithStringKey
{
    /// <summary>
    /// Starts the registration of a version, or joins the one under way for the same content, and waits a few seconds for news.
    /// Repeated by the caller until it is done: nothing of it is remembered but its outcome.
    /// </summary>
    /// <param name="documentJson">The registration document.</param>
    /// <param name="seen">The step that the caller knows already; empty at first.</param>
    /// <exception cref="Osa.Domain.Errors.OsaException">
    /// InvalidArgument with every violation; AlreadyExists: the version with other content, or a feature table of another convention;
    /// FailedPrecondition: an incompatible change, or an image that cannot be had; Unavailable.
    /// </exception>
    [Alias("register")]
    [AlwaysInterleave]
    Task<RegistrationStep> Register(Caller caller, string documentJson, string seen, CancellationToken cancellation);

    /// <summary>What registering would do, without doing it.</summary>
    /// <exception cref="Osa.Domain.Errors.OsaException">As <see cref="Register"/>.</exception>
    [Alias("plan")]
    Task<RegistrationPlan> Plan(string documentJson, CancellationToken cancellation);
}

/// <param name="Step">What is being done, in words.</param>
/// <param name="Srn">The convention, when it is registered.</param>
/// <param name="Created">It was made by this registration.</param>
[GenerateSerializer]
[Immutable]
[Alias("osa.registration-step")]
public sealed record RegistrationStep([property: Id(0)] string Step, [property: Id(1)] string? Srn, [property: Id(2)] bool Created);

/// <param name="Unchanged">The version is registered with this content.</param>
[GenerateSerializer]
[Immutable]
[Alias("osa.registration-plan")]
public sealed record RegistrationPlan([property: Id(0)] string Srn, [property: Id(1)] bool Unchanged, [property: Id(2)] IReadOnlyList<TablePlan> Tables);
