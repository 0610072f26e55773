-- Keeps true: an execution goes on with the plan it began with. $1 hash.
select p.hash, p.script, p.mode, p.plan_json, p.sources, p.engine_version, p.created_at from workflow_plans p where p.hash = $1
