-- Keeps true: an actor starts from committed rows only. $1 ids. Rows without a plan are not ours.
select e.id, e.revision, e.session_id, e.bot_id, e.script_path as script, e.plan_hash, e.mode, e.status, e.state_json,
    e.turn, workflow_now() as now
from workflow_executions e
where e.id = any ($1::uuid[]) and case when e.plan_hash is not null then true end  -- no index is for that: by key
