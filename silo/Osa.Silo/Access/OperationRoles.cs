using Google.Protobuf.Reflection;
using Grpc.AspNetCore.Server;
using Osa.V1;
using Role = Osa.Domain.Access.Role;

namespace Osa.Silo.Access;

/// <summary>The least role of every operation, as the protocol declares it. Deny by default: an operation without one does not start the node.</summary>
public sealed class OperationRoles
{
    private static readonly FileDescriptor[] Files =
    [
        ConventionsReflection.Descriptor, DepositionsReflection.Descriptor, RunsReflection.Descriptor, CurationReflection.Descriptor, RecordsReflection.Descriptor, FeaturesReflection.Descriptor, QueriesReflection.Descriptor, EventsReflection.Descriptor, SourcesReflection.Descriptor, NodeReflection.Descriptor,
    ];

    // Standard services that say nothing but whether the node serves and what its protocol is.
    private static readonly string[] Standard = ["/grpc.health.v1.Health/", "/grpc.reflection.v1alpha.ServerReflection/", "/grpc.reflection.v1.ServerReflection/"];

    private readonly Dictionary<string, Role> _roles = Files
        .SelectMany(f => f.Services)
        .SelectMany(s => s.Methods)
        .Where(m => m.GetOptions()?.GetExtension(AccessExtensions.MinimumRole) is not (null or V1.Role.Unspecified))
        .ToDictionary(m => $"/{m.Service.FullName}/{m.Name}", m => Enum.Parse<Role>(m.GetOptions().GetExtension(AccessExtensions.MinimumRole).ToString()));

    public static bool IsStandard(string method) => Standard.Any(s => method.StartsWith(s, StringComparison.Ordinal));

    public Role Of(string method) => _roles[method];

    /// <exception cref="InvalidOperationException">An operation that is served declares no minimum role.</exception>
    public void Check(IEnumerable<Endpoint> endpoints)
    {
        List<string> undeclared =
        [
            .. endpoints.Select(e => e.Metadata.GetMetadata<GrpcMethodMetadata>()?.Method.FullName).OfType<string>()
                .Where(method => !IsStandard(method) && !_roles.ContainsKey(method)).Distinct(),
        ];
        if (undeclared.Count > 0)
        {
            throw new InvalidOperationException($"Operations without a minimum role: {string.Join(", ", undeclared)}");
        }
    }
}
