-- Keeps true: it is set if and only if its turn is committed. $1 session, $2 key, $3 value.
select workflow_set_session_variable($1, $2, $3::jsonb)
