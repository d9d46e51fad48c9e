using System.CommandLine;

namespace Osa.Cli.Input;

/// <summary><c>--reason</c>: why something is done to what is somebody's.</summary>
internal static class Reason
{
    public static Option<string> Optional(string description) => new("--reason") { Description = description, HelpName = "TEXT" };

    public static Option<string> Required(string description) => new("--reason") { Description = description, HelpName = "TEXT", Required = true };
}
