-- Every event is written before it has a position: an index of those that have one costs the writer nothing.
alter table osa.events drop constraint events_position_key;
create unique index events_position on osa.events (position) where position is not null;
