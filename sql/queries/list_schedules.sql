-- Keeps true: operators see every schedule, what comes next first. $1 a script or null, $2 an id or null.
select t.id, t.bot_id, t.script, t.procedure, t.step, t.what, t.cron, t.zone, t.origin, t.status, t.next_at, t.last_slot, t.fired,
    t.last_execution_id, t.last_status, t.problem, workflow_now() as now
from workflow_timetable t
where ($1::text is null or t.script = $1) and ($2::bigint is null or t.id = $2)
order by t.status, t.next_at nulls last, t.id
limit 1000
