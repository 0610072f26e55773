-- Keeps true: what a script set wins over what the bot server keeps in the session. $1 session, $2 key.
select workflow_session_variable($1, $2)
