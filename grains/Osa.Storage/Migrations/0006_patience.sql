alter table osa.validation_runs add column setback_since timestamptz;
comment on column osa.validation_runs.setback_since is 'The first of the infrastructure failures since its newest container was claimed or done; null while there is none';
