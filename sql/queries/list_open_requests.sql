-- Keeps true: whatever nobody has answered yet can be seen, what is in doubt first, then the oldest.
-- $1 statuses or null, $2 kind or null, $3 execution or null, $4 limit.
select r.id, r.kind, r.lane, r.status, r.execution_id, r.number, r.session_id, r.bot_id, r.script, r.current_step, r.attempts,
    r.cut_short, r.error, r.policy, r.created_at, r.not_before, r.deadline, r.taken_by, r.lease_until, workflow_now() as now
from workflow_requests_open r
where ($1::text[] is null or r.status = any ($1)) and ($2::text is null or r.kind = $2) and ($3::uuid is null or r.execution_id = $3)
order by r.status <> 'in_doubt', r.created_at limit $4
