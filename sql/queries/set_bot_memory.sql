-- Keeps true: it is set if and only if its turn is committed. $1 bot, $2 key, $3 value.
select workflow_set_bot_memory($1, $2, $3::jsonb)
