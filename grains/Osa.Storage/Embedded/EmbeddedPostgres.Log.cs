using Microsoft.Extensions.Logging;

namespace Osa.Storage.Embedded;

internal static partial class EmbeddedPostgresLog
{
    [LoggerMessage(EventId = 2001, Level = LogLevel.Information, Message = "Making the node's own PostgreSQL {MajorVersion} cluster in {Cluster}, run by user {Owner}")]
    public static partial void InitialisingCluster(this ILogger log, string cluster, int majorVersion, string owner);

    [LoggerMessage(EventId = 2002, Level = LogLevel.Information, Message = "The node's own PostgreSQL is {How}: process {ProcessId}")]
    public static partial void ServerReady(this ILogger log, string how, int processId);

    [LoggerMessage(EventId = 2003, Level = LogLevel.Debug, Message = "Waiting for the node's own PostgreSQL (process {ProcessId}): it is starting, recovering or stopping")]
    public static partial void WaitingForServer(this ILogger log, int processId);

    [LoggerMessage(EventId = 2004, Level = LogLevel.Information, Message = "The node's own PostgreSQL has stopped")]
    public static partial void ServerStopped(this ILogger log);

    [LoggerMessage(EventId = 2005, Level = LogLevel.Warning, Message = "The node's own PostgreSQL has ended, and is started again")]
    public static partial void ServerEnded(this ILogger log);

    [LoggerMessage(EventId = 2006, Level = LogLevel.Error, Message = "The node's own PostgreSQL does not start: {Reason}")]
    public static partial void ServerDoesNotStart(this ILogger log, string reason);
}
