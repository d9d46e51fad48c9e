-- What hooks emitted for published records: one typed table per feature table name, made by the node in schema features.
-- This is the catalog of them.
create table osa.feature_tables (
    -- Names the table's constraints and sequence, so that no feature table's name can collide with them.
    id bigint generated always as identity primary key,
    name text not null unique,
    convention_id text not null,
    -- The table in schema features; always go through here, never from the name.
    pg_table text not null unique,
    cardinality text not null check (cardinality in ('one', 'many')),
    -- Every column ever declared, in the order of its first declaration: [{name, type, format, required, declared}].
    columns jsonb not null,
    schema_version integer not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create index on osa.feature_tables (convention_id);
