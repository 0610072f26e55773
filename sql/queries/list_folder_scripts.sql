-- Keeps true: a folder withdraws only what a folder brought. $1 bot, $2 the scripts that are there now.
select s.script from workflow_scripts s where s.bot_id = $1 and s.origin = 'folder' and s.script <> all ($2::text[]) order by s.script
