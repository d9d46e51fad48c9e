using Microsoft.Extensions.Logging;
using Osa.Domain.Validation;

namespace Osa.Containers;

public sealed partial class ContainerEngine
{
    [LoggerMessage(3001, LogLevel.Information, "Container {Container} ({ContainerId}) of an earlier try was adopted: {State}")]
    private partial void LogAdopted(string container, string containerId, PreparedState state);

    [LoggerMessage(3002, LogLevel.Warning, "Container {Container} cannot be adopted: {Reason}")]
    private partial void LogNotAdoptable(string container, string reason);

    [LoggerMessage(3003, LogLevel.Information, "Container {Container} is killed: {Reason}")]
    private partial void LogKill(string container, KillReason reason);

    [LoggerMessage(3004, LogLevel.Information, "The container host passed its self-test in {Milliseconds} ms")]
    private partial void LogSelfTestPassed(long milliseconds);

    [LoggerMessage(3005, LogLevel.Information, "The directory of {Container} is emptied by a container, because the node may not")]
    private partial void LogHelperEmpties(string container);

    [LoggerMessage(3006, LogLevel.Information, "The gate of container {Container} is made anew: {Reason}")]
    private partial void LogGateReplaced(string container, string reason);
}
