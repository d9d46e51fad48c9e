namespace Osa.Storage.Hosts;

/// <summary>Something that the node should have done by now.</summary>
/// <param name="Kind"><c>run</c>, <c>pull</c>, <c>source</c>, <c>claim</c> or <c>events</c>.</param>
/// <param name="Subject">The id of the run or the pull, the convention of the source, or how many events.</param>
/// <param name="Owner">The silo whose move it is; null where any may make it.</param>
public sealed record LateItem(string Kind, string Subject, string? Owner, string Reason, TimeSpan LateBy, int Setbacks);

/// <summary>What is late, and why. Who waits in a queue is not late: its owner says every minute what for.</summary>
public sealed class LateWork(Database database)
{
    private const int AtMost = 1_000;

    // A sweep comes every few seconds: what it is about to see is not late yet.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(15);

    /// <param name="clusterId">Orleans' cluster id, for the membership that tells who lives.</param>
    public Task<List<LateItem>> ListAsync(string clusterId, CancellationToken cancellation) =>
        database.Run(
            c => c.Command(
                """
                with live as (
                  select s.silo, s.engine_id from orleans.membership m join osa.silos s on s.silo = m.address || ':' || m.port || '@' || m.generation
                  where m.cluster_id = $1 and m.status = 3)
                select * from (
                  select 'run' as kind, r.id::text as subject, r.owner_silo as owner,
                    coalesce(r.waiting_for, case when r.cancel_because is not null then 'to be cancelled'
                      when not exists (select from osa.silos s join live on live.silo = s.silo where 'containers' = any (s.roles)) then 'no live silo runs containers'
                      when r.owner_silo is null then 'no silo has taken it up' else 'its owner has not been heard of' end) as reason,
                    now() - coalesce(r.setback_since, r.next_step_at) as late, r.setbacks
                  from osa.validation_runs r where r.status in ('pending', 'running') and (r.next_step_at < now() - $2 or r.setback_since is not null)
                  union all
                  select 'pull', p.id::text, p.owner_silo,
                    coalesce(p.waiting_for, case when p.cancel_because is not null then 'to be cancelled' when p.owner_silo is null then 'no silo has taken it up' else 'its owner has not been heard of' end),
                    now() - coalesce(p.setback_since, p.next_step_at), p.setbacks
                  from osa.pulls p where p.status in ('pending', 'running') and (p.next_step_at < now() - $2 or p.setback_since is not null)
                  union all
                  select 'source', s.convention_id, null, 'its schedule was due', now() - s.next_due, 0
                  from osa.sources s join osa.conventions v on v.id = s.convention_id and v.version = s.convention_version
                  where s.next_due < now() - $2 and s.paused_at is null and v.retired_at is null
                  union all
                  select 'claim', u.run_id::text, null, 'no live silo reaches engine ' || u.engine_id || ', where ' || u.container_name || ' may still run', now() - u.claimed_at, 0
                  from osa.run_units u where u.state = 'claimed' and u.claimed_at < now() - $2 and u.engine_id not in (select engine_id from live where engine_id is not null)
                  union all
                  select 'events', count(*)::text, null, 'they have no position in the feed yet', now() - min(created_at), 0
                  from osa.events where position is null and created_at < now() - $2 having count(*) > 0) late
                order by late desc limit $3
                """,
                clusterId, Grace, (long)AtMost).ToList(r => new LateItem(r.GetString(0), r.GetString(1), r.TextOrNull(2), r.GetString(3), r.GetTimeSpan(4), r.GetInt32(5)), cancellation),
            cancellation);
}
