-- Keeps true: every signal to an execution that may run is found, however late its row became visible (no cursor over
-- ids). $1 owner, $2 ids in hand, $3 limit. Executions are looked up by key, one for each signal: the planner may not begin
-- with those that wait, however few it knows of.
select s.id, e.session_id, s.execution_id, s.kind, s.number, s.name, s.data, s.message, s.created_at, workflow_now() as now
from workflow_signals s
cross join lateral (
    select x.session_id from workflow_executions x
    where x.id = s.execution_id and case when x.status in ('running', 'waiting') then x.plan_hash is not null end
    limit 1
) e
where s.partition = any (array(select p.number from workflow_partitions p where p.owner = $1))
    and s.id not in (select h from unnest($2::bigint[]) h)
order by s.id limit $3
