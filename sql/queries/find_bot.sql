-- Keeps true: a bot's name means the same bot everywhere. $1 name.
select workflow_bot_named($1)
