-- Keeps true: one key of a bot's memory is copied to another bot. $1 bot, $2 key, $3 name of the other.
select workflow_share_memory($1, $2, $3)
