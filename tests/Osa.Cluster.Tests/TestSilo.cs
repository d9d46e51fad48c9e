using Osa.Client;
using Osa.Testing;

namespace Osa.Cluster.Tests;

/// <summary>A silo of a <see cref="TestCluster"/>.</summary>
/// <param name="Port">Its port for the other silos, which its name in the database's rows has too.</param>
internal sealed record TestSilo(NodeProcess Process, string Roles, int Port)
{
    /// <summary>A client of this silo, with the rights to register; on every silo the same user.</summary>
    public OsaClient Client { get; } = Process.Client();

    /// <summary>Neither killed nor ended by itself.</summary>
    public bool IsUp => !Process.HasExited;

    /// <summary>The silo's address begins with this in every row that names it.</summary>
    public string AddressPrefix => $"127.0.0.1:{Port}@";

    public bool RunsContainers => Roles.Contains("containers", StringComparison.Ordinal);
}
