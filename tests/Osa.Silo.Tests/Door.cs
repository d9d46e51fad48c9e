using Grpc.Core;
using Grpc.Core.Interceptors;
using Osa.V1;

namespace Osa.Silo.Tests;

/// <summary>The protocol itself, called by somebody.</summary>
internal sealed class Door
{
    public Door(Archive archive, string role, string user)
    {
        Metadata headers = archive.Headers(role, user);
        CallInvoker invoker = archive.Channel.Intercept(sent =>
        {
            foreach (Metadata.Entry header in headers)
            {
                sent.Add(header);
            }

            return sent;
        });
        (Conventions, Depositions, Runs, Curation, Records, Features, Queries, Events) = (new(invoker), new(invoker), new(invoker), new(invoker), new(invoker), new(invoker), new(invoker), new(invoker));
    }

    public Conventions.ConventionsClient Conventions { get; }

    public Depositions.DepositionsClient Depositions { get; }

    public ValidationRuns.ValidationRunsClient Runs { get; }

    public Curation.CurationClient Curation { get; }

    public Records.RecordsClient Records { get; }

    public Features.FeaturesClient Features { get; }

    public Queries.QueriesClient Queries { get; }

    public Events.EventsClient Events { get; }

    /// <summary>A call that the node refuses with this code; its words.</summary>
    public static async Task<string> RefusedAsync(StatusCode code, Func<Task> call)
    {
        RpcException refusal = await Assert.ThrowsAsync<RpcException>(call);
        Assert.True(refusal.StatusCode == code, refusal.ToString());
        return refusal.Status.Detail;
    }
}
