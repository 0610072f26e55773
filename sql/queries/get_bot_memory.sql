-- Keeps true: what a script set wins over the bot server's own memory. $1 bot, $2 key.
select workflow_bot_memory($1, $2)
