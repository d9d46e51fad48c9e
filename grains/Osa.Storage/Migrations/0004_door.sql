-- Runs over many depositions, curation, embargo, versions and withdrawal.

alter table osa.conventions
  add column retired_at timestamptz,
  add column retired_because text;
comment on column osa.conventions.retired_at is 'Since then nobody deposits to this version; what was submitted goes on';

alter table osa.depositions
  add column revises uuid,
  add column embargo_until timestamptz;
comment on column osa.depositions.revises is 'The record series that it will add a version to; null for a new record';
comment on column osa.depositions.embargo_until is 'The record that it becomes is held until then; infinity: until it is released';

create unique index depositions_one_revision on osa.depositions (revises) where status in ('draft', 'in_validation', 'in_review');

alter table osa.validation_runs
  add column phase text not null default 'hooks' check (phase in ('hooks', 'review')),
  add column cancel_because text,
  add column share boolean not null default false,
  add column trial jsonb;
comment on column osa.validation_runs.phase is 'review: its hooks are done and its next move is a curator''s';
comment on column osa.validation_runs.cancel_because is 'Set once somebody wished the run to end; final when its container is gone';
comment on column osa.validation_runs.share is 'Until its first container is claimed, further submissions of the moment may join it';
comment on column osa.validation_runs.trial is 'The convention document that a trial judges by: it publishes nothing and changes no deposition';
-- Those who join a run at the same moment do not wait for each other; the first has 0.
create sequence osa.run_ordinals as int cycle;
create index validation_runs_share on osa.validation_runs (convention_id, convention_version) where share and status in ('pending', 'running');

alter table osa.run_depositions
  add column review text check (review in ('waiting', 'approved', 'returned')),
  add column review_since timestamptz,
  add column reviewed_by uuid,
  add column review_reason text;
alter table osa.run_depositions add column settled_at timestamptz;
alter table osa.run_depositions drop constraint run_depositions_status_check;
alter table osa.run_depositions add constraint run_depositions_status_check
  check (status in ('passed', 'rejected', 'failed', 'cancelled', 'returned', 'left_out'));
create index run_depositions_review on osa.run_depositions (review_since) where review = 'waiting';

alter table osa.run_units
  add column cpu_ms bigint,
  add column broken_because text;
comment on column osa.run_units.broken_because is 'Why a container over several depositions ended before all had an outcome';

alter table osa.records
  add column owner_id uuid,
  add column is_current boolean not null default true,
  add column embargo_until timestamptz,
  add column withdrawn_at timestamptz,
  add column withdrawn_because text,
  add column withdrawn_by uuid;
update osa.records r set owner_id = d.owner_id from osa.depositions d where d.id = r.deposition_id;
comment on column osa.records.is_current is 'The newest version of its series that is published';
comment on column osa.records.embargo_until is 'Seen by its owner and curators only until then; infinity: until it is released';
comment on column osa.records.withdrawn_at is 'A tombstone: the name stays, its rows have left the feature tables';
-- What default reads of features leave out: few, so that looking for them costs nothing.
create index records_not_plain on osa.records (srn) where not is_current or embargo_until is not null or withdrawn_at is not null;
