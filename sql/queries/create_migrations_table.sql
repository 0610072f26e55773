-- Keeps true: what was applied is known before anything is.
create table if not exists workflow_migrations (
    number integer primary key,
    name text not null,
    checksum text not null,
    applied_at timestamptz not null default now()
)
