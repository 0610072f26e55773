-- Keeps true: a script that came as a row has one outcome. $1 id, $2 status, $3 plan, $4 problems.
update workflow_sources s set status = $2, plan_hash = $3, problems = $4::jsonb, done_at = workflow_now()
where s.id = $1 and s.status = 'pending'
