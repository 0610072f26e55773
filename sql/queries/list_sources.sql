-- Keeps true: what a new script is compiled with is what its bot runs now, its own scripts before those of every bot. $1 bot.
select distinct on (s.script) s.script, p.sources ->> s.script as source, s.bot_id = $1 as own, s.origin, p.sources::text as sources
from workflow_scripts s join workflow_plans p on p.hash = s.plan_hash
where s.bot_id in ($1, '00000000-0000-0000-0000-000000000000')
order by s.script, s.bot_id = $1 desc
