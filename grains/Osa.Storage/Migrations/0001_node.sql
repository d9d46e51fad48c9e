-- What a node knows. Deadlines and timestamps are the database's now(). Statuses are the names of the Domain's enums in snake case.
-- A migration only adds; what the previous release reads goes one release later.

create table osa.node (
  singleton   boolean primary key default true check (singleton),
  cluster_id  uuid not null default gen_random_uuid(),
  domain      text not null,
  store_id    uuid,
  created_at  timestamptz not null default now()
);

create table osa.schemas (
  srn         text primary key,
  title       text not null,
  fields      jsonb not null,
  created_at  timestamptz not null default now()
);

create table osa.conventions (
  id            text not null,
  version       text not null,
  ordinal       bigint generated always as identity,
  srn           text not null unique,
  title         text not null,
  description   text,
  schema_srn    text not null references osa.schemas,
  document      jsonb not null,
  content_hash  text not null,
  registered_by uuid not null,
  created_at    timestamptz not null default now(),
  primary key (id, version)
);
comment on column osa.conventions.document is 'The canonical registration document with the digests that registration resolved';
comment on column osa.conventions.content_hash is 'SHA-256 of the canonical document as the registrant sent it';
create index on osa.conventions (ordinal);

create table osa.depositions (
  id                  uuid primary key,
  owner_id            uuid not null,
  convention_id       text not null,
  convention_version  text not null,
  status              text not null default 'draft'
                      check (status in ('draft', 'in_validation', 'in_review', 'accepted', 'rejected', 'withdrawn')),
  metadata            jsonb not null default '{}',
  run_id              uuid,
  reasons             text[] not null default '{}',
  record_srn          text,
  created_at          timestamptz not null default now(),
  updated_at          timestamptz not null default now(),
  foreign key (convention_id, convention_version) references osa.conventions
);
comment on column osa.depositions.id is 'UUID version 7: newest first is id descending';
create index on osa.depositions (owner_id, id);
create index on osa.depositions (convention_id, id);

create table osa.deposition_files (
  deposition_id uuid not null references osa.depositions,
  name          text not null,
  blob_id       uuid not null,
  size          bigint not null,
  sha256        text not null,
  content_type  text not null default '',
  uploaded_at   timestamptz not null default now(),
  primary key (deposition_id, name)
);
create index on osa.deposition_files (blob_id);

create table osa.released_blobs (
  blob_id     uuid primary key,
  released_at timestamptz not null default now()
);
comment on table osa.released_blobs is 'Blobs that lost a reference; deleted a day later if nothing refers to them then';

create table osa.validation_runs (
  id                  uuid primary key,
  convention_id       text not null,
  convention_version  text not null,
  status              text not null default 'pending'
                      check (status in ('pending', 'running', 'passed', 'rejected', 'failed', 'cancelled')),
  epoch               bigint not null default 0,
  owner_silo          text,
  engine_id           text,
  next_step_at        timestamptz not null default now(),
  waiting_for         text,
  setbacks            int not null default 0,
  summary             text,
  created_at          timestamptz not null default now(),
  started_at          timestamptz,
  completed_at        timestamptz,
  foreign key (convention_id, convention_version) references osa.conventions
);
comment on column osa.validation_runs.epoch is 'The fence: whoever claims the run adds one, and every later write of it names the epoch it claimed';
comment on column osa.validation_runs.next_step_at is 'By when the owner must have moved; past it any silo may wake the run';
comment on column osa.validation_runs.setbacks is 'Infrastructure failures in a row, for the next pause';
create index on osa.validation_runs (next_step_at) where status in ('pending', 'running');

create table osa.run_depositions (
  run_id        uuid not null references osa.validation_runs,
  ordinal       int not null,
  deposition_id uuid not null references osa.depositions,
  status        text check (status in ('passed', 'rejected', 'failed', 'left_out')),
  reason        text,
  record_srn    text,
  primary key (run_id, ordinal),
  unique (run_id, deposition_id)
);
create index on osa.run_depositions (deposition_id);

create table osa.run_units (
  run_id          uuid not null references osa.validation_runs,
  hook_ordinal    int not null,
  unit            int not null,
  attempt         int not null,
  hook            text not null,
  first_ordinal   int not null,
  last_ordinal    int not null,
  state           text not null default 'claimed' check (state in ('claimed', 'done', 'lost')),
  engine_id       text not null,
  container_name  text not null unique,
  container_id    text,
  memory_bytes    bigint not null,
  cpu             double precision not null,
  kill_reason     text,
  digest          text,
  exit_code       bigint,
  duration_ms     bigint,
  peak_memory     bigint,
  log             text,
  lost_because    text,
  claimed_at      timestamptz not null default now(),
  finished_at     timestamptz,
  primary key (run_id, hook_ordinal, unit, attempt)
);
comment on table osa.run_units is 'One attempt of one hook over some of a run''s depositions; state claimed is the claim that keeps its container alive';
create index on osa.run_units (engine_id) where state = 'claimed';

create table osa.run_outputs (
  run_id        uuid not null references osa.validation_runs,
  deposition_id uuid not null,
  hook_ordinal  int not null,
  hook          text not null,
  unit          int not null,
  attempt       int not null,
  status        text not null check (status in ('passed', 'rejected', 'failed', 'cancelled')),
  reason        text,
  progress      jsonb not null default '[]',
  blob_id       uuid,
  byte_offset   bigint not null default 0,
  byte_length   bigint not null default 0,
  rows          bigint not null default 0,
  sha256        text,
  primary key (run_id, deposition_id, hook_ordinal)
);
create index on osa.run_outputs (blob_id) where blob_id is not null;

create table osa.records (
  srn                 text primary key,
  ordinal             bigint generated always as identity unique,
  id                  uuid not null,
  version             int not null,
  convention_id       text not null,
  convention_version  text not null,
  schema_srn          text not null,
  deposition_id       uuid not null references osa.depositions,
  run_id              uuid not null references osa.validation_runs,
  metadata            jsonb not null,
  hooks               jsonb not null,
  published_at        timestamptz not null default now(),
  unique (id, version),
  unique (deposition_id, run_id),
  foreign key (convention_id, convention_version) references osa.conventions
);
comment on column osa.records.hooks is 'The digests that were actually started, and the rows each gave: [{"hook", "digest", "rows"}]';
create index on osa.records (convention_id, ordinal);

create table osa.record_files (
  record_srn    text not null references osa.records,
  name          text not null,
  blob_id       uuid not null,
  size          bigint not null,
  sha256        text not null,
  content_type  text not null,
  primary key (record_srn, name)
);
create index on osa.record_files (blob_id);

create table osa.events (
  id          bigint generated always as identity primary key,
  position    bigint unique,
  event_id    uuid not null default gen_random_uuid(),
  type        text not null,
  subject     text not null,
  audience    text not null check (audience in ('public', 'owner', 'admin')),
  owner_id    uuid,
  payload     jsonb not null,
  created_at  timestamptz not null default now()
);
comment on column osa.events.position is 'Given after commit, gap-free, in id order: the only order that readers page by';
create index events_unnumbered on osa.events (id) where position is null;

create table osa.idempotency (
  caller_id   uuid not null,
  operation   text not null,
  key         text not null,
  answer      text not null,
  created_at  timestamptz not null default now(),
  primary key (caller_id, operation, key)
);

create table osa.silos (
  silo            text primary key,
  name            text not null,
  roles           text[] not null,
  heartbeat_at    timestamptz not null default now(),
  engine_id       text,
  engine_state    text not null default '',
  engine_version  text not null default '',
  api_version     text not null default '',
  kernel          text not null default '',
  cgroup_version  text not null default '',
  slots           int not null default 0,
  memory_bytes    bigint not null default 0,
  cpu             double precision not null default 0
);
comment on table osa.silos is 'What each silo says of itself every few seconds; liveness is membership''s to tell';
comment on column osa.silos.engine_state is 'ready, or why this silo''s container engine offers no slots';
