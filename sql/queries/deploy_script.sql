-- Keeps true: new starts of the script take this plan; running executions keep theirs. $1 bot, $2 script, $3 hash.
-- Returns the hash if that changed anything.
insert into workflow_scripts as s (bot_id, script, plan_hash) values ($1, $2, $3)
on conflict (bot_id, script) do update set plan_hash = excluded.plan_hash, deployed_at = excluded.deployed_at
    where s.plan_hash <> excluded.plan_hash
returning s.plan_hash
