-- Keeps true: everything that an author's SQL made in a scratch database goes; ours and PostgreSQL's stay. $1 our schema.
select coalesce(string_agg(format('drop schema %I cascade;', n.nspname), ' '), '') || ' create schema public;'
from pg_namespace n
where n.nspname <> $1 and n.nspname <> 'information_schema' and n.nspname not like 'pg\_%'
