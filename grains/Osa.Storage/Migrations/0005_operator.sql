-- What an operator sees of a silo's machine.

alter table osa.silos
  add column runc_version text not null default '',
  add column disk_free_bytes bigint not null default 0,
  add column disk_total_bytes bigint not null default 0;
comment on column osa.silos.disk_free_bytes is 'Of the file system that its data directory is on';
