namespace Osa.Client;

/// <summary>How a client behaves towards its node.</summary>
public sealed record OsaClientOptions
{
    /// <summary>How long one attempt of a unary call may take. Default: 30 s. Streams have no deadline.</summary>
    public TimeSpan CallTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How many times a call is repeated after UNAVAILABLE, ABORTED or DEADLINE_EXCEEDED. Default: 4, which spans about 3 s with the default
    /// <see cref="RetryDelay"/>.
    /// </summary>
    public int MaxRetries { get; init; } = 4;

    /// <summary>Wait before the first repetition, doubled with each further one up to 5 s, with jitter. Default: 200 ms.</summary>
    public TimeSpan RetryDelay { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>Send the token over http:// to other machines, where everybody on the way can read it. Default: false.</summary>
    public bool AllowPlaintextToken { get; init; }
}
