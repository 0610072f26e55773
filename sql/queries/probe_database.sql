-- Keeps true: it reads only, and needs no schema of ours: what `doctor` asks of any PostgreSQL.
select clock_timestamp() as database_time,
       pg_backend_pid() as backend,
       pg_is_in_recovery() or current_setting('transaction_read_only')::boolean as read_only,
       to_regnamespace($1) is not null as schema_there,
       has_database_privilege(current_database(), 'create') as may_create;
