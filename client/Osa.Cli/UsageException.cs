namespace Osa.Cli;

/// <summary>Something on this side of the wire that the user can put right: a file, an option, the environment.</summary>
internal sealed class UsageException(string message) : Exception(message);
