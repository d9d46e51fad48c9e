namespace Osa.Domain.Access;

/// <summary>What a caller may do; each role includes the ones before it.</summary>
public enum Role
{
    Public = 0,
    Depositor = 10,
    Curator = 20,
    Admin = 30,
    Superadmin = 40,
}

/// <summary>Who asks. An explicit argument of every command: never taken from ambient state.</summary>
/// <param name="UserId">The user, or <see cref="Guid.Empty"/> for the system and for nobody.</param>
/// <param name="Role">The highest role of the user.</param>
[GenerateSerializer]
[Immutable]
[Alias("osa.caller")]
public sealed record Caller([property: Id(0)] Guid UserId, [property: Id(1)] Role Role)
{
    /// <summary>Somebody without a token.</summary>
    public static Caller Anonymous { get; } = new(Guid.Empty, Role.Public);

    public bool Has(Role minimum) => Role >= minimum;

    /// <summary>Owners read their own depositions, curators and up read all.</summary>
    public bool MayRead(Guid owner) => (Role >= Role.Depositor && UserId == owner) || Role >= Role.Curator;

    /// <summary>Only the owner changes a deposition.</summary>
    public bool MayChange(Guid owner) => Role >= Role.Depositor && UserId == owner;
}
