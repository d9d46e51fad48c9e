using Orleans.Configuration;

namespace Osa.Grains;

/// <summary>This silo: where it is, and what it is for.</summary>
/// <param name="Address">Orleans address, <c>ip:port@generation</c>, as rows name owners.</param>
/// <param name="ClusterId">Orleans' cluster id, under which membership lists the silos.</param>
/// <param name="DataDirectory">Where it keeps files.</param>
public sealed record LocalSilo(string Address, string Name, string ClusterId, NodeRoles Roles, string DataDirectory)
{
    public static LocalSilo Of(ILocalSiloDetails details, ClusterOptions cluster, NodeRoles roles, string dataDirectory) =>
        new(AddressOf(details.SiloAddress), details.Name, cluster.ClusterId, roles, dataDirectory);

    /// <summary>The form in which <c>orleans.membership</c> joins address, port and generation.</summary>
    public static string AddressOf(SiloAddress address) => $"{address.Endpoint.Address}:{address.Endpoint.Port}@{address.Generation}";
}

/// <summary>What a silo is for. A silo without <see cref="Containers"/> never touches a container engine.</summary>
[Flags]
public enum NodeRoles
{
    None = 0,

    /// <summary>Serves clients.</summary>
    Api = 1,

    /// <summary>Runs hook containers on the engine it reaches.</summary>
    Containers = 2,
}
