using Osa.Domain.Errors;
using Osa.Storage.Conventions;
using Osa.Storage.Validation;

namespace Osa.Grains.Validation;

/// <summary>What an activation knows of the run that it drives: a cache of rows that only it writes. Used from one grain's turns only.</summary>
internal sealed class RunDrive(ClaimedRun claimed, Convention judged, RunPulseSource pulse, RunWish wish)
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

    public RunWish Wish => wish;

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

/// <summary>That somebody wishes the run to end: the row says so, and this wakes whoever works on it.</summary>
internal sealed class RunWish
{
    private readonly CancellationTokenSource _signal = new();

    /// <summary>Why; null while nobody wishes it.</summary>
    public string? Because { get; private set; }

    public CancellationToken Token => _signal.Token;

    /// <summary>Reads the row: somebody said that there may be something in it.</summary>
    public async Task LookAsync(RunStore runs, Fence fence, CancellationToken cancellation)
    {
        try
        {
            if (await runs.WishAsync(fence, cancellation) is { } because)
            {
                Say(because);
            }
        }
        catch (Exception e) when (e is OsaException or FenceLostException or OperationCanceledException)
        {
            // Whoever sweeps says it again in a moment.
        }
    }

    public void Say(string because)
    {
        if (Because is null)
        {
            Because = because;
            _signal.Cancel();
        }
    }
}
