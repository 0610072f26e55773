-- Keeps true: what a script triggers is started by the commit of the turn that says so. $1 execution, $2 name, $3 data.
select workflow_trigger_from($1, $2, $3::jsonb)
