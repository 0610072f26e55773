-- Keeps true: every script that came as a row is compiled by some daemon, with all others of its bot.
select s.id, s.bot_id, s.path, s.source from workflow_sources s where s.status = 'pending' order by s.bot_id, s.id
