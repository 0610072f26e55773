-- Keeps true: the tool runs in the turn's transaction. $1 function, $2 arguments, $3 session, $4 execution, $5 bot.
select workflow_call($1, $2::jsonb, $3, $4, $5)
