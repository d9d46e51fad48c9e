namespace Osa.Silo.Hosting;

/// <summary>
/// Reads the wall clock once and goes on evenly from there. What Orleans schedules does not survive a clock that is set back: no grain
/// could be activated until it has caught up.
/// </summary>
internal sealed class SteadyClock(TimeProvider wall) : TimeProvider
{
    private readonly DateTimeOffset _origin = wall.GetUtcNow();
    private readonly long _start = wall.GetTimestamp();

    public override DateTimeOffset GetUtcNow() => _origin + GetElapsedTime(_start);
}
