-- What is pulled from upstream systems.

create table osa.sources (
  convention_id       text primary key,
  convention_version  text not null,
  cursor              timestamptz,
  session             text,
  session_started     timestamptz,
  next_due            timestamptz,
  paused_at           timestamptz,
  paused_because      text,
  foreign key (convention_id, convention_version) references osa.conventions
);
comment on column osa.sources.convention_version is 'The newest version that has a source: its definition is what pulls';
comment on column osa.sources.cursor is 'When the last pull began that has taken everything: what changed upstream while it ran is asked for again';
comment on column osa.sources.session is 'Where the next pull of the schedule goes on, when the last one ended at its limit';
comment on column osa.sources.session_started is 'When the first of the pulls began that share the session';
create index on osa.sources (next_due) where paused_at is null;

create table osa.pulls (
  id                  uuid primary key,
  ordinal             bigint generated always as identity unique,
  convention_id       text not null references osa.sources,
  convention_version  text not null,
  cause               text not null check (cause in ('schedule', 'initial', 'hand')),
  requested_by        uuid,
  status              text not null default 'pending' check (status in ('pending', 'running', 'completed', 'failed', 'cancelled')),
  phase               text not null default 'pulling' check (phase in ('pulling', 'taken')),
  since               timestamptz,
  record_limit        bigint,
  batch_size          int,
  moves_cursor        boolean not null,
  chunk               int not null default 1,
  record_offset       bigint not null default 0,
  session             text,
  idle_chunks         int not null default 0,
  failed_because      text,
  is_exhausted        boolean not null default false,
  epoch               bigint not null default 0,
  owner_silo          text,
  engine_id           text,
  next_step_at        timestamptz not null default now(),
  waiting_for         text,
  setbacks            int not null default 0,
  setback_since       timestamptz,
  cancel_because      text,
  summary             text,
  created_at          timestamptz not null default now(),
  started_at          timestamptz,
  completed_at        timestamptz,
  foreign key (convention_id, convention_version) references osa.conventions
);
comment on column osa.pulls.record_offset is 'Records that the chunks before this one offered';
comment on column osa.pulls.idle_chunks is 'Chunks in a row without an id that was new to the pull';
comment on column osa.pulls.is_exhausted is 'Upstream had no more';
create unique index pulls_one_open on osa.pulls (convention_id) where status in ('pending', 'running');
create index on osa.pulls (convention_id, ordinal);

create table osa.pull_attempts (
  pull_id         uuid not null references osa.pulls,
  chunk           int not null,
  attempt         int not null,
  state           text not null default 'claimed' check (state in ('claimed', 'taking', 'done', 'failed', 'lost')),
  engine_id       text not null,
  container_name  text not null unique,
  memory_bytes    bigint not null,
  cpu             double precision not null,
  kill_reason     text,
  digest          text,
  exit_code       bigint,
  duration_ms     bigint,
  peak_memory     bigint,
  out_of_memory   boolean not null default false,
  log             text,
  because         text,
  session         text,
  output_bytes    bigint not null default 0,
  line            bigint not null default 0,
  taken           bigint not null default 0,
  unchanged       bigint not null default 0,
  quarantined     bigint not null default 0,
  blocked         bigint not null default 0,
  fresh           bigint not null default 0,
  claimed_at      timestamptz not null default now(),
  finished_at     timestamptz,
  primary key (pull_id, chunk, attempt)
);
comment on table osa.pull_attempts is 'One container of a source. State claimed holds a slot and its container, taking its directory: it exited 0 and its records are being taken';
comment on column osa.pull_attempts.fresh is 'Ids that the pull had not met in an earlier chunk';
comment on column osa.pull_attempts.blocked is 'Records whose series is withdrawn';
comment on column osa.pull_attempts.line is 'Lines of its records that are taken';
create index on osa.pull_attempts (engine_id) where state in ('claimed', 'taking');

create table osa.source_items (
  convention_id       text not null,
  source_id           text not null,
  sequence            bigint not null default 1,
  content_hash        text not null,
  deposition_id       uuid not null references osa.depositions,
  pull_id             uuid not null references osa.pulls,
  chunk               int not null,
  attempt             int not null,
  taken_by            uuid not null references osa.pulls,
  published_sequence  bigint not null default 0,
  series              uuid,
  primary key (convention_id, source_id)
);
comment on column osa.source_items.pull_id is 'The pull that has met it last, with chunk and attempt';
comment on column osa.source_items.taken_by is 'The pull that brought its content';
comment on table osa.source_items is 'The newest that was ingested under each upstream id, and what of it is published';
create index on osa.source_items (series);

create table osa.source_quarantine (
  id             bigint generated always as identity primary key,
  convention_id  text not null references osa.sources,
  pull_id        uuid not null references osa.pulls,
  chunk          int not null,
  attempt        int not null,
  line           bigint not null,
  source_id      text,
  reason         text not null,
  content        bytea not null,
  is_cut         boolean not null,
  created_at     timestamptz not null default now(),
  redriven_at    timestamptz
);
comment on column osa.source_quarantine.is_cut is 'The line was longer than lines may be: only its beginning is kept';
create index on osa.source_quarantine (convention_id, id);
create index on osa.source_quarantine (pull_id);

create table osa.source_quarantine_files (
  quarantine_id  bigint not null references osa.source_quarantine,
  name           text not null,
  blob_id        uuid not null,
  size           bigint not null,
  sha256         text not null,
  primary key (quarantine_id, name)
);
create index on osa.source_quarantine_files (blob_id);

alter table osa.depositions
  add column source_id text,
  add column source_sequence bigint;
comment on column osa.depositions.source_sequence is 'Its place among what was ingested under its source_id: only something newer than what is published is published';
alter table osa.depositions drop constraint depositions_status_check;
alter table osa.depositions add constraint depositions_status_check
  check (status in ('draft', 'in_validation', 'in_review', 'accepted', 'rejected', 'withdrawn', 'failed', 'superseded'));

alter table osa.validation_runs
  add column pull_id uuid references osa.pulls,
  add column outcomes jsonb;
comment on column osa.validation_runs.outcomes is 'How many of its depositions ended how, once it is final: {"passed": 499, "failed": 1}';
create index on osa.validation_runs (pull_id) where pull_id is not null;
create index validation_runs_of_pulls on osa.validation_runs (convention_id) where pull_id is not null and status in ('pending', 'running');

alter table osa.run_depositions drop constraint run_depositions_status_check;
alter table osa.run_depositions add constraint run_depositions_status_check
  check (status in ('passed', 'rejected', 'failed', 'cancelled', 'returned', 'left_out', 'superseded'));

alter table osa.run_units add column out_of_memory boolean not null default false;

-- Everything that keeps a container or a directory alive.
create view osa.claims as
  select u.engine_id, u.container_name, u.memory_bytes, u.cpu, true as holds_slot, r.convention_id, u.run_id,
    (select count(*) > 1 from (select from osa.run_depositions m where m.run_id = u.run_id limit 2) first_two) as is_bulk
  from osa.run_units u join osa.validation_runs r on r.id = u.run_id where u.state = 'claimed'
  union all
  select a.engine_id, a.container_name, a.memory_bytes, a.cpu, a.state = 'claimed', p.convention_id, null, true
  from osa.pull_attempts a join osa.pulls p on p.id = a.pull_id where a.state in ('claimed', 'taking');
