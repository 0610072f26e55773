-- Keeps true: one row, all of it. $1 id.
select e.id, e.start_order, e.session_id, e.bot_id, e.script_path as script, e.mode, e.status, e.current_step, e.turn, e.wait_kind,
    e.wake_at, e.problem, e.created_at, e.updated_at, e.ended_at, e.plan_hash, e.revision, e.state_json,
    (select count(*) from workflow_messages m where m.session_id = e.session_id) as messages_pending,
    coalesce((select t.at from workflow_turns t where t.execution_id = e.id and t.turn = e.turn), e.updated_at) as since,
    workflow_hearer(e.session_id) is not distinct from e.id as hears, workflow_now() as now
from workflow_executions e
where e.id = $1 and e.plan_hash is not null
