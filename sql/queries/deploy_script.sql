-- Keeps true: new starts of the script take this plan; running executions keep theirs. $1 bot, $2 script, $3 hash,
-- $4 the tool that it is, as JSON, or null, $5 whether it came from a folder or by sql. Returns the hash if that changed anything.
insert into workflow_scripts as s (bot_id, script, plan_hash, tool, origin) values ($1, $2, $3, $4::jsonb, $5)
on conflict (bot_id, script) do update
    set plan_hash = excluded.plan_hash, tool = excluded.tool, origin = excluded.origin, deployed_at = excluded.deployed_at
    where s.plan_hash <> excluded.plan_hash or s.tool is distinct from excluded.tool or s.origin <> excluded.origin
returning s.plan_hash
