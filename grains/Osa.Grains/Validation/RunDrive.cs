using Osa.Storage.Conventions;
using Osa.Storage.Validation;

namespace Osa.Grains.Validation;

/// <summary>What an activation knows of the run that it drives: a cache of rows that only it writes. Used from one grain's turns only.</summary>
internal sealed class RunDrive(ClaimedRun claimed, Convention judged, RunPulseSource pulse, Wish wish)
{
    public Fence Fence => claimed.Fence;

    public int Setbacks => claimed.Setbacks;

    /// <summary>Of several depositions, which wait for each other anyway.</summary>
    public bool IsBulk => claimed.Members.Count > 1;

    /// <summary>What it judges by: its convention, or a trial's changed copy.</summary>
    public Convention Judged => judged;

    /// <summary>The depositions that every hook so far has passed.</summary>
    public List<RunMember> Standing { get; } = [.. claimed.Members];

    /// <summary>Every attempt, in order.</summary>
    public List<RunUnit> Units { get; } = [.. claimed.Units];

    public List<RunOutput> Outputs { get; } = [.. claimed.Outputs];

    public RunPulseSource Pulse => pulse;

    public Wish Wish => wish;

    /// <summary>Everybody who has joined, once nobody can any more.</summary>
    public void Stand(IEnumerable<RunMember> members)
    {
        Standing.Clear();
        Standing.AddRange(members);
    }

    public void Change(RunUnit unit)
    {
        int at = Units.FindIndex(u => u.HookOrdinal == unit.HookOrdinal && u.Unit == unit.Unit && u.Attempt == unit.Attempt);
        if (at < 0)
        {
            Units.Add(unit);
        }
        else
        {
            Units[at] = unit;
        }
    }
}
