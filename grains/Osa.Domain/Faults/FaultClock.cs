using System.Globalization;

namespace Osa.Domain.Faults;

/// <summary>
/// The node's clock, which a test can set while the node runs: the file <c>clock</c> in the directory <c>OSA_FAULTS</c> says by how many
/// seconds it is wrong. Without the variable it is the machine's.
/// </summary>
public sealed class FaultClock : TimeProvider
{
    private readonly string _file;

    private FaultClock(string directory) => _file = Path.Combine(directory, "clock");

    public static TimeProvider OfNode { get; } = Environment.GetEnvironmentVariable("OSA_FAULTS") is { Length: > 0 } directory ? new FaultClock(directory) : System;

    public override DateTimeOffset GetUtcNow() => System.GetUtcNow().AddSeconds(File.Exists(_file) ? double.Parse(File.ReadAllText(_file), CultureInfo.InvariantCulture) : 0);
}
