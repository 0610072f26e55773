-- Keeps true: a plan, once stored under its hash, never changes.
insert into workflow_plans (hash, script, mode, plan_json, sources, engine_version)
values ($1, $2, $3, $4, $5::jsonb, $6)
on conflict (hash) do nothing
