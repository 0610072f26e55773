-- Keeps true: what gauges and lists show costs the same however many executions there are. Of each status exactly up to
-- $1; beyond that, what PostgreSQL's own statistics say, and that is told.
with estimated as (
    select x.status, (x.share * greatest(c.reltuples, 0))::bigint as executions
    from pg_class c
    join pg_namespace n on n.oid = c.relnamespace
    join pg_stats s on s.schemaname = n.nspname and s.tablename = c.relname and s.attname = 'status'
    cross join lateral unnest(s.most_common_vals::text::text[], s.most_common_freqs) x (status, share)
    where c.oid = 'workflow_executions'::regclass
)
select s.status, case when c.looked_at <= $1 then c.ours else greatest(c.ours, e.executions) end as executions,
    c.looked_at <= $1 as exact
from unnest('{running,waiting,paused,completed,failed,cancelled,lost}'::text[]) s (status)
cross join lateral (
    select count(*) as looked_at, count(x.plan_hash) as ours
    from (
        -- A range and an order, so that it is the index that is read, also where a status is thought to be common.
        select e.plan_hash from workflow_executions e where e.status >= s.status and e.status <= s.status
        order by e.status limit $1::bigint + 1
    ) x
) c
left join estimated e on e.status = s.status
