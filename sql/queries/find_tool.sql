-- Keeps true: a bot's own script goes before one of every bot. $1 bot, $2 the tool's name in lower case.
select s.script, s.tool
from workflow_scripts s
where s.bot_id in ($1, '00000000-0000-0000-0000-000000000000')
    and coalesce(s.tool ->> 'name', regexp_replace(lower(s.script), '^.*/|\.bas$', '', 'g')) = $2
order by s.bot_id = $1 desc, length(s.script), s.script
limit 1
