namespace Osa.Storage.Embedded;

/// <summary>The node's own PostgreSQL.</summary>
public sealed record EmbeddedPostgresOptions
{
    /// <summary>The node's data directory; the server's files go to <c>postgres/</c> in it.</summary>
    public required string DataDirectory { get; init; }

    /// <summary>Directory of <c>initdb</c>, <c>pg_ctl</c> and <c>postgres</c>. Default: the newest, 15 or later, of the usual places and the search path.</summary>
    public string? BinDirectory { get; init; }

    /// <summary>The user that runs the server when the node is root, which PostgreSQL refuses to be. Default: <c>postgres</c>, else <c>nobody</c>.</summary>
    public string? RunAs { get; init; }

    /// <summary>Where the server's files go when that user cannot reach the data directory. Default: <c>/var/lib/osa</c>.</summary>
    public string FallbackDirectory { get; init; } = "/var/lib/osa";

    /// <summary>Most connections. Default: 200.</summary>
    public int MaxConnections { get; init; } = 200;

    /// <summary>False gives up durability for speed, for tests only: after a power cut the cluster may be corrupt. Default: true.</summary>
    public bool Durable { get; init; } = true;

    /// <summary>How long the server may take to answer, recovery after a crash included. Default: 5 minutes.</summary>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>How long the server may take to stop before it is made to, which the next start recovers from. Default: 60 seconds.</summary>
    public TimeSpan StopTimeout { get; init; } = TimeSpan.FromSeconds(60);
}
