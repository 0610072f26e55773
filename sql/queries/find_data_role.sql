-- Keeps true: changes nothing. $1 the configured role of data keywords, or "". Which role they will run as (NULL: this
-- login itself), and whether schemas of bots can be made.
select (
    select r.rolname from pg_roles r
    where r.rolname = coalesce(nullif($1, ''), 'stepwell_data') and pg_has_role(session_user, r.oid, 'member')
) as name, has_database_privilege(current_database(), 'create') as may_create
