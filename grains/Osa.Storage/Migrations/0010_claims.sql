-- A run or a pull that is final claims nothing, whatever became of its last attempt: one may be saved whose acknowledgement got lost
-- just when the run was given up.
create or replace view osa.claims as
  select u.engine_id, u.container_name, u.memory_bytes, u.cpu, true as holds_slot, r.convention_id, u.run_id,
    (select count(*) > 1 from (select from osa.run_depositions m where m.run_id = u.run_id limit 2) first_two) as is_bulk
  from osa.run_units u join osa.validation_runs r on r.id = u.run_id where u.state = 'claimed' and r.status in ('pending', 'running')
  union all
  select a.engine_id, a.container_name, a.memory_bytes, a.cpu, a.state = 'claimed', p.convention_id, null, true
  from osa.pull_attempts a join osa.pulls p on p.id = a.pull_id where a.state in ('claimed', 'taking') and p.status in ('pending', 'running');
