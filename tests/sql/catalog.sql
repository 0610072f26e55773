-- What the schema on the search_path consists of, one line each.
select 'column ' || c.oid::regclass || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod)
    || case when a.attnotnull then ' not null' else '' end || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
    || a.attidentity::text || a.attgenerated::text || coalesce(' ' || col_description(c.oid, a.attnum), '') as line
from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
where c.relnamespace = quote_ident(current_schema())::regnamespace and c.relkind in ('r', 'v', 'p')
union all
select 'relation ' || c.oid::regclass || ' ' || c.relkind::text || ' ' || coalesce(c.reloptions::text, '') || coalesce(c.relacl::text, '')
    || coalesce(' ' || obj_description(c.oid, 'pg_class'), '')
    || case c.relkind when 'v' then pg_get_viewdef(c.oid) when 'i' then pg_get_indexdef(c.oid)
        when 'r' then coalesce(pg_get_expr(c.relpartbound, c.oid), '') else '' end
from pg_class c where c.relnamespace = quote_ident(current_schema())::regnamespace
union all
select 'constraint ' || k.conrelid::regclass || ' ' || k.conname || ' ' || pg_get_constraintdef(k.oid)
from pg_constraint k where k.connamespace = quote_ident(current_schema())::regnamespace
union all
select 'trigger ' || pg_get_triggerdef(t.oid) from pg_trigger t join pg_class c on c.oid = t.tgrelid
where c.relnamespace = quote_ident(current_schema())::regnamespace and not t.tgisinternal
union all
select 'function ' || pg_get_functiondef(f.oid) || coalesce(f.proacl::text, '') || coalesce(obj_description(f.oid, 'pg_proc'), '')
from pg_proc f where f.pronamespace = quote_ident(current_schema())::regnamespace
union all
select 'setting ' || s.key || ' ' || s.value || ' ' || s.about from workflow_settings s
union all
select 'partitions ' || count(*) from workflow_partitions
order by 1
