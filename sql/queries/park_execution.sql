-- Keeps true: the state is left as it is, the problem is visible, and nothing runs until an operator says so.
-- $1 execution, $2 revision, $3 owner, $4 problem.
update workflow_executions e
set status = 'paused', problem = $4, revision = e.revision + 1, updated_at = workflow_now()
from workflow_partitions p
where e.id = $1 and e.revision = $2 and case when e.status in ('running', 'waiting') then e.plan_hash is not null end
    and p.number = e.partition and p.owner = $3
returning e.id
