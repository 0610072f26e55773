-- Keeps true: a chore that was done is not done again before its time. $1 name, $2 who, $3 what it deleted.
update workflow_chores c set holder = null, held_until = null, done_at = workflow_now(), deleted = $3::jsonb
where c.name = $1 and c.holder = $2
