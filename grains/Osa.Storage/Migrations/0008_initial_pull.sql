-- The first pull of a version that was registered while another pull of its source was open.
alter table osa.sources add column initial_owed boolean not null default false;
comment on column osa.sources.initial_owed is 'The version wants a first pull, which begins when the one is over that was open when it was registered';
