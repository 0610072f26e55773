-- Keeps true: the beginning of an id names an execution only if it is the only one. $1 low and $2 high end, as uuids.
select e.id from workflow_executions e where e.id between $1 and $2 and e.plan_hash is not null order by e.id limit 2
