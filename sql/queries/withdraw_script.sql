-- Keeps true: nobody starts the script any more; running executions go on. $1 bot, $2 script.
delete from workflow_scripts s where s.bot_id = $1 and s.script = $2 returning s.script
