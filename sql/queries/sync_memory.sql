-- Keeps true: a bot keeps what another one keeps, all of it or nothing. $1 bot, $2 name of the other.
select workflow_sync_memory($1, $2)
