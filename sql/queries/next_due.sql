-- Keeps true: the database's clock alone says how long there is to sleep. $1 owner, $2 executions in hand.
select extract(epoch from e.wake_at - workflow_now())::float8
from workflow_executions e
where e.plan_hash is not null and e.wake_at is not null and e.status in ('running', 'waiting')
    and e.partition = any (array(select p.number from workflow_partitions p where p.owner = $1))
    and e.id <> all ($2::uuid[])
order by e.wake_at limit 1
