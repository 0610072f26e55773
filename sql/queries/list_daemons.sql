-- Keeps true: every partition is in one line: that of the daemon which owns it, or the last, of those that nobody owns.
with owned as (
    select d.owner, count(*) as partitions from workflow_partitions p left join workflow_daemons d on d.owner = p.owner group by d.owner
)
select d.owner, d.host, d.pid, d.version, d.started_at, d.leaving, coalesce(o.partitions, 0) as partitions, d.executions,
    extract(epoch from d.lease_until - workflow_now())::float8 as seconds, workflow_now() as now
from workflow_daemons d full join owned o on o.owner = d.owner
order by d.started_at nulls last, d.owner
