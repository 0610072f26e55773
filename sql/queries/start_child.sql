-- Keeps true: a child exists if and only if the turn that started it is committed. $1 parent, $2 bot or script, $3 variables, $4 procedure.
select workflow_start_child($1, $2, $3::jsonb, $4)
