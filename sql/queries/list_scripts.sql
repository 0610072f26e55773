-- Keeps true: one row for each script that can be started.
select s.bot_id, s.script, s.plan_hash, p.mode, s.deployed_at
from workflow_scripts s join workflow_plans p on p.hash = s.plan_hash
order by s.script, s.bot_id
