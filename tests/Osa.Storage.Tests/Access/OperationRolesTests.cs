using Grpc.AspNetCore.Server;
using Grpc.Core;
using Microsoft.AspNetCore.Http;
using Osa.Silo.Access;

namespace Osa.Storage.Tests.Access;

/// <summary>Deny by default: what the node checks before it serves anything.</summary>
public sealed class OperationRolesTests
{
    [Fact]
    public void A_node_with_an_operation_that_declares_no_minimum_role_does_not_start()
    {
        var roles = new OperationRoles();
        roles.Check([Operation("osa.v1.Node", "Info"), Operation("grpc.health.v1.Health", "Check")]);

        InvalidOperationException refusal = Assert.Throws<InvalidOperationException>(() => roles.Check([Operation("osa.v1.Node", "Info"), Operation("osa.v1.Node", "Forgotten"), Operation("osa.v2.New", "All")]));

        Assert.Equal("Operations without a minimum role: /osa.v1.Node/Forgotten, /osa.v2.New/All", refusal.Message);
    }

    private static Endpoint Operation(string service, string name) => new(
        null, new EndpointMetadataCollection(new GrpcMethodMetadata(typeof(object), new Method<string, string>(MethodType.Unary, service, name, Marshallers.StringMarshaller, Marshallers.StringMarshaller))), name);
}
