-- Keeps true: a scratch database is stale when it is old by its name and nobody is connected to it.
-- $1 beginning of the names, $2 the newest second of creation that counts as old.
select d.datname from pg_database d
where starts_with(d.datname, $1) and split_part(substr(d.datname, length($1) + 1), '_', 1) ~ '^[0-9]{1,12}$'
    and split_part(substr(d.datname, length($1) + 1), '_', 1)::bigint <= $2
    and not exists (select from pg_stat_activity a where a.datid = d.oid)
order by d.datname
