-- Keeps true: what is due is found by its stored moment alone; no timer lives only in memory.
-- $1 owner, $2 executions in hand, $3 limit.
select e.id, e.revision, workflow_now() as now
from workflow_executions e
join workflow_partitions p on p.number = e.partition and p.owner = $1
where e.plan_hash is not null and e.wake_at is not null and e.status in ('running', 'waiting')
    and e.wake_at <= workflow_now()
    and e.id <> all ($2::uuid[])
order by e.wake_at limit $3
