-- Keeps true: every signal to an execution that may run is found, however late its row became visible (no cursor over
-- ids). $1 owner, $2 ids in hand, $3 limit.
select s.id, e.session_id, s.execution_id, s.kind, s.number, s.name, s.data, s.message, s.created_at, workflow_now() as now
from workflow_signals s
join workflow_executions e on e.id = s.execution_id
where s.partition = any (array(select p.number from workflow_partitions p where p.owner = $1))
    and e.plan_hash is not null and e.status in ('running', 'waiting')
    and s.id <> all ($2::bigint[])
order by s.id limit $3
