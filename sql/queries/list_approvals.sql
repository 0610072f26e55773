-- Keeps true: every approval that can be decided now is in it, the oldest first. $1 session, or null for all.
select id, execution_id, session_id, workflow, text, people, token, link, created_at, deadline from workflow_approvals
where $1::uuid is null or session_id = $1 order by created_at, id
