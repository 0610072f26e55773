-- Keeps true: the bot server's param-* settings of one bot, or {} without such a table. $1 bot.
select workflow_bot_parameters($1)
