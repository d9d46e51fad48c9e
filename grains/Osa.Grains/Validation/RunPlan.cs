using Osa.Domain.Hooks;
using Osa.Storage.Validation;

namespace Osa.Grains.Validation;

/// <summary>One attempt that is to be made: a hook over some depositions of the run.</summary>
/// <param name="MemoryBytes">The hook's own limit, or more after it ran out of that.</param>
/// <param name="Claimed">The attempt that is already on record and may have its container; null for a new one.</param>
internal sealed record PlannedUnit(HookDefinition Hook, int HookOrdinal, int Unit, int Attempt, RunUnit? Claimed, IReadOnlyList<RunMember> Members, long MemoryBytes);

/// <summary>
/// What a hook still has to do in a run, from rows alone, so that whoever takes a run over plans what its predecessor would have.
/// A unit that broke before all of its depositions had an outcome is split: where it gave some, the next one in line is the suspect
/// and goes alone; where it gave none, it is halved. So the guilty ends up alone, and everybody else gets a verdict of their own.
/// One that ran out of memory is first tried once more with twice as much.
/// </summary>
internal static class RunPlan
{
    /// <summary>Depositions that fail alone, none ever having had an outcome, before the hook counts as broken for all.</summary>
    public const int Hopeless = 8;

    /// <param name="standing">The depositions that every earlier hook has passed.</param>
    /// <param name="units">The attempts of the run so far, in order.</param>
    /// <param name="outputs">The outcomes of the run so far.</param>
    /// <param name="maxMemoryBytes">The most that a container may get.</param>
    /// <returns>The units to run now, independent of each other; empty when every deposition has its outcome.</returns>
    public static List<PlannedUnit> Next(HookDefinition hook, int hookOrdinal, IReadOnlyList<RunMember> standing, IReadOnlyList<RunUnit> units, IReadOnlyList<RunOutput> outputs, long maxMemoryBytes)
    {
        ILookup<int, RunOutput> given = outputs.Where(o => o.HookOrdinal == hookOrdinal).ToLookup(o => o.Unit);
        HashSet<Guid> done = [.. given.SelectMany(g => g).Select(o => o.DepositionId)];
        List<RunMember> open = [.. standing.Where(m => !done.Contains(m.DepositionId))];
        List<RunUnit> newest = [.. units.Where(u => u.HookOrdinal == hookOrdinal).GroupBy(u => u.Unit).Select(g => g.MaxBy(u => u.Attempt)!).OrderBy(u => u.Unit)];
        var plan = new List<PlannedUnit>();
        foreach (RunUnit unit in newest.Where(u => u.State != "done"))
        {
            List<RunMember> members = open.FindAll(m => Covers(unit, m));
            if (members.Count > 0)
            {
                plan.Add(unit.State == "claimed"
                    ? new PlannedUnit(hook, hookOrdinal, unit.Unit, unit.Attempt, unit, members, unit.MemoryBytes)
                    : new PlannedUnit(hook, hookOrdinal, unit.Unit, unit.Attempt + 1, null, members, unit.MemoryBytes));
                open.RemoveAll(members.Contains);
            }
        }

        int next = newest.Count == 0 ? 0 : newest[^1].Unit + 1;
        // Ranges of units that came later lie inside those that they were split from.
        foreach (IGrouping<RunUnit?, RunMember> group in open.GroupBy(m => newest.FindLast(u => Covers(u, m))))
        {
            List<RunMember> members = [.. group];
            bool grows = group.Key is { OutOfMemory: true } small && More(hook, maxMemoryBytes) > small.MemoryBytes;
            IEnumerable<IReadOnlyList<RunMember>> parts = grows ? [members]
                : group.Key is null ? members.Chunk(hook.Manifest.Contract == HookContract.Batch ? hook.Limits.BatchSize : 1)
                : members.Count == 1 ? [members]
                : given[group.Key.Unit].Any() ? [[members[0]], members[1..]]
                : members.Chunk((members.Count + 1) / 2);
            plan.AddRange(parts.Select(part => new PlannedUnit(hook, hookOrdinal, next++, 1, null, part, grows ? More(hook, maxMemoryBytes) : group.Key?.MemoryBytes ?? hook.Limits.MemoryBytes)));
        }

        return plan;
    }

    /// <summary>Whether trying the rest would only repeat what happened to each that was tried alone.</summary>
    public static bool IsHopeless(int hookOrdinal, IReadOnlyList<RunUnit> units, IReadOnlyList<RunOutput> outputs)
    {
        HashSet<int> alone = [.. units.Where(u => u.HookOrdinal == hookOrdinal && u.FirstOrdinal == u.LastOrdinal).Select(u => u.Unit)];
        List<RunOutput> given = [.. outputs.Where(o => o.HookOrdinal == hookOrdinal)];
        return given.Count >= Hopeless && given.TrueForAll(o => o.Status == "failed" && alone.Contains(o.Unit));
    }

    /// <summary>What a hook gets that ran out of its memory, in bytes.</summary>
    public static long More(HookDefinition hook, long maxMemoryBytes) => Math.Min(2 * hook.Limits.MemoryBytes, maxMemoryBytes);

    private static bool Covers(RunUnit unit, RunMember member) => member.Ordinal >= unit.FirstOrdinal && member.Ordinal <= unit.LastOrdinal;
}
