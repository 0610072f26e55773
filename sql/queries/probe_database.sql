-- Keeps true: it reads only, and needs no schema of ours: what `doctor` asks of any PostgreSQL.
select clock_timestamp() as database_time,
       pg_backend_pid() as backend,
       pg_is_in_recovery() or current_setting('transaction_read_only')::boolean as read_only,
       to_regnamespace($1) is not null as schema_there,
       has_database_privilege(current_database(), 'create') as may_create,
       oldest.pid as oldest_pid, oldest.application_name as oldest_program, oldest.seconds as oldest_seconds
from (select) nothing
left join (
    -- What holds a snapshot keeps every row that was deleted since. Of other roles' sessions this may not be told.
    select a.pid, nullif(a.application_name, '') as application_name,
        extract(epoch from clock_timestamp() - a.xact_start)::float8 as seconds
    from pg_stat_activity a
    where a.datname = current_database() and a.pid <> pg_backend_pid() and (a.backend_xmin is not null or a.backend_xid is not null)
        and a.xact_start is not null and a.backend_type = 'client backend'
    order by a.xact_start limit 1
) oldest on true;
