-- The ADO.NET providers' contract (rows of OrleansQuery) over tables of our own, in their own schema.
-- Every statement that decides something does so in one round trip: compare-and-set on a version, or insert on conflict do nothing.

set local search_path = orleans;

create table orleansquery (querykey text primary key, querytext text not null);

create table membership_version (cluster_id text primary key, version int not null default 0, changed_at timestamptz not null default now());
create table membership (
  cluster_id text not null references membership_version on delete cascade, address text not null, port int not null, generation int not null,
  silo_name text not null, host_name text not null, status int not null, proxy_port int not null, suspect_times text,
  start_time timestamptz not null, iamalive_time timestamptz not null, primary key (cluster_id, address, port, generation));

create table grain_state (
  service_id text not null, state_name text not null, key_n0 bigint not null, key_n1 bigint not null, key_ext text not null default '',
  version int not null, payload bytea, modified_at timestamptz not null default now(),
  primary key (service_id, state_name, key_n0, key_n1, key_ext)) with (fillfactor = 80);

create table reminder (
  service_id text not null, grain_id text not null, name text not null, start_time timestamptz not null, period_ms bigint not null,
  grain_hash int not null, version int not null default 0, primary key (service_id, grain_id, name));
create index reminder_ring on reminder (service_id, grain_hash);

insert into orleansquery(querykey, querytext) values
('GatewaysQueryKey', $q$select address, proxy_port as proxyport, generation from membership where cluster_id = @DeploymentId and status = @Status and proxy_port > 0$q$),
('MembershipReadRowKey', $q$select v.version, m.address, m.port, m.generation, m.silo_name as siloname, m.host_name as hostname, m.status, m.proxy_port as proxyport, m.suspect_times as suspecttimes, m.start_time as starttime, m.iamalive_time as iamalivetime
   from membership_version v left join membership m on m.cluster_id = v.cluster_id and m.address = @Address and m.port = @Port and m.generation = @Generation where v.cluster_id = @DeploymentId$q$),
('MembershipReadAllKey', $q$select v.version, m.address, m.port, m.generation, m.silo_name as siloname, m.host_name as hostname, m.status, m.proxy_port as proxyport, m.suspect_times as suspecttimes, m.start_time as starttime, m.iamalive_time as iamalivetime
   from membership_version v left join membership m on m.cluster_id = v.cluster_id where v.cluster_id = @DeploymentId$q$),
('InsertMembershipVersionKey', $q$with i as (insert into membership_version(cluster_id) values (@DeploymentId) on conflict do nothing returning 1) select exists(select 1 from i)$q$),
('UpdateIAmAlivetimeKey', $q$update membership set iamalive_time = @IAmAliveTime where cluster_id = @DeploymentId and address = @Address and port = @Port and generation = @Generation$q$),
('InsertMembershipKey', $q$with l as materialized (select cluster_id from membership_version where cluster_id = @DeploymentId and version = @Version for update),
   i as (insert into membership(cluster_id, address, port, generation, silo_name, host_name, status, proxy_port, start_time, iamalive_time)
         select cluster_id, @Address, @Port, @Generation, @SiloName, @HostName, @Status, @ProxyPort, @StartTime, @IAmAliveTime from l on conflict do nothing returning 1),
   v as (update membership_version m set version = m.version + 1, changed_at = now() from l where m.cluster_id = l.cluster_id and exists (select 1 from i) returning 1)
   select exists(select 1 from v)$q$),
('UpdateMembershipKey', $q$with l as materialized (select cluster_id from membership_version where cluster_id = @DeploymentId and version = @Version for update),
   u as (update membership m set status = @Status, suspect_times = @SuspectTimes, iamalive_time = @IAmAliveTime from l where m.cluster_id = l.cluster_id and m.address = @Address and m.port = @Port and m.generation = @Generation returning 1),
   v as (update membership_version m set version = m.version + 1, changed_at = now() from l where m.cluster_id = l.cluster_id and exists (select 1 from u) returning 1)
   select exists(select 1 from v)$q$),
('DeleteMembershipTableEntriesKey', $q$delete from membership_version where cluster_id = @DeploymentId$q$),
('CleanupDefunctSiloEntriesKey', $q$delete from membership where cluster_id = @DeploymentId and iamalive_time < @IAmAliveTime and status <> 3$q$),
('ReadFromStorageKey', $q$select payload as payloadbinary, version from grain_state where service_id = @ServiceId and state_name = @GrainTypeString and key_n0 = @GrainIdN0 and key_n1 = @GrainIdN1 and key_ext = coalesce(@GrainIdExtensionString::text, '')$q$),
('WriteToStorageKey', $q$with u as (update grain_state set payload = @PayloadBinary, version = version + 1, modified_at = now()
     where service_id = @ServiceId and state_name = @GrainTypeString and key_n0 = @GrainIdN0 and key_n1 = @GrainIdN1 and key_ext = coalesce(@GrainIdExtensionString::text, '') and version = @GrainStateVersion::int returning version),
   i as (insert into grain_state(service_id, state_name, key_n0, key_n1, key_ext, version, payload)
     select @ServiceId, @GrainTypeString, @GrainIdN0, @GrainIdN1, coalesce(@GrainIdExtensionString::text, ''), 1, @PayloadBinary where @GrainStateVersion::int is null on conflict do nothing returning version)
   select coalesce((select version from u), (select version from i), @GrainStateVersion::int) as newgrainstateversion$q$),
('ClearStorageKey', $q$with u as (update grain_state set payload = null, version = version + 1, modified_at = now()
     where service_id = @ServiceId and state_name = @GrainTypeString and key_n0 = @GrainIdN0 and key_n1 = @GrainIdN1 and key_ext = coalesce(@GrainIdExtensionString::text, '') and version = @GrainStateVersion::int returning version)
   select coalesce((select version from u), @GrainStateVersion::int) as newgrainstateversion$q$),
('DeleteStorageKey', $q$with d as (delete from grain_state
     where service_id = @ServiceId and state_name = @GrainTypeString and key_n0 = @GrainIdN0 and key_n1 = @GrainIdN1 and key_ext = coalesce(@GrainIdExtensionString::text, '') and version = @GrainStateVersion::int returning version + 1 as version)
   select coalesce((select version from d), @GrainStateVersion::int) as newgrainstateversion$q$),
('ReadReminderRowsKey', $q$select grain_id as grainid, name as remindername, start_time as starttime, period_ms as period, version from reminder where service_id = @ServiceId and grain_id = @GrainId$q$),
('ReadReminderRowKey', $q$select grain_id as grainid, name as remindername, start_time as starttime, period_ms as period, version from reminder where service_id = @ServiceId and grain_id = @GrainId and name = @ReminderName$q$),
('ReadRangeRows1Key', $q$select grain_id as grainid, name as remindername, start_time as starttime, period_ms as period, version from reminder where service_id = @ServiceId and grain_hash > @BeginHash and grain_hash <= @EndHash$q$),
('ReadRangeRows2Key', $q$select grain_id as grainid, name as remindername, start_time as starttime, period_ms as period, version from reminder where service_id = @ServiceId and (grain_hash > @BeginHash or grain_hash <= @EndHash)$q$),
('UpsertReminderRowKey', $q$insert into reminder as r (service_id, grain_id, name, start_time, period_ms, grain_hash) values (@ServiceId, @GrainId, @ReminderName, @StartTime, @Period, @GrainHash)
   on conflict (service_id, grain_id, name) do update set start_time = excluded.start_time, period_ms = excluded.period_ms, grain_hash = excluded.grain_hash, version = r.version + 1 returning version$q$),
('DeleteReminderRowKey', $q$with d as (delete from reminder where service_id = @ServiceId and grain_id = @GrainId and name = @ReminderName and version = @Version returning 1) select exists(select 1 from d)$q$),
('DeleteReminderRowsKey', $q$delete from reminder where service_id = @ServiceId$q$);

set local search_path = public;
