-- Keeps true: pages neither skip nor repeat (keyset on start_order, newest first).
-- $1 statuses or null, $2 session or null, $3 script or null, $4 below this start_order or null, $5 limit.
select e.id, e.start_order, e.session_id, e.bot_id, e.script_path as script, e.mode, e.status, e.current_step, e.turn, e.wait_kind,
    e.wake_at, e.problem, e.created_at, e.updated_at, e.ended_at
from workflow_executions e
where e.plan_hash is not null and ($1::text[] is null or e.status = any ($1)) and ($2::uuid is null or e.session_id = $2)
    and ($3::text is null or e.script_path = $3) and ($4::bigint is null or e.start_order < $4)
order by e.start_order desc limit $5
